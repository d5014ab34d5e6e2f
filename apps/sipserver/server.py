"""The ASGI "sip" server: the sockets of one worker on one side, one application instance on the other.

Bytes and addresses only; it must not know SIP. It must not poll, nor lose a socket or a connection when the
application fails. What reads and sends is in udp.py, streams.py and flows.py. Specified in docs/asgi-sip.md.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import uuid4

from asgiref.server import StatelessServer

from .addresses import from_socket_address, to_socket_address
from .events import SPEC_VERSION, Address, Application, Counters, Datagram, Load, Origin, SentEvent, SipScope
from .flows import Flows
from .handing_over import HandingOver
from .inbox import Inbox
from .streams import StreamPort
from .udp import UdpPort

logger = logging.getLogger(__name__)

STOP_WITHIN_S = 2.5
"""Seconds the application has from the stop to its return."""
RESTART_FIRST_S = 0.1
RESTART_LONGEST_S = 5.0
RESTART_RESET_S = 10.0

SCOPE_ID = "sip"


class Port(Protocol):
    """What brings messages in."""

    def resume(self) -> None:
        """Read, as long as there is room."""

    def pause(self) -> None: ...

    async def close(self) -> None: ...


class SipServer(StatelessServer):
    """Serves non-blocking sockets, which stay the caller's to close: one of UDP, any number that listen.

    `listening` gives each of those its TLS context, None for plain TCP. Without `sock` it serves only what
    others open in `flows`, in the name of `server`. `calls`: the socket of the call process, if what is not for this
    application can be handed over.
    """

    application_instances: dict[str, dict[str, Any]]

    def __init__(
        self,
        application: Application,
        sock: socket.socket | None,
        listening: Mapping[socket.socket, ssl.SSLContext | None] | None = None,
        *,
        calls: Path | None = None,
        stop_within_s: float = STOP_WITHIN_S,
    ) -> None:
        super().__init__(application, max_applications=1)  # type: ignore[no-untyped-call]
        self.counters = Counters()
        self.load = Load()
        self.worker = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.inbox = Inbox(self.resume_reading, self._close_flows)
        self.flows = Flows(self, self.worker)
        self._handing_over = None if calls is None else HandingOver(calls, self)
        self._sock = sock
        self._udp = None if sock is None else UdpPort(self, sock)
        self._family = socket.AF_INET if sock is None else sock.family
        self._send_to = _nowhere if sock is None else sock.sendto
        self._send_from = _nowhere if self._udp is None else self._udp.send_from
        self._streams: list[Port] = [
            StreamPort(self.flows, each, tls) for each, tls in (listening or {}).items()
        ]
        self._stop_within_s = stop_within_s
        self._stop_asked = asyncio.Event()
        self._clean = True

    # -- life

    async def arun(self) -> None:
        """Serve until stop(). The base class's poll for failed instances is not run: their end is awaited."""
        if self._handing_over is not None:
            self._handing_over.start()
        try:
            await self.handle()
        finally:
            self._close_flows()  # an application that had to be cancelled did not take their end
            await asyncio.gather(*(port.close() for port in self._ports()))
            await self.flows.wait_closed()
            if self._handing_over is not None:
                await self._handing_over.stop()

    async def handle(self) -> None:
        """Keep one application instance running until stop(), a failed one replaced with back-off."""
        delay_s = RESTART_FIRST_S
        clock = asyncio.get_running_loop().time
        while not self._stop_asked.is_set():
            started_at_s = clock()
            await self._serve_one_instance()
            if self._stop_asked.is_set():
                return
            self.counters.restarts += 1
            if clock() - started_at_s > RESTART_RESET_S:
                delay_s = RESTART_FIRST_S
            await self._wait_for_stop(delay_s)
            delay_s = min(delay_s * 2, RESTART_LONGEST_S)

    def stop(self) -> None:
        """Read no more; let the application answer what is in hand, take sip.shutdown and return.

        An application still in sip.startup holds nothing and is cancelled. Calling again changes nothing.
        """
        if self._stop_asked.is_set():
            return
        self._stop_asked.set()
        self._pause_reading()
        self.inbox.close()
        if not self.inbox.is_ready:
            self._cancel_instances()
        asyncio.get_running_loop().call_later(self._stop_within_s, self._overdue)

    @property
    def stopped_cleanly(self) -> bool:
        """False when the application had to be cancelled or failed while stopping."""
        return self._clean

    async def _serve_one_instance(self) -> None:
        self.get_or_create_application_instance(SCOPE_ID, self._scope())
        details = self.application_instances[SCOPE_ID]
        try:
            await asyncio.wait([details["future"]])
        finally:
            self._pause_reading()
            self.inbox = self.inbox.successor()
            self.delete_application_instance(SCOPE_ID)  # type: ignore[no-untyped-call]
        await self._report_end(details)

    async def _report_end(self, details: dict[str, Any]) -> None:
        future: asyncio.Future[None] = details["future"]
        stopping = self._stop_asked.is_set()
        if future.cancelled():
            error: BaseException | None = None if stopping else RuntimeError("the application was cancelled")
        else:
            error = future.exception()
            if error is None and not stopping:
                error = RuntimeError("the application returned before sip.shutdown")
        if error is not None:
            self._clean = not stopping
            await self.application_exception(error, details)

    async def _wait_for_stop(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop_asked.wait(), seconds)
        except TimeoutError:
            return

    def _overdue(self) -> None:
        if self.application_instances:
            logger.error("the application did not return within %s s of the stop", self._stop_within_s)
            self._clean = False
            self._cancel_instances()

    def _cancel_instances(self) -> None:
        for details in self.application_instances.values():
            details["future"].cancel()

    # -- the application's side

    def get_or_create_application_instance(self, scope_id: str, scope: SipScope) -> Inbox:
        """The running instance's inbox, or that of an instance begun now."""
        if scope_id in self.application_instances:
            return cast(Inbox, self.application_instances[scope_id]["input_queue"])
        inbox = self.inbox

        async def send(message: SentEvent) -> None:
            await self.application_send(scope, message)

        future = asyncio.ensure_future(self.application(scope, inbox.get, send))
        self.application_instances[scope_id] = {"input_queue": inbox, "future": future, "scope": scope}
        return inbox

    async def application_exception(
        self, exception: BaseException, application_details: dict[str, Any]
    ) -> None:
        """Log it, once: the instance is already gone and the next one is on its way."""
        logger.error("the application failed: %s", exception, exc_info=exception)

    async def application_send(self, scope: SipScope, message: SentEvent) -> None:
        """Send each datagram once, or hand it over; one that cannot be sent is counted and never hurts the next.

        Raises ValueError for any other event: that is the application's fault, not a peer's.
        """
        if message["type"] == "sip.hand_over":
            self._hand_over(message["datagrams"])
            return
        if message["type"] != "sip.send":
            raise ValueError(f"an application may send sip.send or sip.hand_over, not {message['type']!r}")
        counters, send_over, send_from = self.counters, self._send_over, self._send_from
        send_to, family = self._send_to, self._family
        for data, destination in message["datagrams"]:
            try:
                if len(destination) == 2:
                    send_to(data, to_socket_address(family, destination))
                elif destination.flow is None:
                    send_from(data, destination)
                elif not send_over(data, destination):
                    counters.send_dropped += 1
                    continue
            except (BlockingIOError, InterruptedError):
                counters.send_dropped += 1
            except (OSError, OverflowError, ValueError):
                counters.send_errors += 1
            else:
                counters.sent += 1

    def _send_over(self, data: bytes, destination: Origin) -> bool:
        return self.flows.send(data, destination.flow or "")

    def _hand_over(self, datagrams: list[Datagram]) -> None:
        if self._handing_over is None:
            self.counters.hand_over_dropped += len(datagrams)
        else:
            self._handing_over.hand_over(datagrams)

    def _scope(self) -> SipScope:
        return {
            "type": "sip",
            "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
            "transport": "WS" if self._sock is None else "UDP",
            "server": ("", 0) if self._sock is None else _bound_address(self._sock),
            "worker": self.worker,
            "flows": self.flows.open_flows,
            "counters": self.counters,
            "load": self.load,
            "handing_over": self._handing_over,
        }

    # -- the sockets' side

    def resume_reading(self) -> None:
        """Read where there is room for it: connections that had to wait come first."""
        if self._stop_asked.is_set():
            return
        self.flows.resume()
        if self.inbox.room:
            for port in self._ports():
                port.resume()

    def gained(self, count: int) -> None:
        """Somebody added to the open batch."""
        inbox, counters = self.inbox, self.counters
        counters.received += count
        counters.batches += len(inbox.open_batch) == count
        inbox.wake()
        if not inbox.room:
            counters.pauses += 1
            self._pause_reading()

    def _pause_reading(self) -> None:
        for port in self._ports():
            port.pause()

    def flow_closed(self, flow: str) -> None:
        """A connection is gone, and all it said was delivered."""
        self.inbox.flow_closed(flow)
        if self._handing_over is not None:
            self._handing_over.flow_closed(flow)

    def _ports(self) -> list[Port]:
        return [*self._streams] if self._udp is None else [self._udp, *self._streams]

    def _close_flows(self) -> None:
        if self._stop_asked.is_set():
            self.flows.close_all()


def _nowhere(data: bytes, destination: object) -> int:
    raise OSError("no UDP here")


def _bound_address(sock: socket.socket) -> Address:
    return from_socket_address(sock.family, sock.getsockname())
