"""The ASGI server of the call process: what workers hand over on one side, one application instance on the other.

UDP leaves by the shared socket, which is never read here; what is for a connection goes back to the worker that holds
it, or over one of our own (outgoing.py). Must not read more than the application takes. Specified in docs/asgi-sip.md.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Collection, Iterator
from itertools import chain

from .addresses import from_socket_address, is_outgoing
from .events import Application, Datagram, Origin, SipScope
from .flows import DRAIN_WITHIN_S, Flows
from .frames import FrameError, FrameKind, Unframer, datagram, hello, read_datagram, read_flows
from .outgoing import MOST_OUTGOING, Outgoing
from .readiness import Readiness
from .server import STOP_WITHIN_S, Port, SipServer

logger = logging.getLogger(__name__)

MOST_UNREAD_BYTES = 8 * 1024 * 1024
"""Of one worker, before what is for its connections is dropped."""


class CallServer(SipServer):
    """Sends by `sock`, and serves the workers that connect to `listening`; both stay the caller's to close."""

    def __init__(
        self,
        application: Application,
        sock: socket.socket,
        listening: socket.socket,
        *,
        stop_within_s: float = STOP_WITHIN_S,
    ) -> None:
        super().__init__(application, sock, stop_within_s=stop_within_s)
        self.flows = Flows(self, self.worker, MOST_OUTGOING)
        self._workers = WorkerPort(self, listening)
        self._outgoing = Outgoing(self, self.flows, from_socket_address(sock.family, sock.getsockname()))

    def _ports(self) -> list[Port]:
        return [self._workers, self._outgoing]

    def _send_over(self, data: bytes, destination: Origin) -> bool:
        if is_outgoing(destination.flow):
            return self._outgoing.send(data, destination)
        return self._workers.send(data, destination)

    def _scope(self) -> SipScope:
        return {
            **super()._scope(),
            "type": "sip.calls",
            "flows": self._workers.open_flows,
            "workers": self._workers.connected,
        }


class WorkerPort:
    """Accepts workers on one non-blocking Unix socket."""

    def __init__(self, server: CallServer, sock: socket.socket) -> None:
        self._server = server
        self._sock = sock
        self._readiness = Readiness(sock, self._accept)
        self._lines: set[WorkerLine] = set()
        self._by_worker: dict[str, WorkerLine] = {}
        self._tasks: set[asyncio.Task[object]] = set()

    @property
    def open_flows(self) -> Collection[str]:
        return OpenFlows(self._by_worker, self._server.flows.open_flows)

    @property
    def connected(self) -> Collection[str]:
        """The names of the workers that are connected: a view that stays true."""
        return self._by_worker.keys()

    def resume(self) -> None:
        """Those that had to wait come first."""
        for line in list(self._lines):
            line.resume()
        if self._server.inbox.room:
            self._readiness.resume()

    def pause(self) -> None:
        self._readiness.pause()
        for line in self._lines:
            line.pause()

    async def close(self) -> None:
        """After what was sent has left, DRAIN_WITHIN_S at most."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        ends = [asyncio.create_task(line.close()) for line in list(self._lines)]
        if ends:
            await asyncio.wait(ends, timeout=DRAIN_WITHIN_S)
        for end in ends:
            end.cancel()

    def send(self, data: bytes, destination: Origin) -> bool:
        """To the worker that holds the connection; that there is none is told as the connection's end."""
        flow = destination.flow or ""
        line = self._by_worker.get(flow.rpartition("/")[0])
        if line is not None and line.send(data, destination):
            return True
        self._server.inbox.flow_closed(flow)
        return False

    # -- the lines' side

    def greeted(self, line: WorkerLine) -> None:
        self._by_worker[line.worker] = line

    def take(self, waiting: deque[Datagram]) -> bool:
        """Into the open batch, as many as there is room for; False if there is no more."""
        inbox = self._server.inbox
        count = min(inbox.room, len(waiting))
        for _ in range(count):
            inbox.open_batch.append(waiting.popleft())
        if count:
            self._server.gained(count)
        return inbox.room > 0

    def flow_closed(self, flow: str) -> None:
        self._server.inbox.flow_closed(flow)

    def lost(self, line: WorkerLine) -> None:
        self._lines.discard(line)
        if self._by_worker.get(line.worker) is line:
            del self._by_worker[line.worker]
            for flow in line.flows:
                self._server.inbox.flow_closed(flow)

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            logger.exception("a SIP worker could not be accepted")
            return
        sock.setblocking(False)
        line = WorkerLine(self)
        self._lines.add(line)
        loop = asyncio.get_running_loop()
        task: asyncio.Task[object] = loop.create_task(loop.connect_accepted_socket(lambda: line, sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class WorkerLine(asyncio.Protocol):
    """One worker, from accepted to lost. flows: those of its connections that were heard of here."""

    _transport: asyncio.Transport | None = None

    def __init__(self, port: WorkerPort) -> None:
        self.worker = ""
        self.flows: set[str] = set()
        self._port = port
        self._unframer = Unframer()
        self._waiting: deque[Datagram] = deque()
        self._lost = asyncio.Event()

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(hello(""))

    def data_received(self, data: bytes) -> None:
        try:
            for kind, payload in self._unframer.feed(data):
                self._read(kind, payload)
        except (FrameError, UnicodeDecodeError):
            logger.exception("a SIP worker said what is no frame")
            self.abort()
        self.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.lost(self)
        self._lost.set()

    # -- the port's side

    def resume(self) -> None:
        if not self._port.take(self._waiting):
            self.pause()
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def send(self, data: bytes, destination: Origin) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
            return False
        self.flows.add(destination.flow or "")
        transport.write(datagram(data, destination))
        return True

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            await self._lost.wait()

    def _read(self, kind: FrameKind, payload: bytes) -> None:
        if kind is FrameKind.HELLO:
            self.worker = payload.decode()
            self._port.greeted(self)
        elif kind is FrameKind.DATAGRAM:
            data, origin = read_datagram(payload)
            if len(origin) != 2 and origin.flow is not None:
                self.flows.add(origin.flow)
            self._waiting.append((data, origin))
        else:
            for flow in read_flows(payload):
                self.flows.discard(flow)
                self._port.flow_closed(flow)


class OpenFlows(Collection[str]):
    """The connections heard of, of workers that are connected, and those we opened; a view that stays true."""

    def __init__(self, by_worker: dict[str, WorkerLine], opened: Collection[str]) -> None:
        self._by_worker = by_worker
        self._opened = opened

    def __contains__(self, flow: object) -> bool:
        line = self._by_worker.get(str(flow).rpartition("/")[0])
        return flow in self._opened or (line is not None and flow in line.flows)

    def __iter__(self) -> Iterator[str]:
        return chain(self._opened, *[line.flows for line in self._by_worker.values()])

    def __len__(self) -> int:
        return len(self._opened) + sum(len(line.flows) for line in self._by_worker.values())
