"""The process that delivers: feeds the feed, and tells each webhook what is new, all at the same time.

One process of a site works, the others wait for its lock and take over when it is gone. No webhook waits for another:
each has a task of its own.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import psycopg
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import Error as DatabaseError
from psycopg.conninfo import make_conninfo

from apps.webhooks import sql
from apps.webhooks.deliveries import delivery_record, due_webhooks, next_message
from apps.webhooks.feed import feed_update, forget_old
from apps.webhooks.posting import post

ROUND_S: Final = 0.5
STAND_BY_S: Final = 1.0
AFTER_TROUBLE_S: Final = 2.0
ROUNDS_BETWEEN_FORGETTING: Final = 20
PATIENCE: Final = {"keepalives_idle": 10, "keepalives_interval": 5, "connect_timeout": 5}

logger = logging.getLogger(__name__)


async def deliver_forever() -> None:
    """Until it is cancelled."""
    while True:
        try:
            async with _lock() as connection:
                logger.info("delivering webhooks")
                await _Rounds().run(connection)
        except (DatabaseError, psycopg.Error, OSError) as error:
            logger.warning("webhooks rest, again in %.0f s: %s", AFTER_TROUBLE_S, str(error).strip())
            await asyncio.sleep(AFTER_TROUBLE_S)


async def deliver(webhook_id: UUID) -> None:
    """Everything there is for it, until it does not take something."""
    while (message := await database_sync_to_async(next_message)(webhook_id)) is not None:
        answer = await post(message.url, message.headers, message.body)
        await database_sync_to_async(delivery_record)(message, answer)
        if answer.error:
            return


class _Rounds:
    def __init__(self) -> None:
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._count = 0

    async def run(self, connection: psycopg.AsyncConnection[Any]) -> None:
        try:
            while True:
                await connection.execute("SELECT 1")  # whoever has lost the lock must not go on
                await self._round()
                await asyncio.sleep(ROUND_S)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _round(self) -> None:
        await database_sync_to_async(feed_update)()
        if self._count % ROUNDS_BETWEEN_FORGETTING == 0:
            await database_sync_to_async(forget_old)()
        self._count += 1
        for webhook_id, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[webhook_id]
                task.result()
        for webhook_id in await database_sync_to_async(due_webhooks)():
            if webhook_id not in self._tasks:
                self._tasks[webhook_id] = asyncio.create_task(
                    deliver(webhook_id), name=f"webhook {webhook_id}"
                )


@asynccontextmanager
async def _lock() -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection that holds the lock of the one who delivers."""
    address = make_conninfo(settings.DATABASE_DIRECT_URL, **PATIENCE)
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        while await (await connection.execute(sql.DELIVERER_LOCK)).fetchone() != (True,):  # noqa: ASYNC110
            await asyncio.sleep(STAND_BY_S)
        yield connection
