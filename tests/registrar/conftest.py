"""A registrar without a socket: the batch processor over a real PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import pytest
from django.conf import settings

from apps.extensions.audit import Actor
from apps.extensions.ha1s import Ha1Keys
from apps.extensions.models import Domain
from apps.extensions.services import NewPeer, extension_create
from apps.registrar.batches import BatchProcessor
from apps.registrar.deciding import Chance
from apps.registrar.store import Store
from tests.registrar.phone import Phone, Reply, read_reply

PASSWORD = "Tr0ub4dor&3x"
NONCE_KEY = b"k" * 32


def url_of_test_database() -> str:
    """The test database of this run, not the one of DATABASE_URL."""
    return str(settings.DATABASE_DIRECT_URL)


class Registrar:
    """Sends datagrams straight to the processor, as the socket would."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.changed: set[UUID] = set()
        self.processor = BatchProcessor(store, Chance(NONCE_KEY, uuid4, lambda: 7), self.changed.update)

    async def send(self, phone: Phone, data: bytes) -> Reply | None:
        answers = await self.processor.answers([(data, phone.source)])
        return read_reply(answers[0][0]) if answers else None

    async def register(self, phone: Phone, *args: object, **kwargs: object) -> Reply:
        """A REGISTER with credentials: challenged first if the phone has no nonce yet."""
        if phone.nonce is None:
            challenge = await self.send(phone, phone.register(*args, **kwargs))  # type: ignore[arg-type]
            assert challenge is not None
            assert challenge.status == 401
            phone.read_challenge(challenge)
        reply = await self.send(phone, phone.register(*args, **kwargs))  # type: ignore[arg-type]
        assert reply is not None
        return reply


@pytest.fixture
def extension_1001(transactional_db: None, actor: Actor) -> NewPeer:
    domain = Domain.objects.create(
        name="example.com", realm="example.com", min_expires_s=60, expires_spread_percent=0
    )
    return extension_create(
        domain=domain, number="1001", display_name="Ann Lee", password=PASSWORD, actor=actor
    )


@pytest.fixture
def phone(extension_1001: NewPeer) -> Phone:
    return Phone("1001", PASSWORD)


@pytest.fixture
async def registrar(transactional_db: None) -> AsyncIterator[Registrar]:
    store = Store(url_of_test_database(), ha1_keys=Ha1Keys(settings.CREDENTIAL_KEYS))
    await store.open()
    yield Registrar(store)
    await store.close()


@pytest.fixture
def other_phone(extension_1001: NewPeer) -> Callable[..., Phone]:
    """More phones of the same peer."""
    return lambda **changes: Phone("1001", PASSWORD, **changes)
