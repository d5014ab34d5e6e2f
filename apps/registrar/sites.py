"""Reads sites: which phones are behind which address, and which of the sites have gone quiet as a whole.

The phones of a site are those registered from there, and those that ended there by silence within a week
(site_sql.REMEMBERED). Must not query in a loop.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction

from apps.registrar.overview import site_sql
from apps.registrar.overview.models import OverviewSite
from apps.registrar.site import Site, site_of

# A page reads all sites itself where that takes no longer.
CHEAP: Final = "50 milliseconds"
PLACE: Final = re.compile(r"([01])~-([0-9]{1,9})~([0-9a-f.:/]{1,50})")


def sites_of(addresses: Iterable[str]) -> Mapping[str, Site]:
    """The sites of these addresses, by site_of(); one query."""
    ranges = [ipaddress.ip_network(site) for site in {site_of(address) for address in addresses}]
    if not ranges:
        return {}
    lows, highs = [str(each[0]) for each in ranges], [str(each[-1]) for each in ranges]
    with connection.cursor() as cursor:
        cursor.execute(site_sql.SITES_OF, {**site_sql.CONSTANTS, "lows": lows, "highs": highs})
        found = [_site(row) for row in cursor.fetchall()]
    return {site.address: site for site in found}


@dataclass(frozen=True, slots=True)
class SitePage:
    """after: the place of the next page, "" where there is none. number: how many there are in all."""

    sites: Sequence[Site]
    after: str
    number: int
    before: str = ""


def site_page(*, search: str, place: str, size: int) -> SitePage:
    """Sites with more than one phone, those that are down first, then by size; what is said of them is read now."""
    _keep_if_cheap()
    rank, fewer, address = _place(place)
    params: dict[str, Any] = {
        "search": search,
        "size": size + 1,
        "rank": rank,
        "fewer": fewer,
        "address": address,
    }
    with connection.cursor() as cursor:
        cursor.execute(site_sql.PAGE, params)
        rows = cursor.fetchall()
    shown = [_address(row[0]) for row in rows[:size]]
    found = sites_of(address.partition("/")[0] for address in shown)
    after = (
        "~".join(str(each) for each in (rows[size - 1][1:] + rows[size - 1][:1])) if len(rows) > size else ""
    )
    sites = [found[address] for address in shown if address in found and found[address].phones > 1]
    return SitePage(sites, after, OverviewSite.objects.count())


def _keep_if_cheap() -> None:
    """Where there are many phones that is the workers' part."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(site_sql.FIRST)
        cursor.execute(site_sql.IS_DUE, {"most": CHEAP})
        if due := cursor.fetchone():
            cursor.execute(site_sql.KEEP, site_sql.CONSTANTS)
            cursor.execute(site_sql.DONE, {"began": due[0]})


def _place(text: str) -> tuple[int, int, str]:
    """What is none means the beginning."""
    found = PLACE.fullmatch(text)
    return (int(found[1]), -int(found[2]), found[3]) if found else (-1, 0, "")


def _site(row: tuple[Any, ...]) -> Site:
    address, *counts = row
    return Site(_address(address), *counts)


def _address(network: str) -> str:
    """As site_of() says it."""
    read = ipaddress.ip_network(network)
    return str(read.network_address) if isinstance(read, ipaddress.IPv4Network) else str(read)
