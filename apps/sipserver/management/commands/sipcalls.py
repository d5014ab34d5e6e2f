"""`manage.py sipcalls`: the one process of a host that workers hand calls to, started by `manage.py sipserver`.

It is no use by hand: the sockets and the pipe that tells of the parent's death are inherited.
"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.sipserver.loading import load_application
from apps.sipserver.management.commands.sipworker import inherited
from apps.sipserver.sockets import inherited_udp_socket, inherited_unix_socket
from apps.sipserver.worker import run_call_process


class Command(BaseCommand):
    help = "Carry calls: the process that SIP workers hand them to (sipserver starts it)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fd", type=int, required=True, help="file descriptor of the UDP socket")
        parser.add_argument(
            "--calls-fd", type=int, required=True, help="that of the socket workers connect to"
        )
        parser.add_argument("--alive-fd", type=int, help="read end of a pipe the parent holds open")
        parser.add_argument("--application", metavar="MODULE:NAME", help="default: ASGI_APPLICATION")

    def handle(self, *args: Any, **options: Any) -> None:
        udp = inherited("--fd", options["fd"], inherited_udp_socket)
        listening = inherited("--calls-fd", options["calls_fd"], inherited_unix_socket)
        application = load_application(options["application"])
        sys.exit(run_call_process(application, udp, listening, options["alive_fd"]))
