"""A private PostgreSQL for the run: the product's own embedded server with its own settings, every commit on disk.

The others use the same server, over TCP on a loopback address of its own or over its unix socket.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg

from bench.loader import BenchError
from registrar_admin.embedded_postgres import PORT, SERVER_SETTINGS, EmbeddedPostgres, embedded_socket_dir
from registrar_admin.postgres_home import EmbeddedPostgresError

TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Cluster:
    """The running server. `url` is the product's database, over the unix socket."""

    url: str
    host: str
    socket_dir: Path
    folder: Path
    server: EmbeddedPostgres

    @property
    def pid(self) -> int:
        """The postmaster's, which changes when it is started anew."""
        return int((self.folder / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])

    def url_of(self, database: str) -> str:
        return urlsplit(self.url)._replace(path=f"/{database}").geturl()

    def create(self, database: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())

    def crash(self) -> None:
        """An immediate stop in the middle of whatever it does, as at a power cut; then it is started again."""
        os.kill(self.pid, signal.SIGQUIT)
        self.server.stop()
        self.server.start()

    def checkpoint(self) -> None:
        """So that no run pays for the one before."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A new cluster in an empty folder; it goes with the block."""
    host = _free_host()
    server = EmbeddedPostgres(folder, {"listen_addresses": host})
    try:
        with server:
            yield Cluster(server.url, host, embedded_socket_dir(folder), folder, server)
    except EmbeddedPostgresError as error:
        raise BenchError(str(error)) from error
    finally:
        server.remove()


def settings_text() -> str:
    """What the server runs with, for the reader of a figure."""
    named = ", ".join(f"{name}={value}" for name, value in SERVER_SETTINGS.items() if value)
    return (
        "One database server for all, with PostgreSQL's defaults (fsync and synchronous_commit on) and what the "
        f"product's own server is given: {named}. Kamailio reaches it over TCP where it does not say unix socket."
    )


def _free_host() -> str:
    """The embedded server's port is fixed, so it gets an address that no other PostgreSQL of this machine has."""
    for _ in range(TRIES):
        host = f"127.{random.randint(64, 254)}.{random.randint(0, 254)}.1"
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((host, PORT))
            return host
    raise BenchError(
        f"Another server listens on TCP port {PORT} of every address: stop it for the benchmark."
    )
