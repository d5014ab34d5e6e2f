"""Addresses as people write them, as sockets want them, and as the application sees them.

The application sees numeric hosts only, and an IPv4 peer as IPv4 whatever the socket's family is.
Nothing here asks a name server: a lookup would stop the event loop for everybody.
"""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address
from typing import Any, Literal

from .events import Address, Origin

MAX_PORT = 65_535
_IN_PKTINFO_BYTES = 12
MAPPED_PREFIX = "::ffff:"
_OURS = "to/"
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


class AddressError(ValueError):
    """The text is not HOST:PORT; str() says in one line what would be."""


def parse_address(text: str) -> Address:
    """(host, port) of "127.0.0.1:5060", "[::]:5060" or "localhost:5060"; port 0 lets the system choose.

    Raises AddressError. Host names other than localhost are refused: an interface has a number.
    """
    host, colon, port_text = text.strip().rpartition(":")
    if not colon or not (port_text.isascii() and port_text.isdigit()) or int(port_text) > MAX_PORT:
        raise AddressError(f"{text!r} is not HOST:PORT, for example 0.0.0.0:5060 or [::]:5060")
    return _numeric_host(host, text), int(port_text)


def format_address(address: Address) -> str:
    """ "HOST:PORT", an IPv6 host in brackets: the inverse of parse_address."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def from_socket_address(family: int, raw: tuple[Any, ...]) -> Address:
    """The application's form of what recvfrom or getsockname returned for a socket of this family."""
    host: str = raw[0]
    if family == socket.AF_INET:
        return host, raw[1]
    if host.startswith(MAPPED_PREFIX) and "." in host:
        return host[len(MAPPED_PREFIX) :], raw[1]
    return (f"{host}%{raw[3]}" if raw[3] else host), raw[1]


def to_socket_address(family: int, address: Address) -> tuple[Any, ...]:
    """What sendto wants for a socket of this family.

    Raises OSError or ValueError when the host is no numeric address this family can reach.
    """
    host, port = address
    if family == socket.AF_INET:
        socket.inet_pton(socket.AF_INET, host)
        return address
    host, _, zone = host.partition("%")
    if ":" not in host:
        host = MAPPED_PREFIX + host
    socket.inet_pton(socket.AF_INET6, host)
    return host, port, 0, int(zone) if zone else 0


def way_to(server: Address, transport: Literal["TCP", "TLS"], name: str = "") -> Origin:
    """As a destination: over a connection that we open. name: whose certificate it must have over TLS, a host name or
    an address; empty: whatever."""
    return Origin(*server, transport, f"{_OURS}{format_address(server)}/{name}")


def is_outgoing(flow: str | None) -> bool:
    """Whether it names a connection of way_to."""
    return flow is not None and flow.startswith(_OURS)


def local_host(local: bytes) -> str:
    """The numeric host in an Origin's `local`: an in_pktinfo, or an in6_pktinfo without its zone."""
    address = ip_address(local[4:8] if len(local) == _IN_PKTINFO_BYTES else local[:16])
    return str((address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address)


def _numeric_host(host: str, text: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        number = ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise AddressError(f"{text!r}: the host must be a numeric address of this machine") from None
    if isinstance(number, IPv6Address) is not bracketed:
        raise AddressError(f"{text!r}: an IPv6 address, and only that, is written in brackets")
    return str(number)
