"""What is measured: a server that can be started on a database emptied of registrations. And our own two.

The product is its SIP server with its default number of workers; the echo is the same server with an application
that does nothing, which is the ceiling of the I/O.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import psycopg

from bench import trunks
from bench.database import Cluster
from bench.extensions import DOMAIN, generate
from bench.loader import BenchError
from bench.processes import running
from registrar_admin.config import PROJECT_DIR
from registrar_admin.variables import VARIABLE_NAMES

HOST: Final = "127.0.0.1"
READY_WITHIN_S: Final = 60.0

TABLES: Final = """
SELECT c.relname FROM pg_class c
WHERE c.relname LIKE 'registrar\\_%' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relnamespace = 'public'::regnamespace
"""
LAST_CSEQS: Final = "SELECT aor, max(cseq) FROM registrar_binding WHERE expires_at > now() GROUP BY aor"
WORKERS: Final = "SELECT count(*) FROM registrar_workerheartbeat"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers. `process` is the parent of all its processes."""

    address: str
    process: subprocess.Popen[bytes]


class Server(Protocol):
    """`name` says to a reader what it is. `modes`: of the loader, that make sense with it."""

    @property
    def name(self) -> str: ...

    @property
    def modes(self) -> tuple[str, ...]: ...

    def reset(self) -> None:
        """Forget every registration. While it is not running."""

    def running(self) -> AbstractContextManager[Running]:
        """It runs, all of its processes ready, until the end of the block."""


@dataclass(frozen=True, slots=True)
class Product:
    """Ours. `workers` None: as many as the product starts when it is told nothing."""

    cluster: Cluster
    workers: int | None = None
    name: str = "ours"
    modes: tuple[str, ...] = ("first", "refresh", "initial")

    @property
    def worker_count(self) -> int:
        return self.workers or min(2, os.cpu_count() or 1)

    def prepare(self, extensions: int, digest: str) -> None:
        """Tables, generated extensions, and two trunks."""
        _manage(self.environ(), "migrate", "--verbosity", "0")
        generate(self.cluster.url, extensions, digest)
        trunks.generate(self.cluster.url)

    def last_cseqs(self) -> dict[str, int]:
        """Of each live binding, by user name."""
        with psycopg.connect(self.cluster.url) as connection:
            rows = connection.execute(LAST_CSEQS).fetchall()
        return {aor.removeprefix("sip:").removesuffix(f"@{DOMAIN}"): cseq for aor, cseq in rows}

    def reset(self) -> None:
        with psycopg.connect(self.cluster.url) as connection:
            names = [row[0] for row in connection.execute(TABLES).fetchall()]
            connection.execute(f"TRUNCATE {', '.join(names)}".encode())

    @contextlib.contextmanager
    def running(self) -> Iterator[Running]:
        with _sip_server(self.environ(), self.cluster.folder / "ours.log", self.workers) as server:
            wait_until(self._is_ready, server, "the product's SIP server")
            yield server

    def environ(self) -> dict[str, str]:
        """Without a site's own variables."""
        clean = {name: value for name, value in os.environ.items() if name not in VARIABLE_NAMES}
        return clean | {
            "DATABASE_URL": self.cluster.url,
            "REGISTRAR_DATA_DIR": str(self.cluster.folder),
            "REGISTRAR_PUBLIC_HOST": HOST,
            "REGISTRAR_DOMAIN": DOMAIN,
            "SECRET_KEY": SECRET_KEY,
            "DJANGO_SETTINGS_MODULE": "registrar_admin.settings",
        }

    def _is_ready(self) -> bool:
        with psycopg.connect(self.cluster.url) as connection:
            row = connection.execute(WORKERS).fetchone()
        return row is not None and row[0] >= self.worker_count


@dataclass(frozen=True, slots=True)
class Echo:
    """Our reader and our workers under an application that sends back what it got."""

    product: Product
    name: str = "UDP echo, our reader"
    modes: tuple[str, ...] = ("echo",)

    def reset(self) -> None:
        """It keeps nothing."""

    @contextlib.contextmanager
    def running(self) -> Iterator[Running]:
        options = ("--application", "bench.echo:application")
        log = self.product.cluster.folder / "echo.log"
        with _sip_server(self.product.environ(), log, self.product.workers, *options) as server:
            wait_until(lambda: answers(server.address), server, "the echo server")
            yield server


SECRET_KEY: Final = secrets.token_urlsafe(48)


def free_port() -> int:
    """A UDP port of 127.0.0.1 that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def answers(address: str) -> bool:
    """Whether a REGISTER without credentials is answered."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.connect((host, int(port)))
        phone.settimeout(0.1)
        own = ":".join(map(str, phone.getsockname()))
        try:
            phone.send(_question(own))
            return bool(phone.recv(4096))
        except OSError:
            return False


def wait_until(is_ready: Callable[[], bool], server: Running, what: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not is_ready():
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"{what} did not start.")
        time.sleep(0.05)


@contextlib.contextmanager
def _sip_server(environ: dict[str, str], log: Path, workers: int | None, *options: str) -> Iterator[Running]:
    address = f"{HOST}:{free_port()}"
    argv = [sys.executable, "manage.py", "sipserver", "--bind", address, *options]
    if workers is not None:
        argv += ["--workers", str(workers)]
    with running(argv, log, environ=environ | {"REGISTRAR_SIP": address}, cwd=PROJECT_DIR) as process:
        yield Running(address, process)


def _manage(environ: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=PROJECT_DIR, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"manage.py {arguments[0]} failed: {(done.stdout + done.stderr).strip()[-500:]}")


def _question(own: str) -> bytes:
    lines = [
        f"REGISTER sip:{DOMAIN} SIP/2.0",
        f"Via: SIP/2.0/UDP {own};branch=z9hG4bKready{secrets.token_hex(8)};rport",
        "Max-Forwards: 70",
        f"From: <sip:ready@{DOMAIN}>;tag={secrets.token_hex(4)}",
        f"To: <sip:ready@{DOMAIN}>",
        f"Call-ID: {secrets.token_hex(8)}",
        "CSeq: 1 REGISTER",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
