"""What a SIP worker does besides answering: beat, sweep, and tell the web which peers changed.

Background tasks of one worker over its Store; a failure is logged and tried again, for the database may be away.
Must not answer SIP.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Final
from uuid import UUID, uuid4

from psycopg import Error
from psycopg_pool import PoolClosed, PoolTimeout

from apps.extensions.notices import REGISTRATIONS_CHANGED, payloads
from apps.registrar import sql
from apps.registrar.store import Store
from apps.registrar.sweeper import sweep, tidy

logger = logging.getLogger(__name__)

BEAT_EVERY_S: Final = 2.0
SWEEP_EVERY_S: Final = 0.5
TIDY_EVERY_S: Final = 60.0
PUBLISH_EVERY_S: Final = 0.05

DATABASE_TROUBLE: Final = (Error, PoolTimeout, PoolClosed, OSError)


class WorkerTasks:
    def __init__(self, store: Store, bind: str) -> None:
        self.store = store
        self.bind = bind
        self.id = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._changed: set[UUID] = set()
        self._something_changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._every(BEAT_EVERY_S, self._beat)),
            asyncio.create_task(self._every(SWEEP_EVERY_S, self._sweep)),
            asyncio.create_task(self._every(TIDY_EVERY_S, self._tidy)),
            asyncio.create_task(self._publish_for_ever()),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._publish()
            await self.store.execute(sql.DELETE_HEARTBEAT, {"id": self.id})
        except DATABASE_TROUBLE as error:
            logger.warning("could not sign off at the database: %s", error)

    def changed(self, peer_ids: Iterable[UUID]) -> None:
        """These peers' registrations changed and are committed; the web hears of it within PUBLISH_EVERY_S."""
        self._changed.update(peer_ids)
        if self._changed:
            self._something_changed.set()

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except DATABASE_TROUBLE as error:
                logger.warning("%s failed, trying again: %s", work.__name__.strip("_"), error)
            await asyncio.sleep(seconds)

    async def _beat(self) -> None:
        await self.store.execute(sql.BEAT, {"id": self.id, "bind": self.bind})

    async def _sweep(self) -> None:
        more = True
        while more:
            peer_ids, more = await sweep(self.store)
            self.changed(peer_ids)

    async def _tidy(self) -> None:
        await tidy(self.store)

    async def _publish_for_ever(self) -> None:
        while True:
            await self._something_changed.wait()
            try:
                await self._publish()
            except DATABASE_TROUBLE as error:
                logger.warning("publish failed, trying again: %s", error)
            await asyncio.sleep(PUBLISH_EVERY_S)

    async def _publish(self) -> None:
        peer_ids, self._changed = self._changed, set()
        self._something_changed.clear()
        try:
            for payload in payloads(peer_ids):
                await self.store.execute(sql.NOTIFY, {"channel": REGISTRATIONS_CHANGED, "payload": payload})
        except DATABASE_TROUBLE:
            self.changed(peer_ids)
            raise
