"""The statements of the feed. Must not execute anything: feed.py does.

Why no event is lost that becomes visible late: each row of the ledger carries the number of its transaction (tx). A
round reads what is visible now and was not at the round before, which PostgreSQL's snapshots say exactly: a transaction
was not visible in a snapshot if it was under way then (xip) or had not begun (from xmax on). The snapshot is the
statement's own, and is kept in the transaction that writes what was read.
"""

from typing import Final

KEEP: Final = "7 days"

# Held until commit: the feed's numbers become visible in their order.
TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(7161124)"

FIRST: Final = """
INSERT INTO webhooks_feedprogress (id, snapshot, last_id, fed_at) VALUES (1, '1:1:', 0, '-infinity')
ON CONFLICT DO NOTHING
"""

# What the last round saw: not yet begun, under way; whether a round is due; and whether this is another cluster, where
# transactions are counted anew (a dump was restored).
PROGRESS: Final = """
SELECT pg_snapshot_xmax(seen)::text, ARRAY(SELECT pg_snapshot_xip(seen)::text),
       fed_at < clock_timestamp() - %(rest)s::interval,
       pg_snapshot_xmax(seen) > pg_snapshot_xmax(pg_current_snapshot())
FROM (SELECT snapshot::pg_snapshot AS seen, fed_at FROM webhooks_feedprogress) AS progress
"""

# What the dump had told of is told; the rest gets a number of this cluster and comes with the next round.
RECOUNT: Final = f"""
WITH recounted AS (
    UPDATE registrar_registrationevent AS e
    SET tx = CASE WHEN NOT EXISTS (SELECT FROM webhooks_feedevent f WHERE f.event_id = e.event_id)
             THEN pg_current_xact_id() END
    WHERE tx IS NOT NULL AND e.at > now() - interval '{KEEP}'
)
UPDATE webhooks_feedprogress SET snapshot = pg_current_snapshot()::text
"""  # noqa: S608 - our own constants

_MOMENT: Final = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_STATE: Final = (
    "(ARRAY['online', 'late', 'unreachable', 'refused', 'offline', 'never_registered', 'disabled'])[{} + 1]"
)
FEED: Final = f"""
WITH fresh AS (
    SELECT * FROM registrar_registrationevent
    WHERE (tx >= %(begun)s::xid8 OR tx = ANY(%(under_way)s::xid8[])) AND at > now() - interval '{KEEP}'
), moved AS (
    DELETE FROM webhooks_statechange RETURNING *
), news AS (
    SELECT r.event AS type, r.at, r.event_id,
        coalesce(d.name, split_part(r.aor, '@', 2)) AS domain,
        coalesce(e.number, split_part(substr(r.aor, position(':' IN r.aor) + 1), '@', 1)) AS extension,
        jsonb_build_object(
            'event_id', r.event_id, 'aor', r.aor, 'reason', r.reason, 'count', r.count,
            'domain', coalesce(d.name, split_part(r.aor, '@', 2)),
            'extension', e.number, 'extension_id', r.extension_id, 'peer', p.name, 'peer_id', r.peer_id,
            'registration_id', r.binding_id, 'contact', r.contact,
            'received_addr', host(r.received_addr), 'received_port', r.received_port,
            'old_received_addr', host(r.old_received_addr), 'old_received_port', r.old_received_port,
            'user_agent', r.user_agent) AS data
    FROM fresh r
    LEFT JOIN extensions_peer p ON p.id = r.peer_id
    LEFT JOIN extensions_extension e ON e.id = r.extension_id
    LEFT JOIN extensions_domain d ON d.id = coalesce(p.domain_id, e.domain_id)
    UNION ALL
    SELECT 'state_changed', s.at, NULL, d.name, coalesce(e.number, p.name),
        jsonb_build_object(
            'aor', 'sip:' || coalesce(e.number, p.name) || '@' || d.name, 'domain', d.name,
            'extension', e.number, 'extension_id', p.extension_id, 'peer', p.name, 'peer_id', s.peer_id,
            'old_state', {_STATE.format("s.old_state")}, 'state', {_STATE.format("s.new_state")})
    FROM moved s
    JOIN extensions_peer p ON p.id = s.peer_id
    JOIN extensions_domain d ON d.id = p.domain_id
    LEFT JOIN extensions_extension e ON e.id = p.extension_id
), written AS (
    INSERT INTO webhooks_feedevent (id, type, at, event_id, domain, extension, data)
    SELECT w.last_id + row_number() OVER (ORDER BY n.at, n.event_id NULLS LAST), n.type, n.at, n.event_id, n.domain,
           n.extension, jsonb_build_object('at', {_MOMENT.format("n.at")}) || n.data
    FROM news n CROSS JOIN webhooks_feedprogress w
    RETURNING id
), counted AS (
    SELECT count(*) AS told FROM written
)
UPDATE webhooks_feedprogress
SET snapshot = pg_current_snapshot()::text, last_id = last_id + told, fed_at = clock_timestamp()
FROM counted WHERE told > 0 OR fed_at < clock_timestamp() - interval '10 seconds'
"""  # noqa: S608 - our own constants

# The next so many, and of those that pass the filter what they say.
READ: Final = """
SELECT id, CASE WHEN (cardinality(%(types)s::text[]) = 0 OR type = ANY(%(types)s)) AND %(domain)s IN ('', domain)
                 AND %(extension)s IN ('', extension)
           THEN jsonb_build_object('id', id, 'type', type) || data END
FROM webhooks_feedevent WHERE id > %(after)s AND id <= %(until)s ORDER BY id LIMIT %(most)s
"""

LAST_ID: Final = "SELECT coalesce(max(last_id), 0) FROM webhooks_feedprogress"

# The last one before all that happened at a time or later; what became visible late may stand before it.
BEFORE: Final = """
SELECT min(id) - 1 FROM (
    SELECT id FROM webhooks_feedevent WHERE at >= %(at)s ORDER BY at LIMIT 10000) AS later
"""

FORGET: Final = f"""
DELETE FROM webhooks_feedevent
WHERE id IN (SELECT id FROM webhooks_feedevent ORDER BY id LIMIT %(most)s) AND at < now() - interval '{KEEP}'
"""  # noqa: S608 - our own constants

# Whoever holds it delivers. Of the session, so it goes with the process.
DELIVERER_LOCK: Final = "SELECT pg_try_advisory_lock(7161125)"
