"""Generated extensions: 100000, 100001, … each with one device of that name and the password pw + number.

Written in bulk, past the services: a benchmark's directory has no history.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, Final

import psycopg

from apps.sip.digest import Algorithm, ha1

DOMAIN: Final = "bench.local"
FIRST: Final = 100_000
PASSWORD_PREFIX: Final = "pw"
ALGORITHMS: Final = (Algorithm.MD5, Algorithm.SHA256, Algorithm.SHA512_256)

INSERT_DOMAIN: Final = """
INSERT INTO extensions_domain (id, name, realm, digest_order, min_expires_s, default_expires_s, max_expires_s,
                               created_at)
VALUES (%(id)s, %(name)s, %(name)s, %(digest)s, 1, 3600, 3600, now())
"""

INSERT_EXTENSIONS: Final = """
INSERT INTO extensions_extension (id, domain_id, number, display_name, enabled, created_at, updated_at)
SELECT gen_random_uuid(), %(domain)s, number::text, 'Phone ' || number, true, now(), now()
FROM generate_series(%(first)s::int, %(last)s::int) AS number
"""

# Not probed: a phone of the loader answers nothing, and the others do not probe either.
INSERT_PEERS: Final = """
INSERT INTO extensions_peer (id, domain_id, extension_id, kind, name, enabled, max_contacts, when_full, qualify,
                             created_at, updated_at)
SELECT gen_random_uuid(), domain_id, id, 'device', number, true, 5, 'replace', false, now(), now()
FROM extensions_extension
"""

COPY_CREDENTIALS: Final = """
COPY extensions_credential (id, domain_id, peer_id, username, ha1_md5, ha1_sha256, ha1_sha512_256, created_at)
FROM STDIN
"""


def generate(database_url: str, count: int, digest: str = "strongest_first") -> None:
    """An empty directory becomes one domain with `count` extensions, analysed as autovacuum would soon do. `digest`:
    which algorithms the domain offers."""
    domain = uuid.uuid4()
    with psycopg.connect(database_url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")  # no check of each foreign key
        connection.execute("DELETE FROM extensions_domain")
        connection.execute(INSERT_DOMAIN, {"id": domain, "name": DOMAIN, "digest": digest})
        bounds = {"domain": domain, "first": FIRST, "last": FIRST + count - 1}
        connection.execute(INSERT_EXTENSIONS, bounds)
        connection.execute(INSERT_PEERS)
        peers = connection.execute("SELECT id, name FROM extensions_peer").fetchall()
        with connection.cursor().copy(COPY_CREDENTIALS) as copy:
            for row in _credentials(domain, peers):
                copy.write_row(row)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE extensions_extension, extensions_peer, extensions_credential")


def _credentials(domain: uuid.UUID, peers: list[tuple[Any, ...]]) -> Iterator[tuple[object, ...]]:
    for peer_id, name in peers:
        ha1s = [ha1(algorithm, name, DOMAIN, PASSWORD_PREFIX + name) for algorithm in ALGORITHMS]
        yield uuid.uuid4(), domain, peer_id, name, *ha1s, "now"
