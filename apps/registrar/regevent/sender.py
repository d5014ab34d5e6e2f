"""Sends the NOTIFYs that are due and takes their answers (RFC 3261 §17.1.2, RFC 6665 §4.2.2).

A background task of every worker over its Store's pool: a row belongs to who claims it first, so no worker has to
remember what it sent. Must not decide what a NOTIFY says, and reads no clock but the database's.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from apps.registrar.regevent import store
from apps.registrar.regevent.replies import Reply, final_only
from apps.registrar.regevent.store import NotifyQueue
from apps.registrar.rounds import DATABASE_TROUBLE, Rounds

logger = logging.getLogger(__name__)

POLL_EVERY_S: Final = 0.25
SWEEP_EVERY_S: Final = 1.0

Pool = AsyncConnectionPool[AsyncConnection[Any]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class NotifySender:
    """send: the ASGI one; worker: the id its flows begin with; datagrams: whether it has a UDP socket."""

    def __init__(self, pool: Pool, queue: NotifyQueue, send: Send, worker: str, *, datagrams: bool) -> None:
        self.pool = pool
        self.queue = queue
        self.send = send
        self.worker = worker
        self.datagrams = datagrams
        self._news = asyncio.Event()
        self._rounds = Rounds()

    def start(self) -> None:
        self._rounds.start(self.send_due, POLL_EVERY_S, news=self._news)
        self._rounds.start(self.sweep, SWEEP_EVERY_S)

    async def stop(self) -> None:
        await self._rounds.stop()

    def wake(self) -> None:
        """A NOTIFY was queued, or one that others wait for was answered."""
        self._news.set()

    async def take_replies(self, replies: Iterable[Reply]) -> None:
        """Answers to our NOTIFYs: those are done, and some end their subscription."""
        chosen = final_only(replies)
        if not chosen:
            return
        try:
            async with self.pool.connection() as connection:
                await store.answered(connection, chosen.values())
        except DATABASE_TROUBLE as error:
            logger.warning("answers to NOTIFYs are lost, they will be sent again: %s", error)
        self.wake()

    async def send_due(self) -> None:
        more = True
        while more:
            async with self.pool.connection() as connection:
                due = await store.claim_due(connection, self.worker, datagrams=self.datagrams)
            if due:
                await self.send(
                    {"type": "sip.send", "datagrams": [(one.data, one.way.destination) for one in due]}
                )
            more = len(due) >= store.MOST_PER_CLAIM

    async def sweep(self) -> None:
        """Ends subscriptions: of subscribers that do not answer, and those whose time is over."""
        async with self.pool.connection() as connection:
            await store.give_up(connection)
            if await store.end_expired(connection, self.queue):
                self.wake()
