"""Many extensions in few statements, for tests and measurements by hand.

`python -m tests.scale.seed 1000000 100000` fills the empty, migrated database of DATABASE_URL. Rows are as the product
writes them, but for the credentials, whose hashes belong to no password.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import psycopg

DOMAIN: Final = """
INSERT INTO extensions_domain (
    id, name, realm, digest_order, min_expires_s, default_expires_s, max_expires_s, created_at)
VALUES (gen_random_uuid(), 'example.com', 'example.com', 'strongest_first', 60, 3600, 3600, now())
ON CONFLICT DO NOTHING
"""
SEED: Final = """
CREATE TEMPORARY TABLE seed AS
SELECT n, (100000 + n)::text AS number, md5('extension' || n)::uuid AS extension_id, md5('peer' || n)::uuid AS peer_id,
    (SELECT id FROM extensions_domain WHERE name = 'example.com') AS domain_id,
    (ARRAY['Ann', 'Bob', 'Chloe', 'Dirk', 'Eve', 'Femi', 'Grace', 'Hugo', 'Ines', 'Jorge'])[1 + n % 10] || ' ' ||
    (ARRAY['Lee', 'Young', 'Okafor', 'Schmidt', 'Moreau', 'Rossi', 'Tanaka'])[1 + n % 7] || ' ' ||
    to_hex(n::bigint * 7919) AS who,
    ('10.' || n / 1250000 % 250 || '.' || n / 5000 % 250 || '.' || 1 + n / 20 % 250)::inet AS address,
    (ARRAY['Yealink SIP-T46S 66.86.0.15', 'snomD785/10.1.127', 'PolycomVVX-VVX_411-UA/5.9', 'baresip v1.0'])[1 + n % 4]
        AS user_agent
FROM generate_series(1, {extensions}) AS n
"""
EXTENSIONS: Final = """
INSERT INTO extensions_extension (id, domain_id, number, display_name, enabled, created_at, updated_at)
SELECT extension_id, domain_id, number, who, n % 997 <> 0, now(), now() FROM seed
"""
PEERS: Final = """
INSERT INTO extensions_peer (
    id, domain_id, extension_id, kind, name, enabled, max_contacts, when_full, created_at, updated_at)
SELECT peer_id, domain_id, extension_id, 'device', number, true, 5, 'replace', now(), now() FROM seed
"""
CREDENTIALS: Final = """
INSERT INTO extensions_credential (id, domain_id, peer_id, username, ha1_md5, ha1_sha256, ha1_sha512_256, created_at)
SELECT gen_random_uuid(), domain_id, peer_id, number, repeat('0', 32), repeat('0', 64), repeat('0', 64), now() FROM seed
"""
# As many again were registered once; of those registered each hundredth was refused since.
ACTIVITY: Final = """
INSERT INTO registrar_peeractivity (peer_id, registered_at, refused_at, refused_reason, received_addr, received_port,
                                    user_agent, heard_at, ended_at, end_reason)
SELECT peer_id, now() - interval '2 days', CASE WHEN n % 100 = 1 THEN now() + interval '1 second' END,
    CASE WHEN n % 100 = 1 THEN 'wrong_password' END, address, 5060, user_agent, now() - interval '2 days',
    CASE WHEN n > {bindings} THEN now() - interval '1 day' END, CASE WHEN n > {bindings} THEN 'expired' END
FROM seed WHERE n <= {bindings} * 2
"""
# Each hundredth is late.
BINDINGS: Final = """
INSERT INTO registrar_binding (aor, binding_id, binding_key, peer_id, extension_id, contact, received_addr,
    received_port, transport, path, call_id, cseq, user_agent, registered_at, refreshed_at, expires_at, refresh_count,
    late_at)
SELECT 'sip:' || number || '@example.com', gen_random_uuid(), 'sip:' || number || '@192.168.1.20:5060', peer_id,
    extension_id, 'sip:' || number || '@192.168.1.20:5060', address, 5060, 'UDP', '', 'a', 1, user_agent,
    now() - interval '1 day' * random(), now(), now() + interval '1 hour' + interval '1 hour' * random(),
    10, CASE WHEN n % 100 = 0 THEN now() ELSE now() + interval '50 minutes' END
FROM seed WHERE n <= {bindings}
"""
EVENTS: Final = """
INSERT INTO registrar_registrationevent (at, last_at, count, event, reason, aor, peer_id, extension_id, contact,
                                         received_addr, received_port, user_agent)
SELECT at, at, 1, (ARRAY['registered', 'expired', 'moved', 'unregistered'])[1 + n % 4], 'ok',
    'sip:' || number || '@example.com', peer_id, extension_id, '', address, 5060, user_agent
FROM (SELECT *, now() - interval '20 days' * random() AS at FROM seed WHERE n <= {bindings} * 5) AS s
"""
FORGET: Final = "DROP TABLE seed"
# No foreign keys, no triggers: the rows are known to be right. Checks and indexes come back at the end.
BULK: Final = "SET session_replication_role = replica"
ORDINARY: Final = "RESET session_replication_role"
CHECKS: Final = """
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s NOT VALID', conrelid::regclass, conname,
              pg_get_constraintdef(oid))
FROM pg_constraint WHERE contype = 'c' AND conrelid = ANY(%(tables)s::regclass[])
"""
INDEXES: Final = """
SELECT format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid)
FROM pg_index WHERE indrelid = ANY(%(tables)s::regclass[]) AND NOT indisunique
"""
ALL_PEERS: Final = "SELECT id FROM extensions_peer ORDER BY id"
PROJECT: Final = "SELECT registrar_overview_project(%(ids)s)"
PROJECTED_AT_ONCE: Final = 20_000
DIRECTORY: Final = ("extensions_extension", "extensions_peer", "extensions_credential")
REGISTRAR: Final = ("registrar_peeractivity", "registrar_binding", "registrar_registrationevent")
OVERVIEW: Final = ("registrar_overview", "registrar_overviewtext", "registrar_overviewcount")


def seed(connection: psycopg.Connection[Any], *, extensions: int, bindings: int) -> None:
    """Fills the database, whose overview is then up to date. Needs a superuser, and no such rows there yet."""
    with connection.cursor() as cursor:
        cursor.execute(BULK)
        put_back = [*_taken(cursor, CHECKS, DIRECTORY), *_taken(cursor, INDEXES, DIRECTORY)]
        for statement in (DOMAIN, SEED, EXTENSIONS, PEERS, CREDENTIALS, ACTIVITY, BINDINGS, EVENTS, FORGET):
            cursor.execute(statement.format(extensions=extensions, bindings=bindings).encode())
        _execute(cursor, [*put_back, ORDINARY, *(f"ANALYZE {table}" for table in (*DIRECTORY, *REGISTRAR))])
        put_back = _taken(cursor, INDEXES, OVERVIEW)
        ids = [row[0] for row in cursor.execute(ALL_PEERS).fetchall()]
        for start in range(0, len(ids), PROJECTED_AT_ONCE):
            cursor.execute(PROJECT, {"ids": ids[start : start + PROJECTED_AT_ONCE]})
        _execute(cursor, [*put_back, *(f"ANALYZE {table}" for table in OVERVIEW)])


def _taken(cursor: psycopg.Cursor[Any], statement: str, tables: Sequence[str]) -> list[str]:
    """Drops what the statement names; comes back with what brings it back."""
    found = cursor.execute(statement.encode(), {"tables": list(tables)}).fetchall()
    _execute(cursor, [drop for drop, _ in found])
    return [create for _, create in found]


def _execute(cursor: psycopg.Cursor[Any], statements: Iterable[str]) -> None:
    for statement in statements:
        cursor.execute(statement.encode())


if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        seed(database, extensions=int(sys.argv[1]), bindings=int(sys.argv[2]))
