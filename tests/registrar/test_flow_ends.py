"""A connection that ends takes its bindings with it, whatever the application is doing, or has just failed at."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from asgiref.sync import sync_to_async
from psycopg import AsyncConnection

from apps.extensions.services import NewPeer
from apps.registrar.batches import BatchProcessor
from apps.registrar.consumers import RegistrarConsumer
from apps.registrar.models import Binding, RegistrationEvent
from apps.registrar.rounds import Rounds
from apps.registrar.sql import LOCK_AORS, lock_keys
from apps.sipserver.events import Application, Origin
from apps.sipserver.server import SipServer
from tests.patience import PATIENCE_S, eventually
from tests.registrar.conftest import PASSWORD, url_of_test_database
from tests.registrar.phone import Phone, Reply, read_reply

pytestmark = pytest.mark.django_db(transaction=True)

AOR = "sip:1001@example.com"
PEER = ("127.0.0.1", 50_000)


class Wire:
    """The Connection of one phone: answers can be read, and it can be cut."""

    def __init__(self, server: SipServer) -> None:
        assert server.flows.admit(PEER[0])
        self.server = server
        self.phone = Phone("1001", PASSWORD, source=PEER)
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()
        self.origin: Origin = server.flows.opened(self, *PEER, "TCP")

    def write(self, data: bytes) -> bool:
        self.answers.put_nowait(data)
        return True

    def hold(self) -> None:
        """Nothing is read here."""

    def release(self) -> None:
        """As hold()."""

    def close(self) -> None:
        self.server.flows.closed(self.origin)

    def say(self, data: bytes) -> None:
        self.server.flows.deliver(self.origin, [data])

    async def ask(self, data: bytes) -> Reply:
        self.say(data)
        return read_reply(await asyncio.wait_for(self.answers.get(), PATIENCE_S))

    async def challenged(self) -> None:
        self.phone.nonce = None
        self.phone.read_challenge(await self.ask(self.phone.register()))


@pytest.fixture
async def server(extension_1001: NewPeer) -> AsyncIterator[SipServer]:
    """The registrar behind a SIP server whose connections are Wires."""
    server = SipServer(cast(Application, RegistrarConsumer.as_asgi()), None)
    task = asyncio.create_task(server.arun())
    yield server
    server.stop()
    await asyncio.wait_for(task, PATIENCE_S)


@asynccontextmanager
async def aor_locked() -> AsyncIterator[Callable[[int], Any]]:
    """Nobody else may change the AOR; yields a wait for so many that would like to."""
    async with await AsyncConnection.connect(url_of_test_database(), autocommit=True) as connection:

        async def waiting() -> int:
            query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ((found,),) = await (await connection.execute(query)).fetchall()
            return int(found)

        async def waited_for_by(count: int) -> None:
            async def enough() -> bool:
                return await waiting() >= count

            await eventually(enough)

        async with connection.transaction():
            await connection.execute(LOCK_AORS, {"keys": lock_keys([AOR])})
            yield waited_for_by


async def until_ended() -> None:
    await eventually(RegistrationEvent.objects.filter(reason="flow_closed").aexists)
    assert not await Binding.objects.aexists()


@sync_to_async
def ledger() -> list[tuple[str, str]]:
    return list(RegistrationEvent.objects.order_by("event_id").values_list("event", "reason"))


def fail_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next batch makes the application fail."""
    answers = BatchProcessor.answers

    async def fail(*_: object) -> list[Any]:
        monkeypatch.setattr(BatchProcessor, "answers", answers)
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr(BatchProcessor, "answers", fail)


async def restarted(server: SipServer) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not server.counters.restarts:  # noqa: ASYNC110 - a plain attribute
            await asyncio.sleep(0.01)


async def test_a_register_in_flight_when_its_connection_closes_ends_with_it(server: SipServer) -> None:
    wire = Wire(server)
    await wire.challenged()
    async with aor_locked() as waited_for_by:
        wire.say(wire.phone.register())
        await waited_for_by(1)
        wire.close()

    await until_ended()

    assert await ledger() == [("registered", "registered"), ("deactivated", "flow_closed")]


async def test_closed_connections_that_a_failed_application_knew_of_are_ended_by_the_next(
    server: SipServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Wire(server), Wire(server)
    await first.challenged()
    assert (await first.ask(first.phone.register())).status == 200
    async with aor_locked() as waited_for_by:
        first.close()
        await waited_for_by(1)
        fail_once(monkeypatch)
        second.say(second.phone.register())
        await restarted(server)

    await until_ended()

    assert await ledger() == [("registered", "registered"), ("deactivated", "flow_closed")]
    await second.challenged()
    second.close()


def background_work() -> int:
    return sum(
        getattr(task.get_coro(), "__qualname__", "") == Rounds._run.__qualname__
        for task in asyncio.all_tasks()
    )


async def test_an_application_that_failed_leaves_nothing_running(
    server: SipServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(server)
    await wire.challenged()
    before = background_work()

    fail_once(monkeypatch)
    wire.say(wire.phone.register())
    await restarted(server)

    await wire.challenged()
    assert background_work() == before > 0
    wire.close()
