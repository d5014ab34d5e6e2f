"""Reads sites: which phones are behind which address, and which of the sites have gone quiet as a whole.

The phones of a site are those registered from there, and those that ended there by silence within REMEMBERED. Must not
write, and must not query in a loop.
"""

import datetime as dt
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.db import connection

from apps.registrar.outcomes import EndReason
from apps.registrar.site import OVERDUE_AT_LEAST, PREFIX_V6, Site, site_of

REMEMBERED: Final = dt.timedelta(days=7)


def sites_of(addresses: Iterable[str]) -> Mapping[str, Site]:
    """The sites of these addresses, by site_of(); one query."""
    ranges = [ipaddress.ip_network(site) for site in {site_of(address) for address in addresses}]
    if not ranges:
        return {}
    lows, highs = [str(each[0]) for each in ranges], [str(each[-1]) for each in ranges]
    with connection.cursor() as cursor:
        cursor.execute(_SITES_OF, {**_CONSTANTS, "lows": lows, "highs": highs})
        found = [_site(row) for row in cursor.fetchall()]
    return {site.address: site for site in found}


def site_page(*, search: str, start: int, size: int) -> tuple[Sequence[Site], int]:
    """Sites with more than one phone, those that are down first, then by size; and how many there are in all."""
    params = {**_CONSTANTS, "search": f"{search}%", "start": start, "size": size}
    with connection.cursor() as cursor:
        cursor.execute(_SITE_PAGE, params)
        rows = cursor.fetchall()
    return [_site(row[:-1]) for row in rows], rows[0][-1] if rows else 0


def _site(row: tuple[Any, ...]) -> Site:
    address, *counts = row
    network = ipaddress.ip_network(address)
    single = isinstance(network, ipaddress.IPv4Network)
    return Site(str(network.network_address) if single else str(network), *counts)


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

_SITES_OF: Final = (
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
_SITE_PAGE: Final = (
    _PHONES.format(bindings="registrar_binding", activity="registrar_peeractivity", gone=_GONE)
    + """
SELECT host(site) || '/' || masklen(site), phones, online, last_heard_at, overdue, overdue_since, count(*) OVER ()
FROM sites WHERE phones > 1 AND host(site) LIKE %(search)s
ORDER BY (overdue >= %(overdue_at_least)s) DESC, phones DESC, site
LIMIT %(size)s OFFSET %(start)s
"""
)
_CONSTANTS: Final[dict[str, Any]] = {
    "silent": [EndReason.EXPIRED.value, EndReason.FLOW_CLOSED.value],
    "remembered": str(REMEMBERED),
    "prefix_v6": PREFIX_V6,
    "overdue_at_least": OVERDUE_AT_LEAST,
}
