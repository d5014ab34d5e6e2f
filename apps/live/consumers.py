"""One browser page that shows registrations: hears what changed, sends the rows it shows and how they read now.

Must not queue: what changed is gathered until the page has said it saw the last update, so a slow reader gets the
newest state and nothing grows. A page whose session ended, whose user changed role, or that stops reading is closed.
"""

import asyncio
import json
import logging
import time
from typing import Any, Final
from uuid import UUID

import psycopg
from channels.auth import get_user
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import Error as DatabaseError
from django.utils.module_loading import import_string

from apps.live.listener import GROUP, change_listener
from apps.live.messages import LONGEST_MESSAGE, Refresh, Seen, Watch, parse_message
from apps.live.reads import ELEMENTS, FreshRow, read_page, rest_until, shared_reads

TICK_S: Final = 1.0
PING_S: Final = 5.0
RECONCILE_S: Final = 10.0
STUCK_S: Final = 30.0
LISTENING_WITHIN_S: Final = 2.0

SIGNED_OUT: Final = 4401
INVALID: Final = 1003
TOO_BIG: Final = 1009
FAILED: Final = 1011
STUCK: Final = 1013

logger = logging.getLogger(__name__)


class RegistrationsConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self._role = await self._role_now()
        if self._role is None:
            await self.close(SIGNED_OUT)
            return
        self._watch: Watch | None = None
        self._stale: set[UUID] = set()
        self._change: str | None = None
        self._lists_due, self._changed_at, self._page_rest_until = False, 0.0, 0.0
        self._sent: dict[str, Any] = {}
        self._lists_next = False
        self._number = 0
        self._unseen_since: float | None = None
        self._pinged_at, self._reconciled_at = 0.0, time.monotonic()
        self._wake = asyncio.Event()
        await self.channel_layer.group_add(GROUP, self.channel_name)
        change_listener().join()
        self._joined = True
        await self.accept()
        self._pump = asyncio.create_task(self._run(), name="registrations page")

    async def disconnect(self, code: int) -> None:
        if not getattr(self, "_joined", False):
            return
        self._joined = False
        if pump := getattr(self, "_pump", None):
            pump.cancel()
            await asyncio.wait([pump])
        await self.channel_layer.group_discard(GROUP, self.channel_name)
        await change_listener().leave()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if len(text_data or bytes_data or "") > LONGEST_MESSAGE:
            await self.close(TOO_BIG)
            return
        if not await self._may_stay():
            return
        try:
            message = parse_message(json.loads(text_data or ""))
        except (ValueError, RecursionError):
            await self.close(INVALID)
            return
        self._take(message)

    async def rows_changed(self, event: dict[str, Any]) -> None:
        """From the channel layer: `peer_ids` changed, or everything if None."""
        peer_ids = event["peer_ids"]
        watched = set(self._watch.versions) if self._watch else set()
        changed = watched if peer_ids is None else watched & {UUID(hex=peer_id) for peer_id in peer_ids}
        # Rows that were stale before belong to an older change: only a fresh read serves them all.
        self._change = event["change"] if not self._stale else None
        self._stale |= changed
        self._lists_due, self._changed_at = True, time.monotonic()
        self._wake.set()

    def _take(self, message: Watch | Refresh | Seen) -> None:
        match message:
            case Watch():
                self._watch, self._stale, self._change = message, set(message.versions), None
                self._lists_due, self._changed_at, self._sent = True, time.monotonic(), {}
            case Refresh():
                self._stale |= message.peer_ids & set(self._watch.versions if self._watch else ())
                self._change = None
                self._lists_due, self._changed_at = True, time.monotonic()
            case Seen():
                if message.number == self._number:
                    self._unseen_since = None
        self._wake.set()

    async def _run(self) -> None:
        try:
            await change_listener().wait_until_listening(LISTENING_WITHIN_S)
            while await self._tick():
                if self._unseen_since is None and self._watch is not None:
                    await self._update(self._watch)
                await self._wait()
        except (DatabaseError, psycopg.Error, OSError) as error:
            logger.warning("live page closed: %s", str(error).strip())
            await self.close(FAILED)
        except Exception:
            logger.exception("live page failed")
            await self.close(FAILED)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(TICK_S):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _tick(self) -> bool:
        """What is due by time alone. False when the socket has been closed."""
        now = time.monotonic()
        if self._unseen_since is not None and now - self._unseen_since > STUCK_S:
            await self.close(STUCK)
            return False
        if now - self._reconciled_at >= RECONCILE_S and self._watch is not None:
            self._reconciled_at = now
            self._take(Refresh(frozenset(self._watch.versions)))
        return now - self._pinged_at < PING_S or await self._ping(now)

    async def _ping(self, now: float) -> bool:
        if not await self._may_stay():
            return False
        self._pinged_at = now
        if self._unseen_since is None:
            fresh = change_listener().is_listening
            await self._send_json({"ping": int(time.time() * 1000), "fresh": fresh})
        return True

    async def _update(self, watch: Watch) -> None:
        update = await self._next_part(watch)
        if update:
            self._number += 1
            self._unseen_since = time.monotonic()
            await self._send_json({"n": self._number, **update})

    async def _next_part(self, watch: Watch) -> dict[str, Any]:
        """Rows, then lists, in turn: the words of a row do not wait for what a list costs, nor lists for ever."""
        rows, lists = self._changed_rows, self._changed_lists
        for part in (lists, rows) if self._lists_next else (rows, lists):
            update = await part(watch)
            if update:
                self._lists_next = part is rows
                return update
        return {}

    async def _changed_rows(self, watch: Watch) -> dict[str, Any]:
        stale, change = self._stale, self._change
        self._stale, self._change = set(), None
        if not stale:
            return {}
        found = await shared_reads().rows.rows(stale, change)
        removed = [peer_id for peer_id, row in found.items() if row is None]
        changed = {
            peer_id: row
            for peer_id, row in found.items()
            if row is not None and row.version != watch.versions.get(peer_id)
        }
        for peer_id in removed:
            watch.versions.pop(peer_id, None)
        watch.versions.update({peer_id: row.version for peer_id, row in changed.items()})
        return _as_message(watch, changed, removed)

    async def _changed_lists(self, watch: Watch) -> dict[str, Any]:
        """Counters, and how many rows a reload would bring: only what differs from what was sent."""
        shown = watch.shown_list
        if shown is None or not self._lists_due:
            return {}
        counters, read_at = await shared_reads().counters.read()
        lists: dict[str, Any] = {"counters": counters}
        started = time.monotonic()
        may_read_page = started >= self._page_rest_until
        if may_read_page:
            self._lists_due = read_at < self._changed_at
            page = await read_page(shown)
            self._page_rest_until = rest_until(started)
            lists["new"] = sum(peer_id not in watch.versions for peer_id in page)
        differing = {name: value for name, value in lists.items() if self._sent.get(name) != value}
        self._sent |= differing
        return differing

    async def _may_stay(self) -> bool:
        if await self._role_now() == self._role:
            return True
        await self.close(SIGNED_OUT)
        return False

    async def _role_now(self) -> str | None:
        """The role of the session's user as the database has it at this moment; None without a valid session."""
        session = self.scope.get("session")
        if session is None or session.session_key is None:
            return None
        store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
        scope: Any = {"session": store(session.session_key)}
        user = await get_user(scope)
        return str(getattr(user, "role", "")) if user.is_authenticated and user.is_active else None

    async def _send_json(self, content: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(content, separators=(",", ":")))


def _as_message(watch: Watch, changed: dict[UUID, FreshRow], removed: list[UUID]) -> dict[str, Any]:
    if watch.view == "page":
        return {"reload": True} if changed or removed else {}
    element = ELEMENTS[watch.view]
    message: dict[str, Any] = {}
    if changed:
        message["rows"] = {element.format(peer_id): row.html[watch.view] for peer_id, row in changed.items()}
    if removed:
        message["removed"] = [element.format(peer_id) for peer_id in removed]
    return message
