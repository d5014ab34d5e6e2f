"""All open pages of this web process: what changed is read, rendered and encoded once for those that show it.

Must not wait for a browser: a viewer gets an update when it has seen the last, from what was read then. Costs of a
moment do not grow with the viewers but by the bytes sent: one query says who may stay, one reads the rows.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from channels.layers import get_channel_layer
from django.db import Error as DatabaseError

from apps.live import reads
from apps.live.listener import GROUP, change_listener
from apps.live.messages import Message, Refresh, Seen, ShownList, View, Watch
from apps.live.viewer import MOST_UNHEARD, FreshRow, PageRead, Viewer

TICK_S: Final = 1.0
PING_S: Final = 5.0
# Every watched row is looked at again so often, a part of them at each tick, whatever was or was not told.
RECONCILE_TICKS: Final = 10
STUCK_S: Final = 30.0
ROWS_A_ROUND: Final = 200
# Rows are read at most half of the time, lists a fifth of it, however big the directory is.
ROWS_REST, LISTS_REST = 1.0, 4.0
# Counters go to everybody: a message each, so not with every change.
SHORTEST_LISTS_REST_S: Final = 1.0
# What is said within it is judged together.
JUDGE_REST_S: Final = 0.1
# A channel layer forgets a member after a day.
REJOIN_S: Final = 3600.0
LAYER_REST_S: Final = 1.0

# Autobahn, below Daphne, sends an application 1000 and 3000 to 4999 alone: with another code nothing is closed.
SIGNED_OUT: Final = 4401
TOO_MANY: Final = 4008
FAILED: Final = 4011
STUCK: Final = 4013

DATABASE_TROUBLE: Final = (DatabaseError, psycopg.Error, OSError)

logger = logging.getLogger(__name__)


class Hub:
    """Works while somebody watches."""

    def __init__(self) -> None:
        self.roles = reads.RoleReads()
        self._viewers: set[Viewer] = set()
        self._watching: defaultdict[UUID, set[Viewer]] = defaultdict(set)
        self._tasks: list[asyncio.Task[None]] = []
        self._tick_due, self._said, self._rows_due = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._counters_due, self._pages_due = asyncio.Event(), asyncio.Event()
        self._judge_all = False
        self._counters = ""
        self._pages: dict[ShownList, PageRead] = {}
        self._changed_at = self._pinged_at = 0.0
        self._ticks = 0

    def join(self, viewer: Viewer) -> None:
        self._viewers.add(viewer)
        if not self._tasks:
            self._counters, self._pages, self._pinged_at = "", {}, time.monotonic()
            self._tick_due.set()
            self._tasks = [asyncio.create_task(work, name=work.__name__) for work in self._works()]
        if change_listener().is_listening:
            self._ping([viewer])

    def _works(self) -> Iterable[Any]:
        yield self._relay()
        yield self._repeat(self._tick_due, self._tick, 0.0, TICK_S)
        yield self._repeat(self._said, self._judge, 0.0, JUDGE_REST_S)
        yield self._repeat(self._rows_due, self._push_rows, ROWS_REST, 0.0)
        yield self._repeat(self._counters_due, self._push_counters, LISTS_REST, SHORTEST_LISTS_REST_S)
        yield self._repeat(self._pages_due, self._push_page, LISTS_REST, SHORTEST_LISTS_REST_S)

    async def leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)
        self._unwatch(viewer)
        if not self._viewers and self._tasks:
            tasks, self._tasks = self._tasks, []
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def hear(self, viewer: Viewer, message: Message) -> None:
        """What the page says counts once its session was looked at, after it was said."""
        if len(viewer.said) >= MOST_UNHEARD:
            viewer.close(TOO_MANY)
            return
        viewer.said.append(message)
        self._said.set()

    def changed(self, peer_ids: Iterable[UUID] | None) -> None:
        """These peers, or all if None."""
        for peer_id in list(self._watching) if peer_ids is None else peer_ids:
            for viewer in self._watching.get(peer_id, ()):
                viewer.mark([peer_id])
        self._changed_at = time.monotonic()
        self._rows_due.set()
        self._counters_due.set()
        self._pages_due.set()

    async def _relay(self) -> None:
        """From the channel layer to `changed`, for as long as this process listens."""
        layer = get_channel_layer()
        assert layer is not None
        channel = await layer.new_channel()
        change_listener().join()
        try:
            while True:
                try:
                    await self._hear_changes(layer, channel)
                except Exception:  # the layer's own: a Redis that is away
                    logger.exception("live pages hear of no changes, again in %.0f s", LAYER_REST_S)
                    await asyncio.sleep(LAYER_REST_S)
        finally:
            await change_listener().leave()
            await layer.group_discard(GROUP, channel)

    async def _hear_changes(self, layer: Any, channel: str) -> None:
        await layer.group_add(GROUP, channel)
        self.changed(None)  # what was told before is lost
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REJOIN_S):
                while True:
                    peer_ids = (await layer.receive(channel))["peer_ids"]
                    if peer_ids is None:
                        self._ping(self._viewers)
                    self.changed(None if peer_ids is None else [UUID(hex=peer_id) for peer_id in peer_ids])

    async def _repeat(
        self, due: asyncio.Event, work: Callable[[], Awaitable[None]], rest: float, shortest_rest_s: float
    ) -> None:
        """Works when it is due, then rests `rest` times as long as that took."""
        while True:
            await due.wait()
            due.clear()
            started = time.monotonic()
            try:
                await work()
            except DATABASE_TROUBLE as error:
                logger.warning("live pages closed: %s", str(error).strip())
                self._close_all()
            except Exception:
                logger.exception("live pages failed")
                self._close_all()
            await asyncio.sleep(max(shortest_rest_s, rest * (time.monotonic() - started)))

    def _close_all(self) -> None:
        """Deny when unsure. The pages come back by themselves."""
        for viewer in self._viewers:
            viewer.close(FAILED)

    async def _tick(self) -> None:
        """What is due by time alone."""
        self._tick_due.set()
        now = time.monotonic()
        for viewer in self._viewers:
            if viewer.unseen_since is not None and now - viewer.unseen_since > STUCK_S:
                viewer.close(STUCK)
        if now - self._pinged_at >= PING_S:
            self._pinged_at = now
            self._ping(self._viewers)
        self._judge_all = True
        self._said.set()
        self._reconcile()

    def _reconcile(self) -> None:
        self._ticks += 1
        part = self._ticks % RECONCILE_TICKS
        for peer_id, viewers in self._watching.items():
            if peer_id.int % RECONCILE_TICKS == part:
                for viewer in viewers:
                    viewer.mark([peer_id])
        self._rows_due.set()
        if part == 0:
            self.changed(())

    def _ping(self, viewers: Iterable[Viewer]) -> None:
        text = json.dumps({"ping": int(time.time() * 1000), "fresh": change_listener().is_listening})
        for viewer in viewers:
            viewer.ping(text)

    async def _judge(self) -> None:
        """One look at the sessions of all that spoke, at each tick of all: who may no longer watch is closed."""
        everybody, self._judge_all = self._judge_all, False
        said = {}
        for viewer in self._viewers:
            if not viewer.is_closed and (everybody or viewer.said):
                said[viewer], viewer.said = viewer.said, []
        roles = await self.roles.roles({viewer.session_key for viewer in said})
        for viewer, messages in said.items():
            if roles.get(viewer.session_key) != viewer.role:
                viewer.close(SIGNED_OUT)
            elif viewer in self._viewers:
                for message in messages:
                    self._act(viewer, message)

    def _act(self, viewer: Viewer, message: Message) -> None:
        match message:
            case Watch():
                self._unwatch(viewer)
                viewer.starts_to_watch(message)
                for peer_id in message.versions:
                    self._watching[peer_id].add(viewer)
                self._counters_due.set()
                self._pages_due.set()
            case Refresh():
                viewer.mark(message.peer_ids)
                self._changed_at = time.monotonic()
                self._counters_due.set()
                self._pages_due.set()
            case Seen():
                viewer.saw(message.number)
                self._update_lists(viewer)
        if viewer.stale:
            self._rows_due.set()

    def _unwatch(self, viewer: Viewer) -> None:
        for peer_id in viewer.watch.versions if viewer.watch else ():
            self._watching[peer_id].discard(viewer)
            if not self._watching[peer_id]:
                del self._watching[peer_id]

    async def _push_rows(self) -> None:
        taken = self._take_stale()
        if not taken:
            return
        shown: defaultdict[UUID, set[tuple[View, str]]] = defaultdict(set)
        for viewer, peer_ids in taken.items():
            assert viewer.watch is not None
            for peer_id in peer_ids:
                shown[peer_id].add((viewer.watch.view, viewer.watch.versions[peer_id]))
        found = await reads.read_rows(shown)
        for viewer, peer_ids in taken.items():
            self._deliver(viewer, found, peer_ids)

    def _take_stale(self) -> dict[Viewer, set[UUID]]:
        """Who gets which rows of this round, the longest unserved first; the rest stays due."""
        ready = [viewer for viewer in self._viewers if viewer.is_ready and viewer.stale]
        wanted: set[UUID] = set()
        taken = {}
        for viewer in sorted(ready, key=lambda viewer: viewer.served_at):
            taken[viewer] = viewer.next_stale(wanted, room=len(wanted) < ROWS_A_ROUND)
            wanted |= taken[viewer]
            viewer.is_being_served = bool(taken[viewer])
            if viewer.stale:
                self._rows_due.set()
        return {viewer: peer_ids for viewer, peer_ids in taken.items() if peer_ids}

    def _deliver(self, viewer: Viewer, found: dict[UUID, FreshRow | None], peer_ids: set[UUID]) -> None:
        viewer.is_being_served = False
        if not viewer.is_ready:
            viewer.mark(peer_ids)
            return
        viewer.served_at = time.monotonic()
        self._update(viewer, viewer.show(found, peer_ids))

    def _update(self, viewer: Viewer, rows: list[str]) -> None:
        """Sends what there is for a viewer that is ready, if there is anything."""
        assert viewer.watch is not None
        page = self._pages.get(viewer.watch.shown_list) if viewer.watch.shown_list else None
        if members := rows + viewer.lists(self._counters, page):
            viewer.update(members)

    def _update_lists(self, viewer: Viewer) -> None:
        if viewer.is_idle:
            self._update(viewer, [])

    async def _push_counters(self) -> None:
        self._counters = await reads.read_counters()
        for viewer in self._viewers:
            self._update_lists(viewer)

    async def _push_page(self) -> None:
        """The list that is due longest; the others stay due."""
        asked: dict[ShownList, float] = {}
        for viewer in self._viewers:
            if viewer.watch and (shown := viewer.watch.shown_list) and shown.size:
                asked[shown] = max(asked.get(shown, self._changed_at), viewer.watched_at)
        self._pages = {shown: page for shown, page in self._pages.items() if shown in asked}
        read_at = {shown: page.started for shown, page in self._pages.items()}
        due = [shown for shown, since in asked.items() if read_at.get(shown, -1.0) < since]
        if not due:
            return
        shown = min(due, key=lambda shown: read_at.get(shown, -1.0))
        started = time.monotonic()
        self._pages[shown] = PageRead(await reads.read_page(shown), started)
        for viewer in self._viewers:
            self._update_lists(viewer)
        if len(due) > 1:
            self._pages_due.set()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """That of this process' event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
