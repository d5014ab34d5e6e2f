"""What a packet's source address says: its network, and whether headers were rewritten on the way. Pure.

A SIP ALG is a router that changes SIP messages as they pass, mostly half of what it would have to.
"""

import ipaddress
from functools import lru_cache
from typing import Final, Literal

from apps.sip.message import Request
from apps.sip.uri import SipUri

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Rewritten = Literal["", "via", "contact"]

# RFC 1918, 6598, 3927, 4193 and 4291: addresses behind a NAT. Loopback is none: nothing lies in between.
PRIVATE_NETWORKS: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
READABLE: Final = frozenset({"UDP", "TCP"})


@lru_cache(maxsize=4096)  # one registration asks several times
def address_of(host: str) -> IPAddress | None:
    """The address a host is written as, IPv4-mapped IPv6 as its IPv4; None for a name."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def network_of(host: str) -> str:
    """The neighbourhood of an address, as text: its /16, of IPv6 its /32."""
    address = address_of(host)
    if address is None:
        raise ValueError(host)
    if address.version == 4:
        first, second, _ = str(address).split(".", 2)
        return f"{first}.{second}.0.0/16"
    return str(ipaddress.ip_network((address, 32), strict=False))


@lru_cache(maxsize=4096)  # a phone's contact and Via say the same for as long as it lives
def is_private(host: str) -> bool:
    """Whether the host is an address that means something behind its NAT only; a name is not."""
    address = address_of(host)
    return address is not None and any(address in network for network in PRIVATE_NETWORKS)


def rewritten_header(request: Request, contact: SipUri, source: str, transport: str) -> Rewritten:
    """The header that a SIP ALG seems to have rewritten, "" for none.

    One knew the public address and the other did not: a phone that knows writes it into both, and one that learned it
    from an answer's received and rport asks for rport (RFC 3581 §4). Behind a proxy the top Via is not the phone's.
    """
    via = request.vias[0]
    if transport not in READABLE or len(request.vias) > 1 or via.host == contact.host:
        return ""
    public = source.partition("%")[0]
    if public not in (via.host, contact.host) or is_private(public):
        return ""
    if via.host == public:
        return "via" if is_private(contact.host) else ""
    asks_rport = any(name == "rport" for name, _ in via.params)
    return "contact" if is_private(via.host) and not asks_rport else ""
