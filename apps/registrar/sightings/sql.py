"""The statements that write down attempts that came to nothing. Must not execute anything: flush.py does."""

from typing import Final

from apps.extensions.look_alike import LOOK_ALIKE

# Whoever has one of these names, folded; a name may come twice. Joins, which use the indexes over folded names: of
# = ANY of thousands of names each may be tried on each row.
_IS_WANTED: Final = f"translate(lower({{}}), '{LOOK_ALIKE[0]}', '{LOOK_ALIKE[1]}') = wanted.folded"

NAMED: Final = f"""
WITH wanted AS (SELECT unnest(%(folded)s::text[]) AS folded), named AS (
    SELECT p.id AS peer_id, p.domain_id, p.name, true AS is_own
    FROM wanted JOIN extensions_peer p ON {_IS_WANTED.format("p.name")} WHERE p.kind = 'device'
    UNION ALL
    SELECT c.peer_id, c.domain_id, c.username, true
    FROM wanted JOIN extensions_credential c ON {_IS_WANTED.format("c.username")} WHERE c.valid_until IS NULL
    UNION ALL
    SELECT p.id, p.domain_id, e.number, false
    FROM wanted JOIN extensions_extension e ON {_IS_WANTED.format("e.number")}
    JOIN extensions_peer p ON p.extension_id = e.id
)
SELECT n.peer_id, d.name, n.name, n.is_own, EXISTS (
    SELECT FROM registrar_binding b WHERE b.peer_id = n.peer_id AND b.expires_at > statement_timestamp())
FROM named n JOIN extensions_domain d ON d.id = n.domain_id
"""  # noqa: S608 - our own constants

UPSERT_STRANGERS: Final = """
INSERT INTO registrar_stranger AS s (
    reason, domain, username, received_addr, received_port, user_agent, count, first_at, last_at, meant_peer_id)
SELECT * FROM json_to_recordset(%(rows)s) AS r(
    reason text, domain text, username text, received_addr inet, received_port integer, user_agent text, count integer,
    first_at timestamptz, last_at timestamptz, meant_peer_id uuid)
ORDER BY reason, domain, username, received_addr
ON CONFLICT (reason, domain, username, received_addr) DO UPDATE SET
    count = least(s.count::bigint + excluded.count, 2147483647), last_at = greatest(s.last_at, excluded.last_at),
    received_port = excluded.received_port, meant_peer_id = excluded.meant_peer_id,
    user_agent = CASE WHEN excluded.user_agent = '' THEN s.user_agent ELSE excluded.user_agent END
"""

# Of the challenges those that nobody answered to another worker either, with the peer that is meant: the one of that
# name, else the only one of that extension. A refusal, a refreshed binding or a sign-off since then is an answer; so is
# one of a moment before (T2, RFC 3261 §17.1.2.2), for then it was a repeat, on its way to us meanwhile, that was
# challenged once more.
STILL_UNANSWERED: Final = """
WITH challenges AS (
    SELECT * FROM json_to_recordset(%(challenges)s) AS r(
        number integer, domain text, username text, received_addr inet, at timestamptz)
)
SELECT c.number, p.id, p.extension_id, coalesce(e.number, p.name)
FROM challenges c
JOIN extensions_domain d ON d.name = c.domain
JOIN LATERAL (
    SELECT id FROM extensions_peer WHERE domain_id = d.id AND name = c.username AND kind = 'device'
    UNION
    SELECT (array_agg(o.id))[1] FROM extensions_extension x JOIN extensions_peer o ON o.extension_id = x.id
    WHERE x.domain_id = d.id AND x.number = c.username
      AND NOT EXISTS (SELECT FROM extensions_peer n WHERE n.domain_id = d.id AND n.name = c.username)
    HAVING count(*) = 1
) meant ON true
JOIN extensions_peer p ON p.id = meant.id
LEFT JOIN extensions_extension e ON e.id = p.extension_id
WHERE NOT EXISTS (
    SELECT FROM registrar_binding b
    WHERE b.peer_id = p.id AND b.received_addr = c.received_addr
      AND b.refreshed_at >= c.at - interval '4 seconds')
  AND NOT EXISTS (
    SELECT FROM registrar_registrationevent v
    WHERE v.peer_id = p.id AND v.at >= c.at - interval '1 minute' AND v.last_at >= c.at - interval '4 seconds'
      AND v.received_addr = c.received_addr AND v.event IN ('refused', 'unanswered', 'unregistered'))
ORDER BY c.number
"""

MOST_STRANGERS: Final = 10_000

DELETE_STRANGERS: Final = """
DELETE FROM registrar_stranger WHERE id IN (SELECT id FROM registrar_stranger ORDER BY last_at DESC OFFSET %(most)s)
"""
