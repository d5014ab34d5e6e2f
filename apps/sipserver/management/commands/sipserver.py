"""`manage.py sipserver`: bind the SIP socket once, and keep N workers reading it."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.sipserver.addresses import AddressError, format_address, from_socket_address, parse_address
from apps.sipserver.sockets import open_udp_socket
from apps.sipserver.supervisor import ChildEvent, Supervisor
from apps.sipserver.workers import STOP_WITHIN_S, worker_children

WRONG_USE = 2


class Command(BaseCommand):
    help = "Receive SIP over UDP: one socket, several worker processes."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", metavar="HOST:PORT", default=settings.SIP_BIND)
        parser.add_argument("--workers", type=int, metavar="N", default=settings.SIP_WORKERS)
        parser.add_argument("--application", metavar="MODULE:NAME", help="default: ASGI_APPLICATION")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["workers"] < 1:
            raise CommandError("--workers: at least 1 is needed", returncode=WRONG_USE)
        with _bound(options["bind"]) as sock:
            where = format_address(from_socket_address(sock.family, sock.getsockname()))
            self._tell(f"SIP on UDP {where}, {options['workers']} workers")
            sys.exit(self._supervise(sock, options["workers"], options["application"]))

    def _supervise(self, sock: socket.socket, workers: int, application: str | None) -> int:
        further = ["--application", application] if application else []
        alive_fd, lifeline_fd = os.pipe()  # the second is held open, never written, never inherited
        try:
            children = worker_children(sock, workers, alive_fd, os.environ, further)
            return Supervisor(children, self._tell_event, stop_within_s=STOP_WITHIN_S).run()
        finally:
            os.close(lifeline_fd)
            os.close(alive_fd)

    def _tell_event(self, event: ChildEvent) -> None:
        line = f"{event.name} {event.kind}, pid {event.pid}"
        if event.kind != "started":
            line += f", exit code {event.returncode}"
        if event.retry_in_s is not None:
            line += f", again in {event.retry_in_s:.1f} s"
        self._tell(line)

    def _tell(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _bound(bind: str) -> socket.socket:
    try:
        host, port = parse_address(bind)
        return open_udp_socket(host, port)
    except AddressError as error:
        raise CommandError(f"--bind: {error}", returncode=WRONG_USE) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(f"cannot listen on UDP {bind}: {reason}", returncode=WRONG_USE) from error
