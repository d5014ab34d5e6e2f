"""A registrar that counts its short ways, and a phone of it."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.db.models import F

from apps.extensions.ha1s import Ha1Keys
from apps.extensions.services import NewPeer
from apps.registrar.models import Binding
from apps.registrar.renewals import sql
from apps.registrar.store import Store
from tests.registrar.conftest import Registrar, url_of_test_database
from tests.registrar.phone import Phone, Reply
from tests.registrar.renewals.pair import CHANCE, CountingProcessor


class WatchedStore(Store):
    """Remembers what was looked up or written in one statement, and how many bindings were found."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fetched: list[tuple[str, int]] = []

    async def fetch_by_keys(self, statement: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        rows = await super().fetch_by_keys(statement, params)
        found = orjson.loads(rows[0][1] or "[]") if statement is sql.READ else rows
        self.fetched.append((statement, len(found)))
        return rows


class Quick(Registrar):
    """A registrar of which it is known how many renewals took the short way."""

    def __init__(self, store: WatchedStore) -> None:
        super().__init__(store)
        self.watched = store
        self.counting = CountingProcessor(store, CHANCE, self.changed.update)
        self.processor = self.counting

    @property
    def taken(self) -> int:
        return self.counting.taken

    async def renewed(self, phone: Phone, **kwargs: Any) -> Reply:
        """The phone as it is while nothing happens: registered, and renewed the short way."""
        await self.register(phone, **kwargs)
        before = self.taken
        reply = await self.register(phone, **kwargs)
        assert self.taken == before + 1
        return reply

    async def takes(self, phone: Phone, data: bytes) -> bool:
        """Whether this takes the short way."""
        before = self.taken
        await self.processor.answers([(data, phone.source)])
        return self.taken > before


async def quick_registrars(number: int) -> AsyncIterator[list[Quick]]:
    stores = [
        WatchedStore(url_of_test_database(), ha1_keys=Ha1Keys(settings.CREDENTIAL_KEYS))
        for _ in range(number)
    ]
    for store in stores:
        await store.open()
    registrars = [Quick(store) for store in stores]
    for one in registrars:
        # From its first request on it knows the domains.
        await one.send(Phone("1001", ""), Phone("1001", "").register())
    yield registrars
    for store in stores:
        await store.close()


@pytest.fixture
async def quick(extension_1001: NewPeer) -> AsyncIterator[Quick]:
    async for registrars in quick_registrars(1):
        yield registrars[0]


@pytest.fixture
async def two(extension_1001: NewPeer) -> AsyncIterator[list[Quick]]:
    """Two workers of one database."""
    async for registrars in quick_registrars(2):
        yield registrars


async def aged(length: dt.timedelta) -> None:
    """All bindings, as if they had been made that much earlier."""
    times = ("registered_at", "refreshed_at", "expires_at", "due_at")
    await Binding.objects.aupdate(**{name: F(name) - length for name in times})
