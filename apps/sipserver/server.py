"""The ASGI "sip" server: one UDP socket on one side, one application instance on the other.

Bytes and addresses only; it must not know SIP. It must not poll, nor lose the socket when the
application fails, nor let one destination stop the datagrams of the others. Specified in docs/asgi-sip.md.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, cast

from asgiref.server import StatelessServer

from .addresses import from_socket_address, to_socket_address
from .events import SPEC_VERSION, Application, Counters, Datagram, SendEvent, SipScope
from .inbox import Inbox

logger = logging.getLogger(__name__)

MAX_DATAGRAM_BYTES = 65_535
STOP_WITHIN_S = 2.5
"""Seconds the application has from the stop to its return."""
RECEIVE_RETRY_S = 0.1
RESTART_FIRST_S = 0.1
RESTART_LONGEST_S = 5.0
RESTART_RESET_S = 10.0

SCOPE_ID = "udp"


class SipServer(StatelessServer):
    """Serves one non-blocking UDP socket, which stays the caller's to close."""

    application_instances: dict[str, dict[str, Any]]

    def __init__(
        self, application: Application, sock: socket.socket, *, stop_within_s: float = STOP_WITHIN_S
    ) -> None:
        super().__init__(application, max_applications=1)  # type: ignore[no-untyped-call]
        self.counters = Counters()
        self._sock = sock
        self._family: int = sock.family
        self._stop_within_s = stop_within_s
        self._buffer = bytearray(MAX_DATAGRAM_BYTES)
        self._inbox = Inbox(self._resume_reading)
        self._reading = False
        self._stop_asked = asyncio.Event()
        self._clean = True

    # -- life

    async def arun(self) -> None:
        """Serve until stop(). The base class's poll for failed instances is not run: their end is awaited."""
        await self.handle()

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
        self._inbox.close()
        if not self._inbox.is_ready:
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
            self._inbox = self._inbox.successor()
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
        inbox = self._inbox

        async def send(message: SendEvent) -> None:
            await self.application_send(scope, message)

        future = asyncio.ensure_future(self.application(scope, inbox.get, send))
        self.application_instances[scope_id] = {"input_queue": inbox, "future": future, "scope": scope}
        return inbox

    async def application_exception(
        self, exception: BaseException, application_details: dict[str, Any]
    ) -> None:
        """Log it, once: the instance is already gone and the next one is on its way."""
        logger.error("the application failed: %s", exception, exc_info=exception)

    async def application_send(self, scope: SipScope, message: SendEvent) -> None:
        """Send each datagram once; one that cannot be sent is counted and never hurts the next.

        Raises ValueError for any other event: that is the application's fault, not a peer's.
        """
        if message["type"] != "sip.send":
            raise ValueError(f"an application may send sip.send, not {message['type']!r}")
        send_to, family = self._sock.sendto, self._family
        for data, destination in message["datagrams"]:
            try:
                send_to(data, to_socket_address(family, destination))
            except (BlockingIOError, InterruptedError):
                self.counters.send_dropped += 1
            except (OSError, OverflowError, ValueError):
                self.counters.send_errors += 1
            else:
                self.counters.sent += 1

    def _scope(self) -> SipScope:
        return {
            "type": "sip",
            "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
            "transport": "UDP",
            "server": from_socket_address(self._family, self._sock.getsockname()),
            "counters": self.counters,
        }

    # -- the socket's side

    def _resume_reading(self) -> None:
        if self._inbox.room and not self._reading and not self._stop_asked.is_set():
            self._reading = True
            asyncio.get_running_loop().add_reader(self._sock, self._read_what_is_there)

    def _pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            asyncio.get_running_loop().remove_reader(self._sock)

    def _read_what_is_there(self) -> None:
        inbox = self._inbox
        before = len(inbox.open_batch)
        try:
            self._drain(inbox.open_batch, inbox.room)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._receive_failed(error)
        gained = len(inbox.open_batch) - before
        if not gained:
            return
        self.counters.received += gained
        self.counters.batches += not before
        inbox.wake()
        if not inbox.room:
            self.counters.pauses += 1
            self._pause_reading()

    def _drain(self, batch: list[Datagram], room: int) -> None:
        receive, buffer, family = self._sock.recvfrom_into, self._buffer, self._family
        view = memoryview(buffer)
        for _ in range(room):
            size, raw = receive(buffer)
            batch.append((bytes(view[:size]), from_socket_address(family, raw)))

    def _receive_failed(self, error: OSError) -> None:
        # Whatever it is, it is not worth the socket: try again soon, without spinning.
        self.counters.receive_errors += 1
        if self.counters.receive_errors == 1:
            logger.error("reading the SIP socket failed, will try again: %s", error)
        self._pause_reading()
        asyncio.get_running_loop().call_later(RECEIVE_RETRY_S, self._resume_reading)
