"""What the parent of the workers starts: child processes that share its sockets and know its life.

The parent never reads the sockets itself; it keeps them open, so nothing queued is lost between two workers.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from .supervisor import Child

STOP_WITHIN_S = 3.25
"""Seconds until a worker that did not stop is killed: more than its application gets."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """What the workers share: UDP and TCP on one port, and TLS if it is on."""

    udp: socket.socket
    tcp: socket.socket
    tls: socket.socket | None = None

    @property
    def fds(self) -> tuple[int, ...]:
        return tuple(sock.fileno() for sock in (self.udp, self.tcp, self.tls) if sock is not None)

    @property
    def options(self) -> list[str]:
        """As `manage.py sipworker` takes them."""
        tls = [] if self.tls is None else ["--tls-fd", str(self.tls.fileno())]
        return ["--fd", str(self.udp.fileno()), "--tcp-fd", str(self.tcp.fileno()), *tls]


def worker_children(
    sockets: Sockets, count: int, alive_fd: int, environ: Mapping[str, str], options: list[str]
) -> list[Child]:
    """`count` workers on `sockets`, watching `alive_fd` (see run_worker), with further sipworker options."""
    command = [sys.executable, "-m", "django", "sipworker", *sockets.options]
    argv = [*command, "--alive-fd", str(alive_fd), *options]
    env = {**environ, "PYTHONPATH": _python_path()}
    return [
        Child(
            f"sipworker-{number}",
            argv,
            env,
            pass_fds=(*sockets.fds, alive_fd),
            # An orphan still answers what it has in hand; the pipe sees to it that it ends.
            parent_death_signal=signal.SIGTERM,
            # A new certificate must not end a worker that is still starting.
            held_back=frozenset({signal.SIGHUP}),
        )
        for number in range(1, count + 1)
    ]


def call_processes(
    udp: socket.socket,
    listening: socket.socket,
    alive_fd: int,
    environ: Mapping[str, str],
    options: list[str],
) -> list[Child]:
    """The process that workers hand calls to, at `listening`, and another that takes over at once when it dies;
    `options` of sipcalls."""
    fds = (udp.fileno(), listening.fileno(), alive_fd)
    names = ("--fd", "--calls-fd", "--alive-fd")
    numbers = [text for name, fd in zip(names, fds, strict=True) for text in (name, str(fd))]
    argv = [sys.executable, "-m", "django", "sipcalls", *numbers, *options]
    env = {**environ, "PYTHONPATH": _python_path()}
    return [
        Child(
            f"sipcalls-{number}",
            argv,
            env,
            pass_fds=fds,
            parent_death_signal=signal.SIGTERM,
            held_back=frozenset({signal.SIGHUP}),
        )
        for number in (1, 2)
    ]


def _python_path() -> str:
    # The worker finds what this process found, whatever the directory either was started from.
    return os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100 - may not exist
