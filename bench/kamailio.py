"""Kamailio of the distribution beside us, as a registrar over the same PostgreSQL and the same users."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from bench.database import Cluster
from bench.extensions import DOMAIN, FIRST, PASSWORD_PREFIX
from bench.processes import running
from bench.servers import HOST, Running, answers, free_port, wait_until
from registrar_admin.embedded_postgres import DATABASE_NAME, PORT

DATABASE: Final = "kamailio"
CONFIG: Final = Path(__file__).with_name("kamailio.cfg")
SCHEMAS: Final = ("standard", "auth_db", "usrloc")
SCHEMA_FOLDER: Final = Path("/usr/share/kamailio/postgres")
CHILDREN: Final = 8
"""The best of 2, 8 and 32 on two cores."""
SHARED_MIB: Final = 1024

LAST_CSEQS: Final = "SELECT username, max(cseq) FROM location GROUP BY username"
INSERT_USERS: Final = """
INSERT INTO subscriber (username, domain, password, ha1)
SELECT u::text, %(domain)s::text, '', md5(u || ':' || %(domain)s::text || ':' || %(prefix)s || u)
FROM generate_series(%(first)s::int, %(last)s::int) AS u
"""
# The columns that Kamailio's hash table loads.
CACHED_HA1S: Final = """
CREATE VIEW cached_ha1 AS
SELECT id, username AS key_name, 0 AS key_type, 0 AS value_type, ha1::varchar AS key_value, 0 AS expires
FROM subscriber;
INSERT INTO version (table_name, table_version) VALUES ('cached_ha1', 2);
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run it. `is_durable`: a 200 means that the binding is in PostgreSQL."""

    key: str
    name: str
    db_mode: int
    cached: bool
    unix_socket: bool = False
    calls: bool = False

    @property
    def is_durable(self) -> bool:
        return self.db_mode == 1


WRITE_THROUGH: Final = Variant("write-through", "Kamailio write-through", 1, cached=False)
WRITE_THROUGH_CACHED: Final = Variant(
    "write-through-cached", "Kamailio write-through, cached credentials", 1, cached=True
)
WRITE_THROUGH_UNIX: Final = Variant(
    "write-through-unix",
    "Kamailio write-through, cached credentials, unix socket",
    1,
    cached=True,
    unix_socket=True,
)
WRITE_BACK: Final = Variant(
    "write-back", "Kamailio write-back (not durable), cached credentials", 2, cached=True
)
CALLS: Final = Variant("calls", "Kamailio", 1, cached=True, calls=True)
VARIANTS: Final = (WRITE_THROUGH, WRITE_THROUGH_CACHED, WRITE_THROUGH_UNIX, WRITE_BACK)


def program() -> str | None:
    """An ordinary user's PATH does not lead to it."""
    return shutil.which("kamailio", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


def is_installed() -> bool:
    """Kamailio, its module for PostgreSQL and its tables."""
    modules = [*Path("/usr/lib").glob("kamailio/modules/db_postgres.so")]
    modules += Path("/usr/lib").glob("*/kamailio/modules/db_postgres.so")
    return program() is not None and bool(modules) and SCHEMA_FOLDER.is_dir()


def servers(cluster: Cluster, variants: Sequence[Variant]) -> list[Kamailio]:
    """These variants; none of them where Kamailio is not installed."""
    return [Kamailio(variant, cluster) for variant in variants] if is_installed() else []


def prepare(cluster: Cluster, users: int) -> None:
    """Its database, as its own scripts make it, with the users that the product has as extensions."""
    cluster.create(DATABASE)
    with psycopg.connect(cluster.url_of(DATABASE)) as connection:
        for name in SCHEMAS:
            connection.execute((SCHEMA_FOLDER / f"{name}-create.sql").read_bytes())
        bounds = {"domain": DOMAIN, "prefix": PASSWORD_PREFIX, "first": FIRST, "last": FIRST + users - 1}
        connection.execute(INSERT_USERS, bounds)
        connection.execute(CACHED_HA1S)
    with psycopg.connect(cluster.url_of(DATABASE), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE subscriber")


def configuration(variant: Variant, address: str, cluster: Cluster) -> str:
    """kamailio.cfg filled in. Without a host libpq takes the socket's folder from the environment."""
    host = "" if variant.unix_socket else f"{cluster.host}:{PORT}"
    values = {
        "ADDRESS": address,
        "CHILDREN": str(CHILDREN),
        "DATABASE": f"postgres://{DATABASE_NAME}:trusted@{host}/{DATABASE}",
        "DB_MODE": str(variant.db_mode),
        "DOMAIN": DOMAIN,
        "SECRET": secrets.token_hex(16),
    }
    text = CONFIG.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


@dataclass(frozen=True, slots=True)
class Kamailio:
    variant: Variant
    cluster: Cluster
    modes: tuple[str, ...] = ("first", "refresh", "initial")

    @property
    def name(self) -> str:
        return self.variant.name

    def last_cseqs(self) -> dict[str, int]:
        """Of each binding in the database, by user name."""
        with psycopg.connect(self.cluster.url_of(DATABASE)) as connection:
            return dict(connection.execute(LAST_CSEQS).fetchall())

    def reset(self) -> None:
        with psycopg.connect(self.cluster.url_of(DATABASE)) as connection:
            connection.execute("TRUNCATE location")

    @contextlib.contextmanager
    def running(self) -> Iterator[Running]:
        folder = self.cluster.folder / "kamailio"
        folder.mkdir(exist_ok=True)
        address = f"{HOST}:{free_port()}"
        config = folder / f"{self.variant.key}.cfg"
        config.write_text(configuration(self.variant, address, self.cluster))
        environ = {**os.environ, "PGHOST": str(self.cluster.socket_dir), "PGPORT": str(PORT)}
        argv = [program() or "kamailio", "-f", str(config), *_options(self.variant, folder)]
        with running(argv, folder / "kamailio.log", environ=environ, cwd=folder) as process:
            server = Running(address, process)
            wait_until(lambda: answers(address), server, f"{self.name} ({folder / 'kamailio.log'})")
            yield server


def _options(variant: Variant, folder: Path) -> list[str]:
    """In the foreground, with room for a million contacts, its own files in `folder`."""
    options = ["-DD", "-m", str(SHARED_MIB), "-M", "16", "-b", str(8 * 2**20)]
    options += ["-P", str(folder / "pid"), "-Y", str(folder), "-w", str(folder)]
    defined = ("CACHED", variant.cached), ("CALLS", variant.calls)
    return [*options, *(word for name, is_on in defined if is_on for word in ("-A", name))]
