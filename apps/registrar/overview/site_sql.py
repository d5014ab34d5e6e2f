"""The statements that read sites. Must not execute anything: sites.py does for the web, keeper.py for the workers.

Parameters: CONSTANTS, and those said.
"""

import datetime as dt
from typing import Any, Final

from apps.registrar.outcomes import EndReason
from apps.registrar.site import OVERDUE_AT_LEAST, PREFIX_V6

REMEMBERED: Final = dt.timedelta(days=7)

# Of each phone at a site: when it was last heard, whether it is registered, and since when it is overdue (its renewal
# late, its probes lost or its registration expired), if it is.
_PHONES: Final = """
WITH heard AS (
    SELECT b.received_addr AS address, b.peer_id, greatest(b.refreshed_at, p.answered_at) AS heard_at,
           b.expires_at > now() AS is_live,
           least(CASE WHEN b.late_at <= now() THEN b.late_at END,
                 CASE WHEN b.expires_at <= now() THEN b.expires_at END,
                 CASE WHEN p.state = 'unreachable' THEN p.state_since END) AS overdue_at
    FROM {bindings} AS b LEFT JOIN registrar_probe p ON p.binding_id = b.binding_id
    UNION ALL
    SELECT a.received_addr, a.peer_id, a.heard_at, false,
           CASE WHEN a.ended_at >= a.registered_at AND a.end_reason = ANY(%(silent)s) THEN a.ended_at END
    FROM {activity} AS a
    WHERE {gone}
), phones AS (
    SELECT CASE WHEN family(address) = 4 THEN address::cidr
                ELSE network(set_masklen(address, %(prefix_v6)s)) END AS site,
           peer_id, max(heard_at) AS heard_at, bool_or(is_live) AS is_live,
           CASE WHEN bool_or(is_live AND overdue_at IS NULL) THEN NULL
                WHEN bool_or(is_live) THEN min(overdue_at) FILTER (WHERE is_live)
                ELSE min(overdue_at) END AS overdue_at
    FROM heard GROUP BY 1, 2
), last_heard AS (
    SELECT *, max(heard_at) OVER (PARTITION BY site) AS site_heard_at FROM phones
), sites AS (
    SELECT site, count(*) AS phones, count(*) FILTER (WHERE is_live AND overdue_at IS NULL) AS online,
           max(site_heard_at) AS last_heard_at,
           count(*) FILTER (WHERE overdue_at > site_heard_at) AS overdue,
           min(overdue_at) FILTER (WHERE overdue_at > site_heard_at) AS overdue_since
    FROM last_heard GROUP BY site
)
"""
# Remembered here only if it registered there last and nothing of it is left in the table of bindings.
_GONE: Final = """a.received_addr IS NOT NULL AND a.ended_at > now() - %(remembered)s::interval
      AND NOT EXISTS (SELECT FROM registrar_binding b WHERE b.peer_id = a.peer_id)"""
# OFFSET 0: a look-up for each range, whatever the planner thinks of joining them all.
_WITHIN: Final = """(
    SELECT within.* FROM unnest(%(lows)s::inet[], %(highs)s::inet[]) AS r(low, high) CROSS JOIN LATERAL (
        SELECT * FROM {0} WHERE received_addr BETWEEN r.low AND r.high OFFSET 0) AS within)"""

SITES_OF: Final = (
    _PHONES.format(
        bindings=_WITHIN.format("registrar_binding"),
        activity=_WITHIN.format("registrar_peeractivity"),
        gone=_GONE,
    )
    + """
SELECT host(site) || '/' || masklen(site), phones, online, last_heard_at, overdue, overdue_since
FROM sites
"""
)
# What the list is in order by. The sums of all sites take their time, so they are kept.
_SITES: Final = _PHONES.format(bindings="registrar_binding", activity="registrar_peeractivity", gone=_GONE)
KEEP: Final = f"""{_SITES}
, listed AS (
    SELECT host(site) || '/' || masklen(site) AS address,
           CASE WHEN overdue >= %(overdue_at_least)s THEN 0 ELSE 1 END AS rank, -phones AS fewer
    FROM sites WHERE phones > 1
), gone AS (
    DELETE FROM registrar_overviewsite s WHERE NOT EXISTS (SELECT FROM listed l WHERE l.address = s.address)
)
INSERT INTO registrar_overviewsite AS s (address, rank, fewer) SELECT address, rank, fewer FROM listed
ON CONFLICT (address) DO UPDATE SET rank = excluded.rank, fewer = excluded.fewer
WHERE (s.rank, s.fewer) <> (excluded.rank, excluded.fewer)
"""  # noqa: S608 - our own constants

FIRST: Final = """
INSERT INTO registrar_siteprogress (id, ran_at, cost) VALUES (1, '-infinity', '0') ON CONFLICT DO NOTHING
"""

# Reading takes a twentieth of the time at most, and waits for nobody. When it begins. Parameter: most, its cost.
IS_DUE: Final = """
SELECT clock_timestamp() FROM registrar_siteprogress
WHERE ran_at < clock_timestamp() - cost * 20 AND cost <= %(most)s::interval FOR UPDATE SKIP LOCKED
"""

DONE: Final = """
UPDATE registrar_siteprogress SET ran_at = clock_timestamp(), cost = clock_timestamp() - %(began)s::timestamptz
"""

# Parameters: search, size, and the place: rank, fewer, address.
PAGE: Final = """
SELECT address, rank, fewer FROM registrar_overviewsite
WHERE starts_with(address, %(search)s) AND (rank, fewer, address) > (%(rank)s, %(fewer)s, %(address)s)
ORDER BY rank, fewer, address LIMIT %(size)s
"""

CONSTANTS: Final[dict[str, Any]] = {
    "silent": [EndReason.EXPIRED.value, EndReason.FLOW_CLOSED.value],
    "remembered": str(REMEMBERED),
    "prefix_v6": PREFIX_V6,
    "overdue_at_least": OVERDUE_AT_LEAST,
}
