"""Hears, on one PostgreSQL connection per web process, which peers changed, and tells the channel layer.

Must not read rows: it carries ids. NOTIFY is not replayed, so after any gap it says that everything may have changed.
With a channel layer that reaches other processes only the one that holds an advisory lock tells; the others stand by.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.conf import settings
from psycopg.conninfo import make_conninfo

from apps.extensions.notices import DIRECTORY_CHANGED, REGISTRATIONS_CHANGED, parse_payload

GROUP: Final = "registrations"
GATHER_S: Final = 0.2
FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 5.0
QUIET_S: Final = 15.0
STAND_BY_S: Final = 1.0
PATIENCE: Final = {"keepalives_idle": 10, "keepalives_interval": 5, "connect_timeout": 5}
TELLER_LOCK: Final = 0x52454749  # any constant that is ours alone in this database

logger = logging.getLogger(__name__)


class ChangeListener:
    """Listens while somebody watches. `is_listening` is False while changes may be missed."""

    def __init__(self) -> None:
        self._viewers = 0
        self._task: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()
        self._changes = 0
        self._name = secrets.token_hex(4)

    @property
    def is_listening(self) -> bool:
        return self._listening.is_set()

    def join(self) -> None:
        self._viewers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="registrations listener")

    async def leave(self) -> None:
        self._viewers -= 1
        if self._viewers or self._task is None:
            return
        task, self._task = self._task, None
        self._listening.clear()
        task.cancel()
        await asyncio.wait([task])

    async def wait_until_listening(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self._listening.wait()
        except TimeoutError:
            return False
        return True

    async def _run(self) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            try:
                async with _listening_connection() as connection:
                    delay_s = FIRST_DELAY_S
                    await self._tell_changes(connection)
            except psycopg.OperationalError as error:
                logger.warning("LISTEN lost, again in %.1f s: %s", delay_s, str(error).strip())
            except Exception:
                logger.exception("LISTEN failed, again in %.1f s", delay_s)
            self._listening.clear()
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads reconnects
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    async def _tell_changes(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if not isinstance(get_channel_layer(), InMemoryChannelLayer):
            await self._become_teller(connection)
        self._listening.set()
        await self._tell(None)
        while True:
            payloads = [notice.payload async for notice in connection.notifies(timeout=QUIET_S, stop_after=1)]
            if not payloads:
                await connection.execute("SELECT 1")  # a connection that died silently shows it here
                continue
            payloads += [notice.payload async for notice in connection.notifies(timeout=GATHER_S)]
            await self._tell(merged(payloads))

    async def _become_teller(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Returns once this connection holds the lock; meanwhile another process tells this one's viewers too."""
        while True:
            cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [TELLER_LOCK])
            row = await cursor.fetchone()
            if row is not None and row[0]:
                return
            self._listening.set()
            await asyncio.sleep(STAND_BY_S)

    async def _tell(self, peer_ids: frozenset[UUID] | None) -> None:
        self._changes += 1
        message = {
            "type": "rows.changed",
            "change": f"{self._name}-{self._changes}",
            "peer_ids": None if peer_ids is None else [peer_id.hex for peer_id in peer_ids],
        }
        layer = get_channel_layer()
        assert layer is not None
        await layer.group_send(GROUP, message)


_listeners: WeakKeyDictionary[asyncio.AbstractEventLoop, ChangeListener] = WeakKeyDictionary()


def change_listener() -> ChangeListener:
    """The listener of this process' event loop."""
    return _listeners.setdefault(asyncio.get_running_loop(), ChangeListener())


def merged(payloads: list[str]) -> frozenset[UUID] | None:
    """The peers of all payloads together, or None for everything."""
    peer_ids: set[UUID] = set()
    for payload in payloads:
        named = parse_payload(payload)
        if named is None:
            return None
        peer_ids |= named
    return frozenset(peer_ids)


@asynccontextmanager
async def _listening_connection() -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    address = make_conninfo(settings.DATABASE_DIRECT_URL, **PATIENCE)
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await connection.execute(f"LISTEN {REGISTRATIONS_CHANGED}")
        await connection.execute(f"LISTEN {DIRECTORY_CHANGED}")
        yield connection
