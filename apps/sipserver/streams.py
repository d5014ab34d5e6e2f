"""TCP and TLS: a listening socket, and each connection cut into messages (RFC 3261 §18; RFC 5626 §3.5.1).

Must not judge messages beyond where they end, nor wait for a peer: who sends half a message, reads nothing or says
nothing for too long is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from typing import Final

from .addresses import from_socket_address
from .events import Transport
from .flows import Flows
from .framing import Framer, KeepAlive
from .readiness import Readiness

logger = logging.getLogger(__name__)

WHOLE_MESSAGE_WITHIN_S: Final = 32.0
"""64*T1, from the first byte of a message, or from the connection's begin, to the message's end."""
IDLE_S: Final = 7 * 24 * 3600.0 + 3600.0
"""Longer than any binding may last. The kernel's probes find the dead ones, the limits bound the silent ones."""
PROBE_AFTER_S, PROBE_EVERY_S, PROBES = 60, 15, 4
LINGER_S: Final = 1.0
"""From the last thing that can be understood to the close, so that its answer still gets out."""
MOST_UNREAD_BYTES: Final = 256 * 1024
HANDSHAKE_WITHIN_S: Final = 10.0
ACCEPT_AT_ONCE: Final = 64
ACCEPT_RETRY_S: Final = 1.0
PONG: Final = b"\r\n"


class StreamPort:
    """Accepts on one non-blocking listening socket, which stays the caller's to close."""

    def __init__(self, flows: Flows, sock: socket.socket, context: ssl.SSLContext | None = None) -> None:
        self._flows = flows
        self._sock = sock
        self._context = context
        self._transport: Transport = "TCP" if context is None else "TLS"
        self._readiness = Readiness(sock, self._accept)
        self._welcomes: set[asyncio.Task[None]] = set()

    def resume(self) -> None:
        self._readiness.resume()

    def pause(self) -> None:
        self._readiness.pause()

    async def close(self) -> None:
        """End the handshakes under way; the connections are closed by their Flows."""
        for task in self._welcomes:
            task.cancel()
        await asyncio.gather(*self._welcomes, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            try:
                sock, raw = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._accept_failed(error)
                return
            host, port = from_socket_address(self._sock.family, raw)
            if self._flows.admit(host):
                task = asyncio.create_task(self._welcome(sock, host, port))
                self._welcomes.add(task)
                task.add_done_callback(self._welcomes.discard)
            else:
                sock.close()

    async def _welcome(self, sock: socket.socket, host: str, port: int) -> None:
        stream = Stream(self._flows, host, port, self._transport)
        handshake_s = None if self._context is None else HANDSHAKE_WITHIN_S
        try:
            sock.setblocking(False)
            _probe(sock)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: stream, sock, ssl=self._context, ssl_handshake_timeout=handshake_s
            )
        except OSError:
            self._flows.handshake_failed()
        finally:
            if not stream.was_open:
                self._flows.give_back(host)

    def _accept_failed(self, error: OSError) -> None:
        # No file descriptors left, most likely: those that are open come first.
        logger.error("accepting a SIP connection failed, will try again: %s", error)
        self._readiness.rest(ACCEPT_RETRY_S)


class Stream(asyncio.Protocol):
    """One connection, from there to lost; the Connection of its flow, whose name is new where none is given."""

    idle_s = IDLE_S
    _transport: asyncio.Transport

    def __init__(
        self, flows: Flows, host: str, port: int, transport: Transport, flow: str | None = None
    ) -> None:
        self._flow = flow
        self.was_open = False
        self._flows = flows
        self._peer = host, port
        self._kind = transport
        self._framer = Framer()
        self._heard_message = False
        self._unanswered = 0
        self._timer: asyncio.TimerHandle | None = None

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.was_open = True
        self._transport = transport
        self._origin = self._flows.opened(self, *self._peer, self._kind, self._flow)
        self._close_after(WHOLE_MESSAGE_WITHIN_S)

    def data_received(self, data: bytes) -> None:
        was_inside = self._framer.inside_message
        pieces = self._framer.feed(data)
        messages = [piece for piece in pieces if not isinstance(piece, KeepAlive)]
        for _ in range(len(pieces) - len(messages)):
            self._unanswered += 1
            self.write(PONG)
        if messages:
            self._heard_message = True
            self._unanswered += len(messages)
            self._flows.deliver(self._origin, messages)
        if self._framer.broken:
            self._end()
        elif self._heard_message:
            self._watch(was_inside and not pieces)

    def eof_received(self) -> bool:
        """A peer that only stopped speaking may still hear its answers; TLS knows no such half."""
        self._end()
        return self._kind == "TCP"

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._flows.closed(self._origin)

    # -- the flow's side

    def write(self, data: bytes) -> bool:
        if self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
            self._transport.abort()
            return False
        self._unanswered -= 1
        self._transport.write(data)
        return True

    def hold(self) -> None:
        self._transport.pause_reading()

    def release(self) -> None:
        if not self._framer.broken and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        self._transport.close()

    # -- time

    def was_used(self) -> None:
        """We said something: it is not idle, if it ever was heard."""
        if self._heard_message and not self._framer.inside_message and not self._framer.broken:
            self._close_after(self.idle_s)

    def _watch(self, still_inside: bool) -> None:
        if self._framer.inside_message:
            if not still_inside:
                self._close_after(WHOLE_MESSAGE_WITHIN_S)
        else:
            self._close_after(self.idle_s)

    def _end(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()
            self._close_after(LINGER_S if self._unanswered > 0 else 0)

    def _close_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._transport.close)


def _probe(sock: socket.socket) -> None:
    """Have the kernel find peers that vanished: their bindings must not outlive them by hours."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", PROBE_AFTER_S),
        ("TCP_KEEPALIVE", PROBE_AFTER_S),
        ("TCP_KEEPINTVL", PROBE_EVERY_S),
        ("TCP_KEEPCNT", PROBES),
    ):
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
