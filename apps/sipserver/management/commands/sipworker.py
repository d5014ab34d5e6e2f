"""`manage.py sipworker --fd N`: one SIP worker, started by `manage.py sipserver`.

It is no use by hand: the socket and the pipe that tells of the parent's death are inherited.
"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.sipserver.loading import load_application
from apps.sipserver.sockets import inherited_udp_socket
from apps.sipserver.worker import run_worker


class Command(BaseCommand):
    help = "Run one SIP worker on an inherited UDP socket (sipserver starts these)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fd", type=int, required=True, help="file descriptor of the UDP socket")
        parser.add_argument("--alive-fd", type=int, help="read end of a pipe the parent holds open")
        parser.add_argument("--application", metavar="MODULE:NAME", help="default: ASGI_APPLICATION")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sock = inherited_udp_socket(options["fd"])
        except (OSError, ValueError) as error:
            raise CommandError(f"--fd {options['fd']}: {error}", returncode=2) from error
        sys.exit(run_worker(load_application(options["application"]), sock, options["alive_fd"]))
