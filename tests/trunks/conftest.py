"""A trunk, and connections as the call process has them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.conf import settings
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import trunk_create
from apps.trunks.directory import Pool, TrunkDirectory


@pytest.fixture
def trunk(domain: Domain, actor: Actor) -> Peer:
    return trunk_create(domain=domain, name="north", actor=actor)


@pytest.fixture
async def pool(transactional_db: None) -> AsyncIterator[Pool]:
    pool: Pool = AsyncConnectionPool[AsyncConnection[Any]](
        settings.DATABASE_DIRECT_URL,
        min_size=1,
        max_size=2,
        open=False,
        timeout=2,
        kwargs={"autocommit": True},
    )
    await pool.open()
    yield pool
    await pool.close()


class Clock:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(pool: Pool, clock: Clock) -> TrunkDirectory:
    return TrunkDirectory(pool, clock)
