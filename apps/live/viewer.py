"""What one browser page shows, what it was sent, and what leaves next.

Must not queue: an update waits in the database until the page has said it saw the last one, so what is kept for a
browser that reads nothing is one update of at most MOST_ROWS rows, and marks. No I/O.
"""

import asyncio
import json
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final
from uuid import UUID

from apps.live.messages import Message, View, Watch

MOST_ROWS: Final = 25
MOST_UNHEARD: Final = 16
GONE: Final = ""
ELEMENTS: Final[dict[View, str]] = {"row": "peer-{}", "line": "line-{}"}


@dataclass(frozen=True, slots=True)
class FreshRow:
    """`members`: '"peer-…":"<tr …"' by view, for those that asked; a member of a JSON object."""

    version: str
    members: Mapping[View, str]


@dataclass(frozen=True, slots=True)
class PageRead:
    """The peers that a list shows now, and when that was asked (time.monotonic())."""

    peer_ids: Collection[UUID]
    started: float


class Viewer:
    """`role` is what the session's user had when the page was opened. Set `wake` to have `leaving()` looked at."""

    def __init__(self, session_key: str, role: str) -> None:
        self.session_key, self.role = session_key, role
        self.watch: Watch | None = None
        self.watched_at = 0.0
        self.said: list[Message] = []
        self.stale: set[UUID] = set()
        self.served_at = 0.0
        self.is_being_served = False
        self.unseen_since: float | None = None
        self.is_closed = False
        self.wake = asyncio.Event()
        self._number = 0
        self._update: str | None = None
        self._ping: str | None = None
        self._close: int | None = None
        self._counters = ""
        self._new: int | None = None

    @property
    def is_ready(self) -> bool:
        return self.watch is not None and self.unseen_since is None and not self.is_closed

    @property
    def is_idle(self) -> bool:
        """No rows are on their way to it, with which the rest would go."""
        return self.is_ready and not self.stale and not self.is_being_served

    def starts_to_watch(self, watch: Watch) -> None:
        self.watch, self.watched_at = watch, time.monotonic()
        self.stale, self._counters, self._new = set(watch.versions), "", None

    def mark(self, peer_ids: Collection[UUID]) -> None:
        """These may have changed."""
        if self.watch is not None:
            self.stale |= self.watch.versions.keys() & peer_ids

    def saw(self, number: int) -> None:
        if number == self._number:
            self.unseen_since = None

    def next_stale(self, already_read: set[UUID], *, room: bool) -> set[UUID]:
        """Takes at most MOST_ROWS of its stale peers, first those that are read for another anyway."""
        taken = set(islice(self.stale & already_read, MOST_ROWS))
        if room:
            taken |= set(islice(self.stale - taken, MOST_ROWS - len(taken)))
        self.stale -= taken
        return taken

    def show(self, found: Mapping[UUID, FreshRow | None], peer_ids: set[UUID]) -> list[str]:
        """The members of an update that bring these peers up to date on the page; [] if they are."""
        assert self.watch is not None
        versions, view = self.watch.versions, self.watch.view
        changed, removed = [], []
        for peer_id in peer_ids & versions.keys():
            row = found[peer_id]
            version = GONE if row is None else row.version
            if version == versions[peer_id]:
                continue
            versions[peer_id] = version
            if row is None:
                removed.append(peer_id)
            else:
                changed.append(row)
        if view in ("page", "trunk"):
            return ['"reload":true'] if changed or removed else []
        return _members(view, changed, removed)

    def lists(self, counters: str, page: PageRead | None) -> list[str]:
        """Counters, and how many rows a reload would bring: only what differs from what was sent."""
        if self.watch is None or self.watch.shown_list is None:
            return []
        members = []
        if counters != self._counters:
            self._counters = counters
            members.append(f'"counters":{counters}')
        if page is not None and page.started >= self.watched_at:
            new = sum(peer_id not in self.watch.versions for peer_id in page.peer_ids)
            if new != self._new:
                self._new = new
                members.append(f'"new":{new}')
        return members

    def update(self, members: list[str]) -> None:
        self._number += 1
        self.unseen_since = time.monotonic()
        self._update = f'{{"n":{self._number},{",".join(members)}}}'
        self.wake.set()

    def ping(self, text: str) -> None:
        """Not while it has not seen the last update: a browser that reads nothing gets nothing more."""
        if self.unseen_since is None and not self.is_closed:
            self._ping = text
            self.wake.set()

    def close(self, code: int) -> None:
        if not self.is_closed:
            self.is_closed, self._close, self._update, self._ping = True, code, None, None
            self.wake.set()

    def leaving(self) -> list[dict[str, Any]]:
        """ASGI events for the browser, in their order; they are its caller's now."""
        texts = [text for text in (self._update, self._ping) if text is not None]
        events: list[dict[str, Any]] = [{"type": "websocket.send", "text": text} for text in texts]
        if self._close is not None:
            events.append({"type": "websocket.close", "code": self._close})
        self._update = self._ping = self._close = None
        return events


def _members(view: View, changed: Iterable[FreshRow], removed: list[UUID]) -> list[str]:
    members = []
    if rows := ",".join(row.members[view] for row in changed):
        members.append(f'"rows":{{{rows}}}')
    if removed:
        members.append(f'"removed":{json.dumps([ELEMENTS[view].format(peer_id) for peer_id in removed])}')
    return members
