"""`manage.py sipserver`: bind the SIP sockets once, and keep N workers reading them, and a process for calls."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from argparse import BooleanOptionalAction
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.sipserver.addresses import AddressError, format_address, from_socket_address, parse_address
from apps.sipserver.certificates import ensure_self_signed
from apps.sipserver.events import Address
from apps.sipserver.sockets import open_listening_socket, open_sip_sockets
from apps.sipserver.supervisor import Child, ChildEvent, Supervisor
from apps.sipserver.tls import Certificate, CertificateError, server_context
from apps.sipserver.unix_sockets import calls_socket_path, open_unix_socket
from apps.sipserver.workers import STOP_WITHIN_S, Sockets, call_processes, worker_children

WRONG_USE = 2


class Command(BaseCommand):
    help = "Receive SIP over UDP and TCP, and over TLS if asked to: shared sockets, several worker processes."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", metavar="HOST:PORT", default=settings.SIP_BIND)
        parser.add_argument("--tls-bind", metavar="HOST:PORT", default=settings.SIPS_BIND)
        parser.add_argument("--workers", type=int, metavar="N", default=settings.SIP_WORKERS)
        parser.add_argument(
            "--calls",
            action=BooleanOptionalAction,
            default=True,
            help="a process beside the workers takes calls (default: yes)",
        )
        parser.add_argument("--application", metavar="MODULE:NAME", help="default: ASGI_APPLICATION")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["workers"] < 1:
            raise CommandError("--workers: at least 1 is needed", returncode=WRONG_USE)
        tls = []
        if options["tls_bind"]:
            certificate = _certificate()
            tls = ["--tls-certificate", str(certificate.chain), "--tls-key", str(certificate.key)]
        with _bound(options["bind"], options["tls_bind"]) as sockets, contextlib.ExitStack() as stack:
            with_tls = f", TLS {_where(sockets.tls)}" if sockets.tls else ""
            self._tell(f"SIP on UDP and TCP {_where(sockets.udp)}{with_tls}, {options['workers']} workers")
            calls = stack.enter_context(_calls_socket(sockets.udp)) if options["calls"] else None
            sys.exit(self._supervise(sockets, calls, options, tls))

    def _supervise(
        self, sockets: Sockets, calls: socket.socket | None, options: dict[str, Any], further: list[str]
    ) -> int:
        alive_fd, lifeline_fd = os.pipe()  # the second is held open, never written, never inherited
        application = ["--application", options["application"]] if options["application"] else []
        children: list[Child] = []
        try:
            if calls is not None:
                # They are stopped from the last to the first: who hands over goes before who takes.
                children += call_processes(sockets.udp, calls, alive_fd, os.environ, application)
                further = [*further, "--calls", calls.getsockname()]
            further = [*further, *application]
            children += worker_children(sockets, options["workers"], alive_fd, os.environ, further)
            supervisor = Supervisor(
                children, self._tell_event, stop_within_s=STOP_WITHIN_S, passed_on=[signal.SIGHUP]
            )
            return supervisor.run()
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


def _certificate() -> Certificate:
    """The one of the settings, or our own; one that cannot be used must fail here, not in each worker."""
    chain, key = settings.SIP_TLS_CERTIFICATE, settings.SIP_TLS_KEY
    try:
        if chain is None or key is None:
            certificate = ensure_self_signed(Path(settings.SIP_TLS_FOLDER), settings.SIP_TLS_NAMES)
        else:
            certificate = Certificate(chain, key)
        server_context(certificate)
    except (CertificateError, OSError) as error:
        raise CommandError(f"TLS certificate: {error}", returncode=WRONG_USE) from error
    return certificate


@contextlib.contextmanager
def _bound(bind: str, tls_bind: str | None) -> Iterator[Sockets]:
    with contextlib.ExitStack() as stack:
        transport, where = "UDP", bind
        try:
            pair = open_sip_sockets(*_address("--bind", bind))
            udp, tcp = (stack.enter_context(sock) for sock in pair)
            tls = None
            if tls_bind:
                transport, where = "TLS", tls_bind
                tls = stack.enter_context(open_listening_socket(*_address("--tls-bind", tls_bind)))
        except OSError as error:
            reason = error.strerror or str(error)
            message = f"cannot listen on {error.filename or transport} {where}: {reason}"
            raise CommandError(message, returncode=WRONG_USE) from error
        yield Sockets(udp, tcp, tls)


@contextlib.contextmanager
def _calls_socket(udp: socket.socket) -> Iterator[socket.socket]:
    """Kept open by this process, so that workers find their way to each next call process."""
    path = calls_socket_path(
        Path(settings.SIP_CALLS_FOLDER), from_socket_address(udp.family, udp.getsockname())
    )
    try:
        listening = open_unix_socket(path)
    except OSError as error:
        raise CommandError(f"cannot listen on {path}: {error}", returncode=WRONG_USE) from error
    with listening:
        try:
            yield listening
        finally:
            path.unlink(missing_ok=True)
            Path(f"{path}.lock").unlink(missing_ok=True)


def _address(option: str, text: str) -> Address:
    try:
        return parse_address(text)
    except AddressError as error:
        raise CommandError(f"{option}: {error}", returncode=WRONG_USE) from error


def _where(sock: socket.socket) -> str:
    return format_address(from_socket_address(sock.family, sock.getsockname()))
