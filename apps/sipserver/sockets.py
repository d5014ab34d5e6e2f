"""The sockets all workers share, one of UDP and those that listen: opening them, taking them over in a worker.

SO_REUSEPORT stays off, and for UDP SO_REUSEADDR: a second server on the port must fail loudly, not share phones.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

WANTED_BUFFER_BYTES = 8 * 1024 * 1024
SMALLEST_BUFFER_BYTES = 64 * 1024
BACKLOG = 1024
PORT_TRIES = 20


def open_sip_sockets(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a listening TCP socket on one port (RFC 3261 §18.2.1), which for port 0 is free for both.

    Raises OSError, its `filename` saying which of the two could not be bound.
    """
    for tries_left in range(PORT_TRIES, 0, -1):
        udp = _naming("UDP", open_udp_socket, host, port)
        try:
            return udp, _naming("TCP", open_listening_socket, host, udp.getsockname()[1])
        except OSError:
            udp.close()
            if port or tries_left == 1:
                raise
    raise AssertionError("not reached")


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


def open_listening_socket(host: str, port: int) -> socket.socket:
    """A listening, non-blocking TCP socket; "::" takes IPv4 as well. Raises OSError when it cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger are no obstacle
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def inherited_udp_socket(fd: int) -> socket.socket:
    """The socket behind a file descriptor inherited from the parent.

    Raises OSError when it is not open, ValueError when it is not a UDP socket.
    """
    return _inherited(fd, socket.SOCK_DGRAM, "a UDP")


def inherited_listening_socket(fd: int) -> socket.socket:
    """As inherited_udp_socket, for one that listens."""
    return _inherited(fd, socket.SOCK_STREAM, "a TCP")


def inherited_unix_socket(fd: int) -> socket.socket:
    """As inherited_udp_socket, for a Unix socket that listens."""
    return _inherited(fd, socket.SOCK_STREAM, "a Unix", (socket.AF_UNIX,))


def _inherited(
    fd: int, kind: int, wanted: str, families: tuple[int, ...] = (socket.AF_INET, socket.AF_INET6)
) -> socket.socket:
    sock = socket.socket(fileno=fd)
    if sock.type != kind or sock.family not in families:
        sock.close()
        raise ValueError(f"file descriptor {fd} is not {wanted} socket")
    sock.setblocking(False)
    return sock


def _naming(
    transport: str, opened: Callable[[str, int], socket.socket], host: str, port: int
) -> socket.socket:
    try:
        return opened(host, port)
    except OSError as error:
        error.filename = transport
        raise


def _enlarge(sock: socket.socket, option: int) -> None:
    # Linux clamps to net.core.[rw]mem_max in silence, other systems refuse what is too much.
    size = WANTED_BUFFER_BYTES
    while size >= SMALLEST_BUFFER_BYTES:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, option, size)
            return
        size //= 2
