"""One UDP socket: what arrives goes into the open batch, and answers leave from the address that was asked. STUN is
answered at once, before all else: it is cheap, and the application has no part in it.

Must not poll, nor give up the socket after an error. A socket bound to every address of the
machine (RFC 3581 §4) has the kernel tell which one each datagram came to, and tells it back.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from typing import Final

from .addresses import WILDCARDS, from_socket_address, to_socket_address
from .events import Datagram, Origin
from .flows import Hub
from .gauge import Gauge
from .readiness import Readiness
from .stun import binding_answer, is_stun

logger = logging.getLogger(__name__)

MAX_DATAGRAM_BYTES = 65_535
RECEIVE_RETRY_S = 0.1

# Python names it from 3.12 on.
_IP_PKTINFO: Final[int | None] = 8 if sys.platform == "linux" else getattr(socket, "IP_PKTINFO", None)
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(20)


class UdpPort:
    """Serves one non-blocking UDP socket, which stays the caller's to close."""

    def __init__(self, hub: Hub, sock: socket.socket) -> None:
        self._hub = hub
        self._sock = sock
        self._family: int = sock.family
        self._buffer = bytearray(MAX_DATAGRAM_BYTES)
        self._readiness = Readiness(sock, self._read_what_is_there)
        self._gauge = Gauge(sock, hub.load)
        self._drain = self._drain_knowing_where if tell_local_address(sock) else self._drain_plainly

    def resume(self) -> None:
        self._readiness.resume()

    def pause(self) -> None:
        self._readiness.pause()

    async def close(self) -> None:
        """The socket is its owner's."""
        self.pause()

    def send_from(self, data: bytes, destination: Origin) -> None:
        """Send from the address that the destination was heard at. Raises OSError, OverflowError or ValueError."""
        local = destination.local
        ancillary = [] if local is None else [(*_pktinfo(self._family), local)]
        address = to_socket_address(self._family, (destination.host, destination.port))
        self._sock.sendmsg([data], ancillary, 0, address)

    def _read_what_is_there(self) -> None:
        batch, room = self._hub.inbox.open_batch, self._hub.inbox.room
        before = len(batch)
        try:
            self._drain(batch, room)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._receive_failed(error)
        self._gauge.read(len(batch) - before, room)
        if len(batch) > before:
            self._hub.gained(len(batch) - before)

    def _drain_plainly(self, batch: list[Datagram], room: int) -> None:
        receive, buffer, family = self._sock.recvfrom_into, self._buffer, self._family
        view = memoryview(buffer)
        for _ in range(room):
            size, raw = receive(buffer)
            data, source = bytes(view[:size]), from_socket_address(family, raw)
            if is_stun(data):
                self._answer_stun(data, Origin(*source))
            else:
                batch.append((data, source))

    def _drain_knowing_where(self, batch: list[Datagram], room: int) -> None:
        receive, buffer, family = self._sock.recvmsg_into, [self._buffer], self._family
        view = memoryview(self._buffer)
        for _ in range(room):
            size, ancillary, _, raw = receive(buffer, _ANCILLARY_BYTES)
            host, port = from_socket_address(family, raw)
            local = answer_from(family, ancillary[0][2]) if ancillary else None
            data, origin = bytes(view[:size]), Origin(host, port, "UDP", None, local)
            if is_stun(data):
                self._answer_stun(data, origin)
            else:
                batch.append((data, origin))

    def _answer_stun(self, data: bytes, origin: Origin) -> None:
        answer = binding_answer(data, origin[:2])
        if answer is None:
            return
        try:
            self.send_from(answer, origin)
        except OSError:
            self._hub.counters.send_errors += 1
        else:
            self._hub.counters.stun_answers += 1

    def _receive_failed(self, error: OSError) -> None:
        # Whatever it is, it is not worth the socket: try again soon, without spinning.
        self._hub.counters.receive_errors += 1
        if self._hub.counters.receive_errors == 1:
            logger.error("reading the SIP socket failed, will try again: %s", error)
        self.pause()
        asyncio.get_running_loop().call_later(RECEIVE_RETRY_S, self._hub.resume_reading)


def tell_local_address(sock: socket.socket) -> bool:
    """Ask the kernel which of our addresses each datagram came to, if there can be more than one."""
    if from_socket_address(sock.family, sock.getsockname())[0] not in WILDCARDS:
        return False
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    elif _IP_PKTINFO is not None:
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    else:
        return False
    return True


def answer_from(family: int, told: bytes) -> bytes:
    """The in_pktinfo or in6_pktinfo to send with: the address that was asked, by any interface.

    A link-local address keeps its interface, for it says nothing without one.
    """
    if family == socket.AF_INET:
        return bytes(4) + told[4:8] + bytes(4)
    return told if told.startswith(b"\xfe\x80") else told[:16] + bytes(4)


def _pktinfo(family: int) -> tuple[int, int]:
    if family == socket.AF_INET6:
        return socket.IPPROTO_IPV6, socket.IPV6_PKTINFO
    return socket.IPPROTO_IP, _IP_PKTINFO or 0
