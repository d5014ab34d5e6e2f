"""Event streams of this web process: ASGI around Django, for a request in Django keeps a thread as long as it lives.

Django says who may listen to what (views/feed.py); the connection is then kept here, and one look at the feed serves
all. Must not gather anything for one stream: it has a place in the feed, and reads on from there.
"""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import orjson
import psycopg
from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import ApiToken, Scope
from apps.webhooks.feed import Wanted, feed_update, last_id, read

PATHS: Final = ("/api/v1/events/stream", "/api/v1/events/stream/")
MOST_STREAMS: Final = 200
ROUND_S: Final = 0.5
HEARTBEAT_S: Final = 15.0
JUDGED_EVERY_S: Final = 5.0
# Of a client that reads nothing the server before us keeps what we sent: no more than this.
MOST_BYTES: Final = 4 * 1024 * 1024
LONGEST_S: Final = 3600.0
SLOW_S: Final = 30.0
REMEMBERED: Final = 2_000
READS_AT_ONCE: Final = 2
BEGINNING: Final = b"retry: 2000\n\n"
HEARTBEAT: Final = b": still here\n\n"
TROUBLE: Final = (DatabaseError, psycopg.Error, OSError)

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Stream:
    """One listener: what it wants, and the last event it was sent or does not want."""

    token_id: UUID
    wanted: Wanted
    cursor: int
    over: asyncio.Event = field(default_factory=asyncio.Event)


class StreamHub:
    """Works while somebody listens."""

    def __init__(self) -> None:
        self.streams: set[Stream] = set()
        self.cursor = 0
        self.news = asyncio.Event()
        self._recent: deque[tuple[dict[str, Any], bytes]] = deque(maxlen=REMEMBERED)
        self._forgotten = 0
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self._task: asyncio.Task[None] | None = None
        self._judged_at = 0.0

    async def join(self, token_id: UUID, wanted: Wanted, after: int | None) -> Stream:
        """Begins now, where there is no `after`. A cursor that was never given is now, too."""
        newest = await database_sync_to_async(last_id)()
        stream = Stream(token_id, wanted, newest if after is None else min(after, newest))
        self.streams.add(stream)
        if self._task is None:
            self.cursor = self._forgotten = newest
            self._recent.clear()
            self._task = asyncio.create_task(self._run(), name="event streams")
        return stream

    async def leave(self, stream: Stream) -> None:
        self.streams.discard(stream)
        if not self.streams and self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])

    async def next_part(self, stream: Stream) -> bytes:
        """What there is for it beyond its cursor; a heartbeat if nothing comes; b"": it is over."""
        until = time.monotonic() + HEARTBEAT_S
        while not stream.over.is_set():
            news = self.news
            if part := await self._beyond(stream):
                return part
            with suppress(TimeoutError):
                async with asyncio.timeout(until - time.monotonic()):
                    await news.wait()
                continue
            return HEARTBEAT
        return b""

    async def _beyond(self, stream: Stream) -> bytes:
        if stream.cursor >= self._forgotten:
            return self._remembered(stream)
        async with self._reading:
            found = await database_sync_to_async(read)(stream.wanted, stream.cursor)
        if found.cursor == stream.cursor:
            stream.cursor = self._forgotten  # what was there is older than is kept
        stream.cursor = max(stream.cursor, found.cursor)
        return b"".join(map(written, found.events)) or (b": \n\n" if stream.cursor < self.cursor else b"")

    def _remembered(self, stream: Stream) -> bytes:
        parts = [
            part for event, part in self._recent if event["id"] > stream.cursor and stream.wanted.wants(event)
        ]
        stream.cursor = max(stream.cursor, self.cursor)
        return b"".join(parts)

    async def _run(self) -> None:
        while True:
            try:
                is_behind = await self._round()
            except TROUBLE as error:
                logger.warning("event streams wait: %s", str(error).strip())
                is_behind = False
            except Exception:
                logger.exception("event streams failed, and go on")
                is_behind = False
            if not is_behind:
                await asyncio.sleep(ROUND_S)

    async def _round(self) -> bool:
        """Whether there is more at once."""
        if time.monotonic() - self._judged_at >= JUDGED_EVERY_S:
            await self._judge()
        found = await database_sync_to_async(_news)(self.cursor)
        if found.cursor == self.cursor:
            return False
        for event in found.events:
            if len(self._recent) == REMEMBERED:
                self._forgotten = self._recent[0][0]["id"]
            self._recent.append((event, written(event)))
        self.cursor = found.cursor
        self._wake()
        return self.cursor < await database_sync_to_async(last_id)()

    async def _judge(self) -> None:
        """Whose token is over hears nothing more."""
        good = await database_sync_to_async(_good_tokens)({stream.token_id for stream in self.streams})
        self._judged_at = time.monotonic()
        for stream in self.streams:
            if stream.token_id not in good:
                stream.over.set()
        self._wake()

    def _wake(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


class EventStreams:
    """An ASGI application: Django, but for the connections of event streams."""

    def __init__(self, django: Any) -> None:
        self._django = django

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] not in PATHS or scope["method"] != "GET":
            await self._django(scope, receive, send)
            return
        said: list[dict[str, Any]] = []

        async def keep(message: dict[str, Any]) -> None:
            said.append(message)

        await self._django(scope, receive, keep)
        if not said or said[0]["status"] != 200:
            for message in said:
                await send(message)
            return
        allowed = json.loads(b"".join(message.get("body", b"") for message in said[1:]))
        kept = [(name, value) for name, value in said[0]["headers"] if name.lower() not in _REPLACED]
        await send({"type": "http.response.start", "status": 200, "headers": [*kept, *_OURS.items()]})
        await _serve(allowed, receive, send)


_OURS: Final = {
    b"content-type": b"text/event-stream; charset=utf-8",
    b"x-accel-buffering": b"no",  # nginx would keep events until it has enough of them
}
_REPLACED: Final = {b"content-length", *_OURS}
_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, StreamHub] = WeakKeyDictionary()


def stream_hub() -> StreamHub:
    """The hub of this event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), StreamHub())


def open_streams() -> int:
    return sum(len(hub.streams) for hub in list(_hubs.values()))


def written(event: dict[str, Any]) -> bytes:
    """As Server-Sent Events say it; JSON has no line breaks of its own."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event["id"], event["type"].encode(), orjson.dumps(event))


async def _serve(allowed: dict[str, Any], receive: Any, send: Any) -> None:
    hub = stream_hub()
    wanted = Wanted(tuple(allowed["types"]), allowed["domain"], allowed["extension"])
    stream = await hub.join(UUID(allowed["token_id"]), wanted, allowed["after"])
    sending = asyncio.create_task(_send_all(hub, stream, send), name="event stream")
    leaving = asyncio.create_task(_disconnected(receive), name="event stream's end")
    try:
        await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        sending.cancel()
        leaving.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)
        await hub.leave(stream)


async def _send_all(hub: StreamHub, stream: Stream, send: Any) -> None:
    part, bytes_left, until = BEGINNING, MOST_BYTES, time.monotonic() + LONGEST_S
    while part:
        async with asyncio.timeout(SLOW_S):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        bytes_left -= len(part)
        is_over = bytes_left < 0 or time.monotonic() > until
        part = b"" if is_over else await hub.next_part(stream)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _news(after: int) -> Any:
    feed_update()
    return read(Wanted(), after)


def _good_tokens(token_ids: Iterable[UUID]) -> set[UUID]:
    unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    good = ApiToken.objects.filter(unexpired, revoked_at__isnull=True, user__is_active=True)
    return set(good.filter(pk__in=token_ids, scopes__contains=[Scope.READ]).values_list("pk", flat=True))
