"""The connections of one worker: their names, their limits, and the way their messages take into the batch.

A connection may be any kind (TCP, TLS, WebSocket): it has to offer `Connection`. Nothing here knows a
socket. It must not lose what a connection said before it closed, nor let one source take all the places.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Collection, Iterable
from ipaddress import ip_address
from typing import Protocol

from .events import Counters, Datagram, Load, Origin, Transport
from .inbox import Inbox

MOST_CONNECTIONS = 8_192
"""In one worker, at most; fewer where the system grants fewer file descriptors."""
MOST_PER_SOURCE = 256
"""In one worker, from one IPv4 address or one IPv6 /64: an office behind one address fits, a flood does not."""
DRAIN_WITHIN_S = 0.5


class Connection(Protocol):
    """What a kind of connection does for its flow. None of these raises, nor calls back before it returns."""

    def write(self, data: bytes) -> bool:
        """Send; False when it is closing or its peer does not read."""

    def hold(self) -> None:
        """Read no more until release()."""

    def release(self) -> None: ...

    def close(self) -> None:
        """Flush and close; closed() of its Flows follows."""


class Hub(Protocol):
    """What Flows needs of its server."""

    counters: Counters
    load: Load

    @property
    def inbox(self) -> Inbox: ...

    def gained(self, count: int) -> None:
        """The open batch has `count` more."""

    def resume_reading(self) -> None:
        """Read where there is room for it."""

    def flow_closed(self, flow: str) -> None:
        """This connection is gone, and all it said is in the open batch or was taken before."""


class Flows:
    def __init__(self, hub: Hub, worker: str, most: int = MOST_CONNECTIONS) -> None:
        self._hub = hub
        self._worker = worker
        self._most = most
        self._number = 0
        self._taken = 0
        self._taken_by: Counter[str] = Counter()
        self._all_told = False
        self._connections: dict[str, Connection] = {}
        self._waiting: dict[str, deque[Datagram]] = {}
        self._empty = asyncio.Event()

    @property
    def open_flows(self) -> Collection[str]:
        """The names of the connections that are open: a view that stays true."""
        return self._connections.keys()

    def admit(self, host: str) -> bool:
        """Take a place for a connection from this address; give_back() frees it. False when there is none."""
        source = _source(host)
        if self._taken >= self._most or self._taken_by[source] >= MOST_PER_SOURCE:
            self._hub.counters.connections_refused += 1
            return False
        self._taken += 1
        self._taken_by[source] += 1
        return True

    def give_back(self, host: str) -> None:
        source = _source(host)
        self._taken -= 1
        self._taken_by[source] -= 1
        if not self._taken_by[source]:
            del self._taken_by[source]

    def handshake_failed(self) -> None:
        self._hub.counters.handshakes_failed += 1

    def opened(
        self, connection: Connection, host: str, port: int, transport: Transport, flow: str | None = None
    ) -> Origin:
        """The name of a connection that was admitted and now is open; a new one where it has none."""
        self._number += 1
        flow = flow or f"{self._worker}/{self._number}"
        self._connections[flow] = connection
        self._empty.clear()
        self._hub.counters.connections += 1
        return Origin(host, port, transport, flow)

    def closed(self, origin: Origin) -> None:
        """The connection is gone. Its messages that wait are still delivered, then its end."""
        flow = origin.flow or ""
        if self._connections.pop(flow, None) is None:
            return
        self.give_back(origin.host)
        if flow not in self._waiting and not self._all_told:
            self._hub.flow_closed(flow)
        if not self._connections:
            self._empty.set()

    def deliver(self, origin: Origin, messages: Iterable[bytes]) -> None:
        """Into the open batch; what finds no room waits, and the connection with it."""
        flow = origin.flow or ""
        queue = self._waiting.get(flow)
        arrived: deque[Datagram] = deque((message, origin) for message in messages)
        if queue is not None:
            queue += arrived
            return
        self._fill_batch(arrived)
        if arrived:
            self._waiting[flow] = arrived
            self._connections[flow].hold()

    def send(self, data: bytes, flow: str) -> bool:
        connection = self._connections.get(flow)
        return connection is not None and connection.write(data)

    def resume(self) -> None:
        """There is room: those that waited longest come first."""
        for flow in list(self._waiting):
            if not self._hub.inbox.room:
                return
            queue = self._waiting[flow]
            self._fill_batch(queue)
            if queue:
                return
            del self._waiting[flow]
            connection = self._connections.get(flow)
            if connection is None:
                self._hub.flow_closed(flow)
            else:
                connection.release()

    def close_all(self) -> None:
        """Close every connection, and say now that it is gone."""
        if self._all_told:
            return
        self._all_told = True
        for flow, connection in list(self._connections.items()):
            self._hub.flow_closed(flow)
            connection.close()

    async def wait_closed(self) -> None:
        """Until the last byte is out and the last connection gone, DRAIN_WITHIN_S at most."""
        if self._connections:
            try:
                await asyncio.wait_for(self._empty.wait(), DRAIN_WITHIN_S)
            except TimeoutError:
                return

    def _fill_batch(self, queue: deque[Datagram]) -> None:
        inbox = self._hub.inbox
        count = min(inbox.room, len(queue))
        for _ in range(count):
            inbox.open_batch.append(queue.popleft())
        if count:
            self._hub.gained(count)


def _source(host: str) -> str:
    """Who counts as one: an IPv6 network gives each of its hosts as many addresses as it likes."""
    if ":" not in host:
        return host
    return str(int(ip_address(host.partition("%")[0])) >> 64)
