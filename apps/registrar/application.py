"""What every application of the "sip" protocol here has in common: how events reach it, and waiting for PostgreSQL."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from channels.consumer import AsyncConsumer, get_handler_name
from channels.exceptions import StopConsumer

from apps.registrar.rounds import DATABASE_TROUBLE
from apps.registrar.store import Store

logger = logging.getLogger(__name__)


class SipApplication(AsyncConsumer):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Without the stock loop's task for every event, and without a channel layer: nobody else sends to it."""
        self.scope, self.base_send = scope, send
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            return

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without the stock dispatch's hop to a thread for every event."""
        await getattr(self, get_handler_name(message))(message)


async def _nothing(store: Store) -> None:
    pass


async def opened_store(
    make: Callable[[], Store], begin: Callable[[Store], Awaitable[None]] = _nothing
) -> Store:
    """An open one, of which `begin` has made the first use; waits for the database as long as it takes."""
    delay_s = 0.1
    while True:
        store = make()
        try:
            await store.open()
            await begin(store)
        except DATABASE_TROUBLE as error:
            logger.warning("waiting for the database: %s", error)
            await store.close()
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 5)
        except asyncio.CancelledError:  # the pool's own tasks would live on
            await store.close()
            raise
        else:
            return store
