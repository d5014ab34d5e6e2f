"""Every SQL statement of the hot path, named; and a change set as the statements that write it.

Rows travel as one JSON parameter each, which costs a quarter of adapted lists. Must not execute anything:
store.py does for the workers, services.py for the web. Whoever runs write statements holds the lock of each AOR
concerned (LOCK_AORS).
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import orjson

from apps.registrar.bindings import ChangeSet, Event
from apps.registrar.outcomes import SUMMED_EVENTS, EventKind
from apps.registrar.sources import network_of

Statement = tuple[str, Mapping[str, Any]]

DOMAINS: Final = """
SELECT clock_timestamp(), d.name, d.id, d.realm, d.digest_order, d.min_expires_s, d.default_expires_s, d.max_expires_s,
       d.expires_spread_percent, d.raise_brief, d.strict_cseq, d.outbound, d.any_contact, d.edge_proxies,
       d.service_routes, d.xmin::text,
       (SELECT string_agg(network::text, ' ') FROM extensions_blockedsource)
FROM (VALUES (1)) AS always LEFT JOIN extensions_domain d ON true
"""

# Of connections that look up by keys alone. Left alone the planner reads whole tables while they are small, and thinks
# that each key has to be looked for in every partition.
BY_KEYS_ALONE: Final = """
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;
SET plan_cache_mode = force_generic_plan
"""

# Within a transaction. Elsewhere statement_timestamp() says the same, and an index can be asked about it.
CLOCK: Final = "SELECT clock_timestamp()"

# Taken in ascending order, so that two batches never wait for each other.
LOCK_AORS: Final = "SELECT pg_advisory_xact_lock(key) FROM unnest(%(keys)s::bigint[]) AS key"

# The last column marks what is kept only to be recognised; the latest of those come first. The one before it says which
# versions of the rows these are, as the renewals compare them (renewals/sql.py), where the credential has no end.
ACCOUNTS: Final = """
SELECT c.domain_id, c.username, c.id, c.ha1_md5, c.ha1_sha256, c.ha1_sha512_256,
       p.id, p.name, p.extension_id, e.number, p.enabled AND coalesce(e.enabled, true),
       p.max_contacts, p.when_full, p.min_expires_s, p.max_expires_s, p.accepts_no_qop, p.may_watch,
       CASE WHEN c.valid_until IS NULL THEN concat(p.xmin::text, ' ', c.xmin::text, ' ', e.xmin::text) END,
       c.valid_until IS NOT NULL AND c.valid_until <= clock_timestamp()
FROM json_to_recordset(%(claims)s) AS claim(domain_id uuid, username text)
JOIN extensions_credential c ON c.domain_id = claim.domain_id AND c.username = claim.username
JOIN extensions_peer p ON p.id = c.peer_id
LEFT JOIN extensions_extension e ON e.id = p.extension_id
WHERE c.valid_until IS NULL OR c.valid_until > clock_timestamp() - interval '30 days'
ORDER BY c.valid_until DESC
"""

DELETE_OLD_CREDENTIALS: Final = """
DELETE FROM extensions_credential WHERE valid_until < statement_timestamp() - interval '30 days'
"""

_BINDING_COLUMNS: Final = (
    "aor, binding_id, binding_key, peer_id, extension_id, contact, q, host(received_addr), received_port, "
    "transport, path, instance_id, reg_id, call_id, cseq, user_agent, registered_at, refreshed_at, "
    "expires_at, refresh_count, flow, pub_gruu, temp_gruu, server, local, renewal_gap_s, renewal_dev_s, late_at, "
    "rewritten, renewal_key"
)

BINDINGS_OF_AORS: Final = f"""
SELECT {_BINDING_COLUMNS} FROM unnest(%(aors)s::text[]) AS asked(aor) JOIN registrar_binding USING (aor)
ORDER BY registered_at, contact
"""  # noqa: S608 - our own constant

BINDINGS_OF_PEERS: Final = f"""
SELECT {_BINDING_COLUMNS} FROM registrar_binding WHERE peer_id = ANY(%(peer_ids)s)
"""  # noqa: S608 - our own constant

AORS_WITH_EXPIRED: Final = """
SELECT DISTINCT aor FROM (
    SELECT aor FROM registrar_binding
    WHERE due_at <= statement_timestamp() AND expires_at <= statement_timestamp() ORDER BY due_at LIMIT %(limit)s
) AS due
"""

# What was renewed since: the sweeper looks again when it would expire now.
PUT_OFF_DUE: Final = """
WITH due AS MATERIALIZED (
    SELECT aor, binding_id FROM registrar_binding
    WHERE due_at <= statement_timestamp() AND expires_at > statement_timestamp()
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE registrar_binding b SET due_at = b.expires_at FROM due WHERE b.aor = due.aor AND b.binding_id = due.binding_id
RETURNING 1
"""

AORS_OF_FLOWS: Final = "SELECT DISTINCT aor FROM registrar_binding WHERE flow = ANY(%(flows)s)"

FLOWS_OF_DEAD_WORKERS: Final = """
SELECT DISTINCT flow FROM registrar_binding b
WHERE flow IS NOT NULL AND NOT EXISTS (
    SELECT FROM registrar_workerheartbeat w
    WHERE w.id = regexp_replace(b.flow, '/[^/]*$', '') AND w.seen_at > statement_timestamp() - %(good_for)s)
LIMIT %(limit)s
"""

FLOWS_OF_WORKER: Final = """
SELECT flow FROM registrar_binding WHERE flow IS NOT NULL AND starts_with(flow, %(worker)s || '/')
UNION SELECT flow FROM registrar_regsubscription WHERE flow IS NOT NULL AND starts_with(flow, %(worker)s || '/')
"""

NONCES: Final = """
SELECT nonce, nc, repeat_key, request_key, answer, accepted_at, expires_at
FROM registrar_nonceuse WHERE nonce = ANY(%(nonces)s)
"""

DELETE_BINDINGS: Final = """
DELETE FROM registrar_binding AS b
USING json_to_recordset(%(rows)s) AS r(aor text, binding_id uuid)
WHERE b.aor = r.aor AND b.binding_id = r.binding_id
"""

UPSERT_BINDINGS: Final = """
INSERT INTO registrar_binding AS b (
    aor, binding_id, binding_key, peer_id, extension_id, contact, q, received_addr, received_port, transport, path,
    instance_id, reg_id, call_id, cseq, user_agent, registered_at, refreshed_at, expires_at, refresh_count,
    flow, pub_gruu, temp_gruu, server, local, renewal_gap_s, renewal_dev_s, late_at, rewritten, renewal_key, due_at)
SELECT *, expires_at FROM json_to_recordset(%(rows)s) AS r(
    aor text, binding_id uuid, binding_key text, peer_id uuid, extension_id uuid, contact text, q smallint,
    received_addr inet, received_port integer, transport text, path text, instance_id text, reg_id bigint, call_id text,
    cseq bigint, user_agent text, registered_at timestamptz, refreshed_at timestamptz, expires_at timestamptz,
    refresh_count integer, flow text, pub_gruu text, temp_gruu text, server text, local text,
    renewal_gap_s double precision, renewal_dev_s double precision, late_at timestamptz, rewritten text,
    renewal_key bytea)
ON CONFLICT (aor, binding_id) DO UPDATE SET
    binding_key = excluded.binding_key, peer_id = excluded.peer_id, extension_id = excluded.extension_id,
    contact = excluded.contact, q = excluded.q, received_addr = excluded.received_addr,
    received_port = excluded.received_port, transport = excluded.transport, path = excluded.path,
    instance_id = excluded.instance_id, reg_id = excluded.reg_id, call_id = excluded.call_id, cseq = excluded.cseq,
    user_agent = excluded.user_agent, refreshed_at = excluded.refreshed_at, expires_at = excluded.expires_at,
    refresh_count = excluded.refresh_count, flow = excluded.flow,
    pub_gruu = excluded.pub_gruu, temp_gruu = excluded.temp_gruu, server = excluded.server, local = excluded.local,
    renewal_gap_s = excluded.renewal_gap_s, renewal_dev_s = excluded.renewal_dev_s, late_at = excluded.late_at,
    rewritten = excluded.rewritten, renewal_key = excluded.renewal_key, due_at = least(b.due_at, excluded.expires_at)
"""

# A nonce count only ever rises, whatever another worker did meanwhile (C92); store.py counts the rows.
UPSERT_NONCES: Final = """
INSERT INTO registrar_nonceuse AS n (nonce, nc, repeat_key, request_key, answer, accepted_at, expires_at)
SELECT * FROM json_to_recordset(%(rows)s) AS r(
    nonce text, nc bigint, repeat_key bytea, request_key bytea, answer text, accepted_at timestamptz,
    expires_at timestamptz)
ORDER BY nonce
ON CONFLICT (nonce) DO UPDATE SET
    nc = excluded.nc, repeat_key = excluded.repeat_key, request_key = excluded.request_key,
    answer = excluded.answer, accepted_at = excluded.accepted_at
WHERE n.nc < excluded.nc
RETURNING n.nonce
"""

INSERT_EVENTS: Final = """
INSERT INTO registrar_registrationevent (
    at, last_at, count, event, reason, aor, peer_id, extension_id, binding_id, contact, received_addr, received_port,
    old_received_addr, old_received_port, user_agent, refresh_count)
SELECT at, coalesce(last_at, at), count, event, reason, aor, peer_id, extension_id, binding_id, contact, received_addr,
       received_port, old_received_addr, old_received_port, user_agent, refresh_count
FROM json_to_recordset(%(rows)s) AS r(
    at timestamptz, event text, reason text, aor text, peer_id uuid, extension_id uuid, binding_id uuid, contact text,
    received_addr inet, received_port integer, old_received_addr inet, old_received_port integer, user_agent text,
    refresh_count integer, last_at timestamptz, count integer)
"""

# Identical ones of one minute are one row with a count, however many packets brought them; unanswered challenges
# wherever the packets say they come from, for nothing proves it. since and until say the minutes once more, as
# constants: the planner leaves the other months alone.
SUM_EVENTS: Final = """
WITH sums AS (
    SELECT * FROM json_to_recordset(%(rows)s) AS r(
        minute timestamptz, at timestamptz, last_at timestamptz, count integer, event text, reason text, aor text,
        peer_id uuid, extension_id uuid, received_addr inet, received_port integer, user_agent text)
), summed AS (
    UPDATE registrar_registrationevent AS e
    SET count = e.count + r.count, last_at = greatest(e.last_at, r.last_at), received_addr = r.received_addr,
        received_port = r.received_port, user_agent = r.user_agent
    FROM sums r
    WHERE e.peer_id = r.peer_id AND e.event = r.event AND e.reason = r.reason
      AND (e.event = 'unanswered' OR e.received_addr = r.received_addr)
      AND e.at >= r.minute AND e.at < r.minute + interval '1 minute'
      AND e.at >= %(since)s::timestamptz AND e.at < %(until)s::timestamptz
    RETURNING e.peer_id, e.event, e.reason, e.received_addr, r.minute
)
INSERT INTO registrar_registrationevent (
    at, last_at, count, event, reason, aor, peer_id, extension_id, contact, received_addr, received_port, user_agent)
SELECT at, last_at, count, event, reason, aor, peer_id, extension_id, '', received_addr, received_port, user_agent
FROM sums r
WHERE NOT EXISTS (
    SELECT FROM summed s
    WHERE s.peer_id = r.peer_id AND s.event = r.event AND s.reason = r.reason
      AND s.received_addr = r.received_addr AND s.minute = r.minute)
"""

# The first network of a peer is no new one; the last 16 are kept.
UPSERT_ACTIVITY: Final = """
INSERT INTO registrar_peeractivity AS a (
    peer_id, registered_at, ended_at, end_reason, refused_at, refused_reason, received_addr, received_port, user_agent,
    heard_at, unanswered_at, unanswered_reason, moves, moves_since, networks)
SELECT peer_id, registered_at, ended_at, end_reason, refused_at, refused_reason, received_addr, received_port,
       user_agent, heard_at, unanswered_at, unanswered_reason, coalesce(moves, 0), moves_since, coalesce(networks, '{}')
FROM json_to_recordset(%(rows)s) AS r(
    peer_id uuid, registered_at timestamptz, ended_at timestamptz, end_reason text, refused_at timestamptz,
    refused_reason text, received_addr inet, received_port integer, user_agent text, heard_at timestamptz,
    unanswered_at timestamptz, unanswered_reason text, moves integer, moves_since timestamptz, networks text[])
ORDER BY peer_id
ON CONFLICT (peer_id) DO UPDATE SET
    registered_at = coalesce(excluded.registered_at, a.registered_at),
    ended_at = coalesce(excluded.ended_at, a.ended_at),
    end_reason = coalesce(excluded.end_reason, a.end_reason),
    refused_at = coalesce(excluded.refused_at, a.refused_at),
    refused_reason = coalesce(excluded.refused_reason, a.refused_reason),
    received_addr = coalesce(excluded.received_addr, a.received_addr),
    received_port = coalesce(excluded.received_port, a.received_port),
    user_agent = CASE WHEN excluded.user_agent = '' THEN a.user_agent ELSE excluded.user_agent END,
    heard_at = greatest(excluded.heard_at, a.heard_at),
    unanswered_at = coalesce(excluded.unanswered_at, a.unanswered_at),
    unanswered_reason = coalesce(excluded.unanswered_reason, a.unanswered_reason),
    moves = CASE WHEN excluded.moves = 0 OR a.moves_since > excluded.moves_since - interval '1 hour'
        THEN a.moves + excluded.moves ELSE excluded.moves END,
    moves_since = CASE WHEN excluded.moves = 0 OR a.moves_since > excluded.moves_since - interval '1 hour'
        THEN a.moves_since ELSE excluded.moves_since END,
    networks = CASE WHEN excluded.networks <@ a.networks THEN a.networks ELSE (
        SELECT seen[greatest(cardinality(seen) - 15, 1):] FROM (
            SELECT a.networks || ARRAY(SELECT unnest(excluded.networks) EXCEPT SELECT unnest(a.networks)) AS seen
        ) AS s) END,
    new_network_at = CASE WHEN a.networks = '{}' OR excluded.networks <@ a.networks
        THEN a.new_network_at ELSE excluded.heard_at END
"""

DELETE_OLD_NONCES: Final = "DELETE FROM registrar_nonceuse WHERE expires_at < statement_timestamp()"

BEAT: Final = """
INSERT INTO registrar_workerheartbeat AS w (id, bind, server, started_at, seen_at, turned_away)
VALUES (%(id)s, %(bind)s, %(server)s, clock_timestamp(), clock_timestamp(), %(turned_away)s)
ON CONFLICT (id) DO UPDATE SET
    seen_at = clock_timestamp(), turned_away = excluded.turned_away,
    overloaded_at = CASE WHEN excluded.turned_away IN (0, w.turned_away) THEN w.overloaded_at
                         ELSE clock_timestamp() END
"""

DELETE_HEARTBEAT: Final = "DELETE FROM registrar_workerheartbeat WHERE id = %(id)s"

DELETE_OLD_HEARTBEATS: Final = """
DELETE FROM registrar_workerheartbeat WHERE seen_at < statement_timestamp() - interval '1 hour'
"""

# Held by its connection, until that ends.
TAKE_TURN: Final = "SELECT pg_try_advisory_lock(hashtextextended(%(name)s, 0))"

ACTIVITY_NOW: Final = "SELECT to_jsonb(a)::text FROM registrar_peeractivity a WHERE peer_id = %(peer_id)s"

PUT_BACK_ACTIVITY: Final = """
UPDATE registrar_peeractivity AS a
SET registered_at = b.registered_at, ended_at = b.ended_at, end_reason = b.end_reason, refused_at = b.refused_at,
    refused_reason = b.refused_reason, unanswered_at = b.unanswered_at, unanswered_reason = b.unanswered_reason,
    received_addr = b.received_addr, received_port = b.received_port, user_agent = b.user_agent, heard_at = b.heard_at,
    moves = b.moves, moves_since = b.moves_since, networks = b.networks, new_network_at = b.new_network_at
FROM jsonb_populate_record(NULL::registrar_peeractivity, %(before)s::jsonb) AS b
WHERE a.peer_id = %(peer_id)s AND a.user_agent = %(user_agent)s
"""

FORGET_ACTIVITY: Final = """
DELETE FROM registrar_peeractivity WHERE peer_id = %(peer_id)s AND user_agent = %(user_agent)s
"""

NOTIFY: Final = "SELECT pg_notify(%(channel)s, %(payload)s)"


def lock_keys(aors: Iterable[str]) -> list[int]:
    """Advisory lock keys (signed 64 bit) in the one order everybody takes them in."""
    return sorted({lock_key(aor) for aor in aors})


def lock_key(aor: str) -> int:
    return int.from_bytes(blake2b(aor.encode(), digest_size=8, person=b"aor").digest(), "big", signed=True)


def write_statements(changes: ChangeSet) -> list[Statement]:
    """The change set as statements, deletes first: a contact may end and begin again in one batch."""
    sums = [event for event in changes.events if event.event in SUMMED_EVENTS]
    others = [event for event in changes.events if event.event not in SUMMED_EVENTS]
    candidates: list[tuple[str, Sequence[Any]]] = [
        (DELETE_BINDINGS, [{"aor": row.aor, "binding_id": row.binding_id} for row in changes.deletes]),
        (UPSERT_BINDINGS, changes.upserts),
        (INSERT_EVENTS, [_event_columns(event) for event in others]),
        (SUM_EVENTS, _summed(sums)),
        (UPSERT_ACTIVITY, _activity(changes.events)),
        (UPSERT_NONCES, changes.nonces),
    ]
    return [
        (sql, {"rows": to_json(rows), **(_span(rows) if sql is SUM_EVENTS else {})})
        for sql, rows in candidates
        if rows
    ]


def to_json(rows: Sequence[object]) -> str:
    """Of mappings and dataclasses; times, UUIDs and bytes as PostgreSQL reads them."""
    return orjson.dumps(rows, _plain).decode()


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(type(value).__name__)


def _event_columns(event: Event) -> dict[str, Any]:
    columns = {name: getattr(event, name) for name in Event.__dataclass_fields__}
    columns["received_addr"], columns["received_port"] = columns.pop("received") or (None, None)
    columns["old_received_addr"], columns["old_received_port"] = columns.pop("old_received") or (None, None)
    return columns


def _summed(events: list[Event]) -> list[dict[str, Any]]:
    """One row per minute, peer, event, reason and, of refusals, source address: UPDATE FROM meets each at most once."""
    sums: dict[tuple[object, ...], dict[str, Any]] = {}
    for event in events:
        row = _event_columns(event)
        row["minute"] = event.at.replace(second=0, microsecond=0)
        row["last_at"] = event.last_at or event.at
        source = row["received_addr"] if event.event is EventKind.REFUSED else None
        key = (row["minute"], event.peer_id, event.event, event.reason, source)
        first = sums.get(key)
        if first is not None:
            last_at = max(first["last_at"], row["last_at"])
            row |= {"at": first["at"], "last_at": last_at, "count": first["count"] + row["count"]}
        sums[key] = row
    return list(sums.values())


def _span(sums: Sequence[Mapping[str, Any]]) -> dict[str, dt.datetime]:
    minutes = [row["minute"] for row in sums]
    return {"since": min(minutes), "until": max(minutes) + dt.timedelta(minutes=1)}


def _activity(events: list[Event]) -> list[dict[str, Any]]:
    """The latest of each fact, one row per peer."""
    rows: dict[UUID, dict[str, Any]] = {}
    for event in events:
        facts = _facts(event, rows.get(event.peer_id, {}))
        if facts:
            rows.setdefault(event.peer_id, {"peer_id": event.peer_id, "user_agent": ""}).update(facts)
    return list(rows.values())


def _facts(event: Event, known: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says of its peer. Heard was only who proved who it is: names are easily forged."""
    last_at = event.last_at or event.at
    match event.event:
        case EventKind.REGISTERED:
            return _place(event, known) | {"registered_at": event.at}
        case EventKind.MOVED:
            since = known.get("moves_since", event.at)
            return _place(event, known) | {"moves": known.get("moves", 0) + 1, "moves_since": since}
        case EventKind.SHORTENED | EventKind.REACHABLE:
            return {"heard_at": event.heard_at or event.at}
        case EventKind.REFUSED:
            return _source(event) | {"refused_at": last_at, "refused_reason": event.reason}
        case EventKind.UNANSWERED:
            return {"unanswered_at": last_at, "unanswered_reason": event.reason}
        case EventKind.LATE | EventKind.UNREACHABLE:
            return {}
    heard_at = max(event.heard_at or event.at, known.get("heard_at", event.heard_at or event.at))
    return {"ended_at": event.at, "end_reason": event.reason, "heard_at": heard_at}


def _place(event: Event, known: Mapping[str, Any]) -> dict[str, Any]:
    networks = [*known.get("networks", [])]
    if event.received is not None:
        networks.append(network_of(event.received[0]))
    return _source(event) | {"heard_at": event.at, "networks": networks}


def _source(event: Event) -> dict[str, Any]:
    source: dict[str, Any] = {"user_agent": event.user_agent} if event.user_agent else {}
    if event.received is not None:
        source["received_addr"], source["received_port"] = event.received
    return source
