"""With many bindings a look-up through a view reads an index and a few rows, whatever the statement."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

from apps.extensions.audit import Actor
from apps.extensions.models import Domain
from apps.registrar.sql import BY_KEYS_ALONE
from apps.routing.answer import Question, Wanted, WantedContact
from apps.routing.models import PbxKind
from apps.routing.sql import LOOK_UP
from apps.routing.store import params
from apps.sip.uri import parse_sip_uri
from tests.routing.conftest import Pbx, new_pbx

# The fewer there are, the sooner the planner would rather read them all: with more it is no different.
MANY = 10_000
FILL = """
WITH numbers AS (
    SELECT n::text AS number, gen_random_uuid() AS extension_id, gen_random_uuid() AS peer_id
    FROM generate_series(100001, 100000 + {many}) AS n
), extensions AS (
    INSERT INTO extensions_extension (id, domain_id, number, display_name, enabled, created_at, updated_at)
    SELECT extension_id, '{domain}', number, '', true, now(), now() FROM numbers
), peers AS (
    INSERT INTO extensions_peer (id, domain_id, extension_id, kind, name, enabled, max_contacts, when_full,
        created_at, updated_at)
    SELECT peer_id, '{domain}', extension_id, 'device', number, true, 5, 'replace', now(), now() FROM numbers
), credentials AS (
    INSERT INTO extensions_credential (id, domain_id, peer_id, username, ha1_md5, ha1_sha256,
        ha1_sha512_256, created_at)
    SELECT gen_random_uuid(), '{domain}', peer_id, number, repeat('a', 32), repeat('b', 64), repeat('c', 64), now()
    FROM numbers
)
INSERT INTO registrar_binding (aor, binding_id, binding_key, peer_id, extension_id, contact, received_addr,
    received_port, transport, path, call_id, cseq, user_agent, registered_at, refreshed_at, expires_at, refresh_count)
SELECT 'sip:' || number || '@example.com', gen_random_uuid(), number, peer_id, extension_id,
    'sip:' || number || '@10.0.0.5:5060', '203.0.113.7', 5060, 'UDP', '', 'c', 1, '', now() - interval '1 h', now(),
    now() + interval '1 h', 0
FROM numbers
"""
FILLED = ("registrar_binding", "extensions_extension", "extensions_peer", "extensions_credential")
# Also what functions read, and each partition by its own name.
READ = """
SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::int FROM pg_stat_xact_user_tables
WHERE relname ~ '^(registrar_binding|extensions_)'
"""
LOOK_UPS = [
    (PbxKind.ASTERISK, "SELECT * FROM ps_contacts WHERE id LIKE '105000^3B@%' ORDER BY id"),
    (PbxKind.ASTERISK, "SELECT * FROM ps_contacts WHERE id = '105000^3B@" + "0" * 32 + "'"),
    (PbxKind.ASTERISK, "SELECT * FROM ps_endpoints WHERE id = '105000'"),
    (PbxKind.ASTERISK, "SELECT * FROM ps_aors WHERE id = '105000'"),
    (PbxKind.ASTERISK, "SELECT * FROM ps_auths WHERE id = '105000'"),
    (
        PbxKind.KAMAILIO,
        "SELECT * FROM location WHERE username = '105000' AND domain = 'example.com' ORDER BY q",
    ),
    (PbxKind.KAMAILIO, "SELECT * FROM location WHERE username = '105000' ORDER BY q"),
    (PbxKind.KAMAILIO, "SELECT ha1 FROM subscriber WHERE username = '105000' AND domain = 'example.com'"),
    (PbxKind.OPENSIPS, "SELECT * FROM location WHERE username = '105000' AND domain = 'example.com'"),
    (
        PbxKind.OPENSIPS,
        "SELECT ha1_sha256 FROM subscriber WHERE username = '105000' AND domain = 'example.com'",
    ),
]


def rows_read(plan: dict[str, Any]) -> int:
    """How many rows all scans of a plan that was run looked at."""
    own = (
        plan["Actual Rows"]
        + plan.get("Rows Removed by Filter", 0)
        + plan.get("Rows Removed by Join Filter", 0)
    )
    here = own * plan["Actual Loops"] if plan["Node Type"].endswith("Scan") else 0
    return int(here) + sum(rows_read(child) for child in plan.get("Plans", ()))


def test_no_look_up_reads_more_than_a_few_rows(domain: Domain, actor: Actor) -> None:
    readers: dict[PbxKind, Pbx] = {kind: new_pbx(kind, domain, actor) for kind in PbxKind}
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(many=MANY, domain=domain.pk))
        for table in FILLED:
            cursor.execute(f"ANALYZE {table}")

    for kind, look_up in LOOK_UPS:
        before = rows_fetched()
        (explained,) = readers[kind].ask(f"EXPLAIN (ANALYZE, FORMAT JSON) {look_up}")
        (plan,) = explained["QUERY PLAN"]
        assert rows_read(plan["Plan"]) <= 30, (look_up, plan)
        assert rows_fetched() - before <= 30, look_up

    own: list[Question] = [Wanted("example.com", str(100_001 + number)) for number in range(100)]
    unlike: list[Question] = [Wanted("example.org", "100001"), Wanted("example.com", "none")]
    nobody: list[Question] = [WantedContact("example.com", parse_sip_uri("sip:a@192.0.2.1:5060"))]
    for questions in (own[:1], unlike, nobody, [*own, *unlike, *nobody]):
        # Its extension, the peer by its name and by its extension, the binding and whose it is.
        assert rows_of_look_up(questions) <= 7 * len(questions)


def rows_of_look_up(questions: Sequence[Question]) -> int:
    """What the look-up of calls reads of the large tables, whoever is asked for."""
    before = rows_fetched()
    with connection.cursor() as cursor:
        cursor.execute(BY_KEYS_ALONE)
        cursor.execute(LOOK_UP, params(questions))
    return rows_fetched() - before


def rows_fetched() -> int:
    """How many rows of the large tables this transaction has looked at."""
    with connection.cursor() as cursor:
        cursor.execute(READ)
        return int(cursor.fetchone()[0])
