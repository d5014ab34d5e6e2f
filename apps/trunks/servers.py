"""Where a trunk's server is written: host, host:port, an IPv6 address in brackets before a port. Pure."""

import re
from ipaddress import ip_address
from typing import Final, NamedTuple

from apps.sip.uri import format_host
from apps.sipserver.addresses import way_to
from apps.sipserver.events import Address, Origin

DEFAULT_PORT: Final = 5060
DEFAULT_TLS_PORT: Final = 5061
LONGEST_NAME: Final = 253
_WRITTEN: Final = re.compile(
    r"(?:\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\]|([^\[\]:]+))(?::([0-9]{1,5}))?", re.ASCII
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


class Server(NamedTuple):
    """host: an address, or a name in lower case; port None: the usual. Shown as split_server reads it."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = format_host(self.host)
        return host if self.port is None else f"{host}:{self.port}"


def split_server(text: str) -> Server | None:
    """None for what is neither an address nor a name, with or without a port."""
    if text.count(":") > 1 and not text.startswith("["):
        host, port = text, ""
    elif (written := _WRITTEN.fullmatch(text)) is not None:
        host, port = written.group(1) or written.group(2), written.group(3) or ""
    else:
        return None
    known = normal_host(host)
    if known is None or (port and not 1 <= int(port) <= 65_535):
        return None
    return Server(known, int(port) if port else None)


def default_port(transport: str) -> int:
    """transport: as TrunkTransport."""
    return DEFAULT_TLS_PORT if transport.startswith("tls") else DEFAULT_PORT


def way_of(address: Address, transport: str, name: str) -> Address | Origin:
    """To a server of that name at that address. transport: as TrunkTransport."""
    if transport == "tcp":
        return way_to(address, "TCP")
    if transport.startswith("tls"):
        return way_to(address, "TLS", name if transport == "tls" else "")
    return address


def normal_host(text: str) -> str | None:
    """An address in its usual form, or a host name in lower case without the last dot; None for what is neither."""
    if (address := _address(text)) is not None:
        return address
    return text.lower().removesuffix(".") if is_host_name(text) else None


def is_host_name(text: str) -> bool:
    """Whether it is a name and no address (RFC 1123 §2.1): what looks like an address and is none is no name either."""
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    return (
        len(name) <= LONGEST_NAME
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdecimal()
    )


def is_address(host: str) -> bool:
    return _address(host) is not None


def _address(text: str) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return None if "%" in text else str(getattr(address, "ipv4_mapped", None) or address)
