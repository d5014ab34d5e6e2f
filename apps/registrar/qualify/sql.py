"""Every SQL statement of the probes, named. Must not execute anything.

A probe is claimed where its number rises, so that no two workers send the same one; rows are always locked in the
order of their ids. Bindings are read, never changed: no AOR's lock is needed.
"""

from typing import Any, Final

# In a row.
UNREACHABLE_AFTER: Final = 2
LAGGING_ABOVE_MS: Final = 500
LAGGING_UNTIL_MS: Final = 400
# Turns may come a little closer to each other than the interval, for workers look every quarter of a second.
MOST_OF_INTERVAL: Final = 0.75

CLOCK_AND_WORKERS: Final = """
SELECT extract(epoch FROM clock_timestamp())::float8,
       ARRAY(SELECT id FROM registrar_workerheartbeat
             WHERE server = %(server)s AND seen_at > statement_timestamp() - %(good_for)s)
"""

# Whose phones want probes, and how the worker reaches them: over its server's socket, or over its own connections.
_PROBED: Final = """
registrar_binding b
JOIN extensions_peer p ON p.id = b.peer_id AND p.enabled AND p.qualify
LEFT JOIN extensions_extension e ON e.id = p.extension_id
"""
_WANTED: Final = """
b.expires_at > statement_timestamp() AND coalesce(e.enabled, true)
AND ((b.flow IS NULL AND b.server = %(server)s AND b.server <> '') OR starts_with(b.flow, %(worker)s || '/'))
"""

# One row for each interval and kind of way, the ids one after the other: rows of their own would take far longer.
SCHEDULE: Final = f"""
SELECT p.qualify_interval_s, b.flow IS NULL, string_agg(uuid_send(b.binding_id), ''::bytea)
FROM {_PROBED} WHERE {_WANTED}
GROUP BY 1, 2
"""  # noqa: S608 - our own constants

CLAIM: Final = f"""
WITH asked AS (
    SELECT b.*, p.qualify_interval_s, coalesce(q.number, 0) AS number,
           (q.rtt_ms IS NULL AND q.answered_at IS NOT NULL) OR coalesce(q.rtt_avg_ms > %(lagging_until)s, false) AS slow
    FROM {_PROBED}
    LEFT JOIN registrar_probe q ON q.binding_id = b.binding_id
    WHERE b.binding_id = ANY(%(ids)s) AND {_WANTED}
      AND (q.sent_at IS NULL OR abs(extract(epoch FROM statement_timestamp() - q.sent_at))
                                > p.qualify_interval_s * %(most_of_interval)s)
), claimed AS (
    INSERT INTO registrar_probe AS q (
        binding_id, peer_id, number, sent_at, sent_to_addr, sent_to_port, lost, state)
    SELECT binding_id, peer_id, number + 1, statement_timestamp(), received_addr, received_port, 0, 'unknown'
    FROM asked ORDER BY binding_id
    ON CONFLICT (binding_id) DO UPDATE SET
        number = excluded.number, sent_at = excluded.sent_at, answered = NULL,
        sent_to_addr = excluded.sent_to_addr, sent_to_port = excluded.sent_to_port,
        lost = CASE WHEN q.sent_to_addr = excluded.sent_to_addr AND q.sent_to_port = excluded.sent_to_port
                    THEN q.lost ELSE 0 END
    WHERE q.number < excluded.number
    RETURNING q.binding_id
)
SELECT a.binding_id, a.number + 1, a.qualify_interval_s, a.slow, a.contact, a.aor, a.path,
       host(a.received_addr), a.received_port, a.transport, a.flow, decode(a.local, 'hex')
FROM claimed JOIN asked a USING (binding_id)
"""  # noqa: S608 - our own constants

# The address the probe went to is still the binding's: an answer from there, or none, says something about it.
_STILL_THERE: Final = """
JOIN registrar_binding b ON b.binding_id = q.binding_id AND b.expires_at > statement_timestamp()
     AND b.received_addr = q.sent_to_addr AND b.received_port = q.sent_to_port
"""

STILL_WAITING: Final = f"""
SELECT q.binding_id, q.number FROM registrar_probe q {_STILL_THERE}
WHERE q.binding_id = ANY(%(ids)s) AND q.answered IS NULL
"""  # noqa: S608 - our own constants

# An answer that comes after the loss still counts, a loss after the answer does not, and neither counts twice.
RECORD: Final = f"""
WITH heard AS (
    SELECT q.binding_id, q.peer_id, q.state AS state_before, q.lost AS lost_before, r.answered, r.status, r.rtt_ms,
           CASE WHEN r.answered THEN 0 ELSE least(q.lost + 1, 32767) END AS lost,
           CASE WHEN r.rtt_ms IS NULL THEN q.rtt_avg_ms
                ELSE coalesce(q.rtt_avg_ms + (r.rtt_ms - q.rtt_avg_ms) / 8, r.rtt_ms) END AS rtt_avg_ms,
           b.aor, b.extension_id, b.contact, b.received_addr, b.received_port, b.user_agent
    FROM json_to_recordset(%(rows)s) AS r(
        binding_id uuid, number bigint, answered boolean, status smallint, rtt_ms double precision)
    JOIN registrar_probe q ON q.binding_id = r.binding_id AND q.number = r.number {_STILL_THERE}
    WHERE q.answered IS NULL OR (r.answered AND NOT q.answered)
    ORDER BY q.binding_id FOR UPDATE OF q
), judged AS (
    SELECT *, CASE
        WHEN NOT answered THEN CASE WHEN lost >= %(unreachable_after)s THEN 'unreachable' ELSE state_before END
        WHEN rtt_avg_ms > %(lagging_above)s OR (state_before = 'lagging' AND rtt_avg_ms >= %(lagging_until)s)
            THEN 'lagging'
        ELSE 'reachable' END AS state
    FROM heard
), written AS (
    UPDATE registrar_probe q
    SET answered = j.answered, lost = j.lost, rtt_avg_ms = j.rtt_avg_ms, state = j.state,
        status = CASE WHEN j.answered THEN j.status ELSE q.status END,
        answered_at = CASE WHEN j.answered THEN statement_timestamp() ELSE q.answered_at END,
        rtt_ms = CASE WHEN j.answered THEN j.rtt_ms ELSE q.rtt_ms END,
        state_since = CASE WHEN j.state = j.state_before THEN q.state_since ELSE statement_timestamp() END
    FROM judged j WHERE q.binding_id = j.binding_id
), changed AS (
    SELECT * FROM judged WHERE state <> state_before
), logged AS (
    INSERT INTO registrar_registrationevent (
        at, last_at, count, event, reason, aor, peer_id, extension_id, binding_id, contact, received_addr,
        received_port, user_agent)
    SELECT statement_timestamp(), statement_timestamp(), greatest(lost, lost_before, 1),
           CASE WHEN answered THEN 'reachable' ELSE 'unreachable' END,
           CASE WHEN answered THEN 'probe_regained' ELSE 'probe_lost' END,
           aor, peer_id, extension_id, binding_id, contact, received_addr, received_port, user_agent
    FROM changed WHERE 'unreachable' IN (state, state_before)
)
SELECT DISTINCT peer_id FROM changed
"""  # noqa: S608 - our own constants

# Of bindings that are over, and of peers that are not probed any more: what was known of them is not true for ever.
TIDY: Final = f"""
DELETE FROM registrar_probe q
WHERE NOT EXISTS (SELECT FROM {_PROBED} WHERE b.binding_id = q.binding_id AND coalesce(e.enabled, true))
"""  # noqa: S608 - our own constants

LIMITS: Final[dict[str, Any]] = {
    "unreachable_after": UNREACHABLE_AFTER,
    "lagging_above": LAGGING_ABOVE_MS,
    "lagging_until": LAGGING_UNTIL_MS,
    "most_of_interval": MOST_OF_INTERVAL,
}
