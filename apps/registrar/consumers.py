"""The ASGI "sip" application: batches of datagrams in, answers out (docs/asgi-sip.md).

Must not use Django's ORM or its executor: this is the hot path of a process that does nothing else.
"""

import asyncio
import hashlib
import logging
import secrets
from typing import Any
from uuid import uuid4

from channels.consumer import AsyncConsumer, get_handler_name
from channels.exceptions import StopConsumer
from django.conf import settings

from apps.registrar.batches import BatchProcessor, Chance
from apps.registrar.store import Store
from apps.registrar.worker import DATABASE_TROUBLE, WorkerTasks
from apps.sip.uri import format_host

logger = logging.getLogger(__name__)


def nonce_key(secret_key: str) -> bytes:
    """The key of every worker's nonces, so that any of them knows the others'; not the key of anything else."""
    return hashlib.sha256(b"sip nonce\0" + secret_key.encode()).digest()


def scope_server(scope: Any) -> tuple[str, int]:
    host, port = scope["server"]
    return host, port


class RegistrarConsumer(AsyncConsumer):
    # No such layer: one queue less, and no Redis connection per worker.
    channel_layer_alias = ""

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without the stock dispatch's hop to a thread for every event."""
        await getattr(self, get_handler_name(message))(message)

    async def sip_startup(self, event: dict[str, Any]) -> None:
        """Waits for the database: until it is there, no datagram is taken and nothing false is answered."""
        self.store = Store(settings.DATABASE_URL)
        delay_s = 0.1
        while True:
            try:
                await self.store.open()
                break
            except DATABASE_TROUBLE as error:
                logger.warning("waiting for the database: %s", error)
                await self.store.close()
                self.store = Store(settings.DATABASE_URL)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, 5)
        host, port = scope_server(self.scope)
        self.tasks = WorkerTasks(self.store, f"{format_host(host)}:{port}")
        chance = Chance(nonce_key(settings.SECRET_KEY), uuid4, lambda: secrets.randbelow(26) + 5)
        self.processor = BatchProcessor(self.store, chance, self.tasks.changed)
        self.tasks.start()

    async def sip_datagrams(self, event: dict[str, Any]) -> None:
        answers = await self.processor.answers(event["datagrams"])
        if answers:
            await self.send({"type": "sip.send", "datagrams": answers})

    async def sip_shutdown(self, event: dict[str, Any]) -> None:
        await self.tasks.stop()
        await self.store.close()
        raise StopConsumer
