"""`manage.py sipworker --fd N`: one SIP worker, started by `manage.py sipserver`.

It is no use by hand: the sockets and the pipe that tells of the parent's death are inherited.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.sipserver.loading import load_application
from apps.sipserver.sockets import inherited_listening_socket, inherited_udp_socket
from apps.sipserver.tls import Certificate, CertificateError
from apps.sipserver.worker import run_worker

WRONG_USE = 2


class Command(BaseCommand):
    help = "Run one SIP worker on inherited sockets (sipserver starts these)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fd", type=int, required=True, help="file descriptor of the UDP socket")
        parser.add_argument("--tcp-fd", type=int, help="file descriptor of the listening TCP socket")
        parser.add_argument("--tls-fd", type=int, help="file descriptor of the listening TLS socket")
        parser.add_argument("--tls-certificate", type=Path, metavar="PEM")
        parser.add_argument("--tls-key", type=Path, metavar="PEM")
        parser.add_argument("--alive-fd", type=int, help="read end of a pipe the parent holds open")
        parser.add_argument("--calls", type=Path, metavar="PATH", help="Unix socket of the call process")
        parser.add_argument("--application", metavar="MODULE:NAME", help="default: ASGI_APPLICATION")

    def handle(self, *args: Any, **options: Any) -> None:
        udp = inherited("--fd", options["fd"], inherited_udp_socket)
        tcp = tls = None
        if options["tcp_fd"] is not None:
            tcp = inherited("--tcp-fd", options["tcp_fd"], inherited_listening_socket)
        if options["tls_fd"] is not None:
            listening = inherited("--tls-fd", options["tls_fd"], inherited_listening_socket)
            tls = listening, Certificate(options["tls_certificate"], options["tls_key"])
        application = load_application(options["application"])
        try:
            sys.exit(
                run_worker(application, udp, options["alive_fd"], tcp=tcp, tls=tls, calls=options["calls"])
            )
        except CertificateError as error:
            raise CommandError(str(error), returncode=WRONG_USE) from error


def inherited(option: str, fd: int, taken_over: Callable[[int], socket.socket]) -> socket.socket:
    try:
        return taken_over(fd)
    except (OSError, ValueError) as error:
        raise CommandError(f"{option} {fd}: {error}", returncode=WRONG_USE) from error
