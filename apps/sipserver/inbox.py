"""What waits for one application instance: sip.startup, then batches and closed flows, then sip.shutdown.

The open batch keeps growing until the application takes it. It must not wake anybody while nothing
happens, and must not lose a batch when a pending receive() is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .events import Datagram, ReceivedEvent

MAX_BATCH = 256
"""Datagrams. A full batch stops the reading, so this also bounds what a busy worker holds back."""


class Inbox:
    """The `receive` side of one application instance."""

    def __init__(self, on_room: Callable[[], None], on_last: Callable[[], None] = lambda: None) -> None:
        """`on_room` is called when reading may begin or go on, `on_last` when all but sip.shutdown was taken."""
        self.open_batch: list[Datagram] = []
        self._closed_flows: list[str] = []
        self._flows_due: list[str] = []
        self._on_room = on_room
        self._on_last = on_last
        self._news = asyncio.Event()
        self._startup_given = False
        self._shutdown_given = False
        self._ready = False
        self._closed = False

    @property
    def is_ready(self) -> bool:
        """Has the application finished sip.startup, that is, has it come back for more?"""
        return self._ready

    @property
    def room(self) -> int:
        """How many datagrams may be added now."""
        return MAX_BATCH - len(self.open_batch) if self._ready and not self._closed else 0

    def wake(self) -> None:
        """Tell a waiting application that the open batch is no longer empty."""
        self._news.set()

    def flow_closed(self, flow: str) -> None:
        """This connection is gone, and all it said is in the open batch or was taken before."""
        self._closed_flows.append(flow)
        self._news.set()

    def close(self) -> None:
        """Nothing comes after the open batch but closed flows and sip.shutdown."""
        self._closed = True
        self._news.set()

    def successor(self) -> Inbox:
        """The next instance's inbox, with what this one's never took; this one stays empty for ever."""
        heir = Inbox(self._on_room, self._on_last)
        heir.open_batch, self.open_batch = self.open_batch, []
        heir._closed_flows, self._closed_flows = self._flows_due + self._closed_flows, []
        self._flows_due = []
        return heir

    async def get(self) -> ReceivedEvent:
        """The ASGI `receive`. After sip.shutdown it waits for ever."""
        if not self._startup_given:
            self._startup_given = True
            return {"type": "sip.startup"}
        if not self._ready:
            self._ready = True
            self._on_room()
        while not self._has_event():
            self._news.clear()
            await self._news.wait()
        return self._take()

    def _has_event(self) -> bool:
        waiting = self.open_batch or self._closed_flows or self._flows_due
        return bool(waiting) or (self._closed and not self._shutdown_given)

    def _take(self) -> ReceivedEvent:
        if not self._flows_due:
            # Told right after the batch with the last they said; later batches do not put it off.
            self._flows_due, self._closed_flows = self._closed_flows, []
            if self.open_batch:
                return self._take_batch()
        if not self._flows_due:
            self._on_last()
            self._flows_due, self._closed_flows = self._closed_flows, []
        if self._flows_due:
            flows, self._flows_due = self._flows_due, []
            return {"type": "sip.flows_closed", "flows": flows}
        self._shutdown_given = True
        return {"type": "sip.shutdown"}

    def _take_batch(self) -> ReceivedEvent:
        batch, self.open_batch = self.open_batch, []
        self._on_room()
        return {"type": "sip.datagrams", "datagrams": batch}
