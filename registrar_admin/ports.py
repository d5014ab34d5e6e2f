"""Whether an address can be listened on, asked before anything is started. Must not keep it."""

from __future__ import annotations

import errno
import socket
from typing import Literal

from registrar_admin.config import bracketed

Transport = Literal["TCP", "UDP"]


def why_unusable(transport: Transport, host: str, port: int) -> str | None:
    """None if a socket can be bound there, else one sentence with the address in it."""
    where = f"{transport} {bracketed(host)}:{port}"
    kind = socket.SOCK_STREAM if transport == "TCP" else socket.SOCK_DGRAM
    try:
        found = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)
        family, _, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            if transport == "TCP":  # as the web server does; a connection that lingers is no obstacle
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            probe.bind(address)
    except OSError as error:
        return _sentence(where, error)
    return None


def _sentence(where: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program (or this product runs already)"
    if error.errno == errno.EACCES:
        return f"{where} needs more rights than this account has; choose a port above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where} is not an address of this machine"
    return f"{where} cannot be used: {error.strerror}"
