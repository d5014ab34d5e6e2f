"""Where a trunk's server is written: host, host:port, an IPv6 address in brackets before a port. Pure."""

import re
from ipaddress import ip_address
from typing import Final

DEFAULT_PORT: Final = 5060
LONGEST_NAME: Final = 253
_WRITTEN: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+))(?::([0-9]{1,5}))?", re.ASCII)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def split_server(text: str) -> tuple[str, int | None] | None:
    """Host (an address, or a name in lower case) and port, None for the usual. None for what is neither."""
    if text.count(":") > 1 and not text.startswith("["):
        host, port = text, ""
    elif (written := _WRITTEN.fullmatch(text)) is not None:
        host, port = written.group(1) or written.group(2), written.group(3) or ""
    else:
        return None
    known = normal_host(host)
    if known is None or (port and not 1 <= int(port) <= 65_535):
        return None
    return known, int(port) if port else None


def show_server(host: str, port: int | None) -> str:
    """As split_server reads it."""
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
