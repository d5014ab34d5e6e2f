"""A worker's line to the call process of its host: what is not the worker's goes there, and what is for the worker's
connections comes back.

Must not wait for the call process, nor keep for it what is a second old: whoever sent it repeats it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from .events import Counters, Datagram
from .flows import Flows
from .frames import FrameError, FrameKind, Unframer, closed, datagram, hello, read_datagram

FIRST_RETRY_S: Final = 0.05
LONGEST_RETRY_S: Final = 1.0
KEPT_FOR_S: Final = 1.0
MOST_KEPT: Final = 2_048
MOST_UNREAD_BYTES: Final = 1024 * 1024
GIVEN_UP_AFTER_S: Final = 32.0
"""64*T1: nobody waits any more for what was said before (RFC 3261 §17.1.1.2)."""


class Host(Protocol):
    """The server whose line it is."""

    counters: Counters
    flows: Flows
    worker: str


class HandingOver:
    """start(), then stop(). Connects again whenever the line breaks."""

    def __init__(self, path: Path, host: Host) -> None:
        self._path = path
        self._host = host
        self._line: Line | None = None
        self._kept: deque[tuple[float, bytes]] = deque()
        self._alone_since_s: float | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_possible(self) -> bool:
        """Is there a call process, or was there one so lately that it is being started again?"""
        if self._alone_since_s is None:
            return True
        return asyncio.get_running_loop().time() - self._alone_since_s < GIVEN_UP_AFTER_S

    def start(self) -> None:
        self._alone_since_s = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._keep_connected(), name="line to the call process")

    async def stop(self) -> None:
        """What was handed over is still delivered; the end of the line tells the end of all its connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def hand_over(self, datagrams: Iterable[Datagram]) -> None:
        """At once, or with the next connection if that comes within a second."""
        now_s = asyncio.get_running_loop().time()
        for data, origin in datagrams:
            self._say(datagram(data, origin), now_s)

    def flow_closed(self, flow: str) -> None:
        """A call process that is not there has nothing to do with it."""
        if self._line is not None:
            self._line.say(closed([flow]))

    # -- the line's side

    def connected(self, line: Line) -> None:
        """The call process answered."""
        self._line, self._alone_since_s = line, None
        self._drop_old(asyncio.get_running_loop().time())
        while self._kept:
            self._count(line.say(self._kept.popleft()[1]))

    def lost(self, line: Line) -> None:
        if self._line is line:
            self._line, self._alone_since_s = None, asyncio.get_running_loop().time()

    def deliver(self, data: bytes, flow: str) -> None:
        """Over a connection of ours; that it is gone is said, for a call process may not know."""
        if self._host.flows.send(data, flow):
            self._host.counters.sent += 1
        else:
            self._host.counters.send_dropped += 1
            self.flow_closed(flow)

    # -- inside

    def _say(self, frame: bytes, now_s: float) -> None:
        if self._line is not None:
            self._count(self._line.say(frame))
            return
        self._drop_old(now_s)
        if len(self._kept) >= MOST_KEPT:
            self._kept.popleft()
            self._count(False)
        self._kept.append((now_s, frame))

    def _drop_old(self, now_s: float) -> None:
        while self._kept and now_s - self._kept[0][0] > KEPT_FOR_S:
            self._kept.popleft()
            self._count(False)

    def _count(self, was_taken: bool) -> None:
        self._host.counters.handed_over += was_taken
        self._host.counters.hand_over_dropped += not was_taken

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        retry_s = FIRST_RETRY_S
        while True:
            with contextlib.suppress(OSError):
                _, line = await loop.create_unix_connection(
                    lambda: Line(self, self._host.worker), str(self._path)
                )
                if await line.wait_lost():
                    retry_s = FIRST_RETRY_S
            await asyncio.sleep(retry_s)
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)


class Line(asyncio.Protocol):
    """One connection to the call process. It may be accepted by the kernel while nobody is there: only HELLO counts."""

    _transport: asyncio.Transport

    def __init__(self, owner: HandingOver, worker: str) -> None:
        self._owner = owner
        self._worker = worker
        self._unframer = Unframer()
        self._was_answered = False
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(hello(self._worker))

    def data_received(self, data: bytes) -> None:
        try:
            for kind, payload in self._unframer.feed(data):
                self._read(kind, payload)
        except FrameError:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.lost(self)
        self._lost.set()

    def say(self, frame: bytes) -> bool:
        """False when the call process does not keep up."""
        if self._transport.is_closing() or self._transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
            return False
        self._transport.write(frame)
        return True

    async def wait_lost(self) -> bool:
        """Until the connection is no more; whether the call process ever answered on it."""
        try:
            await self._lost.wait()
        finally:
            self._transport.close()
        return self._was_answered

    def _read(self, kind: FrameKind, payload: bytes) -> None:
        if kind is FrameKind.HELLO:
            self._was_answered = True
            self._owner.connected(self)
        elif kind is FrameKind.DATAGRAM:
            data, origin = read_datagram(payload)
            if len(origin) != 2 and origin.flow is not None:
                self._owner.deliver(data, origin.flow)
