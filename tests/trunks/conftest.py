"""A trunk, and connections as the call process has them."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import trunk_create
from apps.registrar.models import Binding
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


def register(peer: Peer, host: str, *, expired: bool = False) -> Binding:
    """A binding as the SIP worker would have committed it."""
    at = timezone.now() - dt.timedelta(hours=2 if expired else 0)
    contact = f"sip:{peer.name}@{host}:5060"
    return Binding.objects.create(
        aor=f"sip:{peer.name}@{peer.domain.name}",
        binding_key=contact,
        contact=contact,
        peer=peer,
        extension=peer.extension,
        received_addr=host,
        received_port=5060,
        transport="UDP",
        call_id="a",
        cseq=1,
        registered_at=at,
        refreshed_at=at,
        expires_at=at + dt.timedelta(hours=1),
    )
