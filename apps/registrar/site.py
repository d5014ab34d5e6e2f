"""A site: one public IPv4 address, or one IPv6 /64, with the phones behind it. Pure."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import Final

# One phone that is overdue is that phone's matter.
OVERDUE_AT_LEAST: Final = 2
PREFIX_V6: Final = 64


@dataclass(frozen=True, slots=True)
class Site:
    """last_heard_at: the last sign of life of any phone there. overdue: the phones that should have been heard since
    then and were not, the first of them at overdue_since."""

    address: str
    phones: int
    online: int
    last_heard_at: dt.datetime | None
    overdue: int
    overdue_since: dt.datetime | None

    @property
    def is_down(self) -> bool:
        return self.overdue >= OVERDUE_AT_LEAST

    @property
    def search(self) -> str:
        """What finds its phones on the Registrations page."""
        return self.address.removesuffix(f"::/{PREFIX_V6}") if "/" in self.address else self.address


def site_of(address: str) -> str:
    """The site an address belongs to: itself, or the /64 of an IPv6 address."""
    host = ipaddress.ip_address(address)
    if isinstance(host, ipaddress.IPv4Address):
        return str(host)
    return str(ipaddress.ip_network((host, PREFIX_V6), strict=False))
