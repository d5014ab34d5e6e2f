"""Where webhooks may go: an http or https URL whose address is not one that only this machine can reach by accident.

Link-local addresses are denied, for clouds hand out a machine's credentials there; loopback and private networks are
allowed, for the PBX stands beside us. Pure: names are looked up by posting.py, at each delivery anew.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

LONGEST_URL: Final = 2000
DENIED: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "100.100.100.200/32",  # Alibaba's metadata
        "192.0.0.192/32",  # Oracle's
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "fe80::/10",
        "fd00:ec2::254/128",  # Amazon's
        "ff00::/8",
    )
)
_NAT64: Final = ip_network("64:ff9b::/96")


class UnusableUrl(ValueError):  # noqa: N818 - says what it is
    """In a sentence for the admin."""


@dataclass(frozen=True, slots=True)
class Destination:
    is_tls: bool
    host: str
    port: int
    target: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


def destination_of(url: str) -> Destination:
    """Raises UnusableUrl."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise UnusableUrl(f"Give a URL of at most {LONGEST_URL} printable ASCII characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UnusableUrl("This is not a URL.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise UnusableUrl("Give an http or https URL, like https://pbx.example.com/hooks.")
    if "@" in parts.netloc:
        raise UnusableUrl("Leave user name and password out: requests are signed instead.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    is_tls = parts.scheme == "https"
    _check_literal(host)
    return Destination(is_tls, host, port or (443 if is_tls else 80), target)


def is_allowed(address: str) -> bool:
    """Whether requests may go to this IP address; also as what it stands for (IPv4-mapped, 6to4, NAT64)."""
    ip = ip_address(address.partition("%")[0])
    return all(not any(one in network for network in DENIED) for one in (ip, *_embedded(ip)))


def _check_literal(host: str) -> None:
    try:
        allowed = is_allowed(host)
    except ValueError:
        return  # a name
    if not allowed:
        raise UnusableUrl("Link-local, metadata and multicast addresses are not allowed.")


def _embedded(ip: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(ip, IPv4Address):
        return []
    found = [ip.ipv4_mapped, ip.sixtofour]
    if ip in _NAT64:
        found.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return [one for one in found if one is not None]
