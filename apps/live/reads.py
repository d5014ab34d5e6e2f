"""Reads for the push, shared by all viewers of this process: what one viewer has read, the next need not.

Must not hold more than one change's rows, nor write.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.template.loader import render_to_string

from apps.live.messages import ShownList, View
from apps.live.versions import row_version
from apps.registrar import selectors
from apps.registrar.overview.listing import catch_up, list_page

TEMPLATES: Final[dict[View, str]] = {
    "row": "console/registrations/_row.html",
    "line": "console/extensions/_live_line.html",
}
ELEMENTS: Final[dict[View, str]] = {"row": "peer-{}", "line": "line-{}"}
# Reading lists takes at most a fifth of the time, however big the directory is.
REST_FACTOR: Final = 4.0
SHORTEST_REST_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class FreshRow:
    version: str
    html: dict[View, str]


class RowReads:
    """Rows by change: each peer is read and rendered once for a change."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._change = ""
        self._rows: dict[UUID, FreshRow | None] = {}

    async def rows(self, peer_ids: set[UUID], change: str | None) -> dict[UUID, FreshRow | None]:
        """None for a peer that is no more. Without a change number the rows are read anew."""
        if change is None:
            return await read_rows(peer_ids)
        async with self._lock:
            if change != self._change:
                self._change, self._rows = change, {}
            if missing := peer_ids - self._rows.keys():
                self._rows |= await read_rows(missing)
            return {peer_id: self._rows[peer_id] for peer_id in peer_ids}


@dataclass(slots=True)
class CounterReads:
    """The counters, read again no sooner than their cost allows. `read_at` is time.monotonic()."""

    counters: dict[str, int] = field(default_factory=dict)
    read_at: float = 0.0
    _rest_until: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self) -> tuple[dict[str, int], float]:
        async with self._lock:
            started = time.monotonic()
            if started >= self._rest_until:
                self.counters = await read_counters()
                self.read_at = started
                self._rest_until = rest_until(started)
            return self.counters, self.read_at


@dataclass(frozen=True, slots=True)
class SharedReads:
    rows: RowReads = field(default_factory=RowReads)
    counters: CounterReads = field(default_factory=CounterReads)


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, SharedReads] = WeakKeyDictionary()


def shared_reads() -> SharedReads:
    """Those of this process' event loop."""
    return _shared.setdefault(asyncio.get_running_loop(), SharedReads())


def rest_until(started: float) -> float:
    now = time.monotonic()
    return now + max(SHORTEST_REST_S, REST_FACTOR * (now - started))


@database_sync_to_async
def read_rows(peer_ids: Iterable[UUID]) -> dict[UUID, FreshRow | None]:
    found: dict[UUID, FreshRow | None] = dict.fromkeys(peer_ids)
    for row in selectors.rows_of(list(found)):
        html = {view: render_to_string(name, {"row": row}).strip() for view, name in TEMPLATES.items()}
        found[row.peer.pk] = FreshRow(version=row_version(row), html=html)
    return found


@database_sync_to_async
def read_counters() -> dict[str, int]:
    catch_up()
    counters = selectors.counters()
    return {**asdict(counters), "total": counters.total}


@database_sync_to_async
def read_page(shown: ShownList) -> list[UUID]:
    """The peers that the page would show if it were loaded now."""
    if not shown.size:
        return []
    listed = list_page(
        search=shown.search, state=shown.state, order=shown.order, place=shown.place, size=shown.size
    )
    return listed.ids
