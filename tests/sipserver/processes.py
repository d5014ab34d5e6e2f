"""Real worker and parent processes for the tests, ended with their block."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.sipserver.events import Address

ROOT = Path(__file__).parents[2]
ECHO = ("--settings", "tests.sipserver.settings", "--application", "tests.sipserver.echo:application")


@dataclass(frozen=True, slots=True)
class Running:
    process: subprocess.Popen[str]
    address: Address
    tls_address: Address | None = None

    async def ended(self, patience_s: float) -> int:
        """The exit code; TimeoutExpired when it does not come in time."""
        return await asyncio.to_thread(self.process.wait, patience_s)


@contextmanager
def command(
    *arguments: str, pass_fds: tuple[int, ...] = (), environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A management command as a child process; killed, should it still live at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "django", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environ or {})},
        pass_fds=pass_fds,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def running_worker(sock: socket.socket, alive_fd: int) -> Iterator[Running]:
    """One `sipworker` with the echo application on `sock`."""
    fds = (sock.fileno(), alive_fd)
    numbers = ("--fd", str(fds[0]), "--alive-fd", str(fds[1]))
    with command("sipworker", *numbers, *ECHO, pass_fds=fds) as process:
        yield Running(process, sock.getsockname())


@contextmanager
def running_server(
    *options: str, workers: int = 2, environ: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """`sipserver` with the echo application on a free port of 127.0.0.1."""
    arguments = (
        "sipserver",
        "--bind",
        "127.0.0.1:0",
        "--workers",
        str(workers),
        "--no-calls",
        *ECHO,
        *options,
    )
    with command(*arguments, environ=environ) as process:
        assert process.stdout is not None
        ports = re.findall(r":(\d+)", process.stdout.readline())
        udp, *tls = [("127.0.0.1", int(port)) for port in ports]
        yield Running(process, udp, *tls)
