"""The one UDP socket all workers read: opening it, and taking it over in a worker.

SO_REUSEADDR and SO_REUSEPORT stay off: a second server on the port must fail loudly, not share phones.
"""

from __future__ import annotations

import contextlib
import socket

WANTED_BUFFER_BYTES = 8 * 1024 * 1024
SMALLEST_BUFFER_BYTES = 64 * 1024


def open_udp_socket(host: str, port: int) -> socket.socket:
    """A bound, non-blocking UDP socket; "::" takes IPv4 as well. Raises OSError when it cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    _enlarge(sock, socket.SO_RCVBUF)
    _enlarge(sock, socket.SO_SNDBUF)
    sock.setblocking(False)
    return sock


def inherited_udp_socket(fd: int) -> socket.socket:
    """The socket behind a file descriptor inherited from the parent.

    Raises OSError when it is not open, ValueError when it is not a UDP socket.
    """
    sock = socket.socket(fileno=fd)
    if sock.type != socket.SOCK_DGRAM or sock.family not in (socket.AF_INET, socket.AF_INET6):
        sock.close()
        raise ValueError(f"file descriptor {fd} is not a UDP socket")
    sock.setblocking(False)
    return sock


def _enlarge(sock: socket.socket, option: int) -> None:
    # Linux clamps to net.core.[rw]mem_max in silence, other systems refuse what is too much.
    size = WANTED_BUFFER_BYTES
    while size >= SMALLEST_BUFFER_BYTES:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, option, size)
            return
        size //= 2
