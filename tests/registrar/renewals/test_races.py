"""Two workers, one database: whoever comes second sees what the first committed (RFC 3261 §10.3, RFC 7616 §5.5)."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from psycopg import OperationalError

from apps.extensions.audit import Actor
from apps.extensions.models import Domain
from apps.extensions.services import NewPeer, extension_create
from apps.registrar import services
from apps.registrar.models import Binding, NonceUse, RegistrationEvent
from apps.registrar.renewals import sql
from apps.registrar.renewals.memory import Memory
from apps.registrar.sql import lock_key
from apps.registrar.sweeper import sweep
from apps.sip.nonce import make_nonce
from apps.sipserver.events import Datagram
from tests.registrar.conftest import NONCE_KEY, PASSWORD, Registrar, url_of_test_database
from tests.registrar.phone import Phone, read_reply
from tests.registrar.renewals.conftest import Quick, WatchedStore

pytestmark = pytest.mark.django_db(transaction=True)

AOR = "sip:1001@example.com"
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@contextmanager
def held_lock(aor: str = AOR) -> Iterator[psycopg.Connection[Any]]:
    """The AOR's lock in another connection, until the end."""
    with psycopg.connect(url_of_test_database(), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [lock_key(aor)])
        yield connection


async def until_waiting(connection: psycopg.Connection[Any], number: int) -> None:
    for _ in range(2000):
        if connection.execute(WAITING).fetchone() == (number,):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{number} do not wait")


async def one_by_one(registrar: Registrar, *datagrams: Datagram) -> list[int]:
    return [read_reply(raw).status for raw, _ in await registrar.processor.answers(list(datagrams))]


async def binding() -> Binding:
    return await Binding.objects.aget()


async def test_c42_c43_the_same_renewal_to_two_workers_at_once_is_accepted_once_and_answered_twice(
    two: list[Quick], phone: Phone
) -> None:
    await two[0].renewed(phone)
    before = (await binding()).refresh_count

    for _ in range(5):
        data = phone.register()
        first, second = await asyncio.gather(*(worker.send(phone, data) for worker in two))
        assert first is not None
        assert second is not None
        assert (first.status, first.raw) == (200, second.raw)

    assert (await binding()).refresh_count == before + 5
    assert await RegistrationEvent.objects.acount() == 1


async def test_a_renewal_waits_for_the_lock_of_its_aor(quick: Quick, phone: Phone) -> None:
    await quick.renewed(phone)
    taken = quick.taken

    with held_lock() as connection:
        renewal = asyncio.create_task(quick.send(phone, phone.register()))
        await until_waiting(connection, 1)
        assert not renewal.done()
        assert (await binding()).refresh_count == 1
    reply = await renewal

    assert reply is not None
    assert (reply.status, quick.taken) == (200, taken + 1)


async def test_what_both_have_read_is_written_by_one(two: list[Quick], phone: Phone) -> None:
    await two[0].renewed(phone)
    before, taken = (await binding()).refresh_count, [worker.taken for worker in two]
    data = phone.register()

    with held_lock() as connection:
        sent = [asyncio.create_task(worker.send(phone, data)) for worker in two]
        await until_waiting(connection, 2)
    replies = await asyncio.gather(*sent)

    assert len({reply.raw for reply in replies if reply}) == 1
    assert (await binding()).refresh_count == before + 1
    assert sum(worker.taken for worker in two) == sum(taken) + 1


async def test_c68_of_two_renewals_read_at_once_the_older_does_not_win(
    two: list[Quick], phone: Phone
) -> None:
    await two[0].renewed(phone)
    now_s = int((await binding()).refreshed_at.timestamp())
    older = phone.register()
    phone.nonce, phone.nc = make_nonce(NONCE_KEY, now_s, b"second", phone.source[0], phone.domain), 0
    newer = phone.register()

    with held_lock() as connection:
        second = asyncio.create_task(two[1].send(phone, newer))
        await until_waiting(connection, 1)
        first = asyncio.create_task(two[0].send(phone, older))
        await until_waiting(connection, 2)
    replies = [await second, await first]

    assert [reply.status for reply in replies if reply] == [200, 400]
    assert (await binding()).cseq == phone.cseq


@pytest.mark.parametrize("end", ["un-REGISTER", "console"])
async def test_a_renewal_that_waits_while_its_binding_ends_is_judged_anew(
    two: list[Quick], phone: Phone, end: str
) -> None:
    quick, other = two
    await quick.renewed(phone)
    old, taken = await binding(), quick.taken
    renewal_data, sign_off = phone.register(), phone.register(expires=0)

    with held_lock() as connection:
        if end == "console":
            drop = sync_to_async(services.binding_drop, thread_sensitive=False)
            ending: Any = drop(binding=old, actor=Actor.of_command("test"))
        else:
            ending = other.send(phone, sign_off)
        first = asyncio.create_task(_awaited(ending))
        await until_waiting(connection, 1)
        second = asyncio.create_task(quick.send(phone, renewal_data))
        await until_waiting(connection, 2)
    await first
    reply = await second

    assert reply is not None
    assert quick.taken == taken
    if end == "console":
        assert reply.status == 200
        assert (await binding()).binding_id != old.binding_id
    else:
        assert reply.status == 401  # its nonce count is lower than that of the sign-off
        assert not await Binding.objects.aexists()


async def _awaited(something: Any) -> Any:
    return await something


async def test_the_sweeper_and_a_renewal_do_not_lose_each_others_work(two: list[Quick], phone: Phone) -> None:
    quick, other = two
    await quick.renewed(phone)

    for _ in range(5):
        reply, _ = await asyncio.gather(quick.register(phone), sweep(other.store))
        assert reply.status == 200

    assert (await binding()).refresh_count == 6


async def test_c92_two_accounts_of_one_phone_with_one_nonce_never_use_one_count_twice(
    two: list[Quick], phone: Phone, actor: Actor
) -> None:
    domain = await Domain.objects.aget()
    await sync_to_async(extension_create)(domain=domain, number="1002", password=PASSWORD, actor=actor)
    line2 = Phone("1002", PASSWORD)
    await two[0].renewed(phone)
    await two[1].renewed(line2)
    line2.nonce = phone.nonce
    line2.nc = phone.nc
    before = {row.aor: row.refresh_count async for row in Binding.objects.all()}

    with held_lock() as connection, held_lock("sip:1002@example.com"):
        sent = [
            asyncio.create_task(worker.send(line, line.register()))
            for worker, line in zip(two, (phone, line2), strict=True)
        ]
        await until_waiting(connection, 2)
    replies = [await one for one in sent]

    assert sorted(reply.status for reply in replies if reply) == [200, 401]
    after = {row.aor: row.refresh_count async for row in Binding.objects.all()}
    assert sum(after.values()) == sum(before.values()) + 1


class Broken(WatchedStore):
    """Loses its connection before or after the statement it is told."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.breaks: tuple[str, bool] | None = None

    async def fetch_by_keys(self, statement: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        broken, self.breaks = (
            self.breaks,
            None if self.breaks and self.breaks[0] is statement else self.breaks,
        )
        if broken == (statement, False):
            raise OperationalError("gone before it was sent")
        rows = await super().fetch_by_keys(statement, params)
        if broken == (statement, True):
            raise OperationalError("gone before it was heard")
        return rows


@pytest.mark.parametrize("statement", [sql.READ, sql.RENEW], ids=["READ", "RENEW"])
@pytest.mark.parametrize("is_done", [False, True], ids=["not done", "done"])
async def test_c44_a_connection_lost_on_the_way_costs_no_answer_and_renews_once(
    extension_1001: NewPeer, phone: Phone, statement: str, is_done: bool
) -> None:
    store = Broken(url_of_test_database())
    await store.open()
    quick = Quick(store)
    await quick.register(phone)
    store.breaks = (statement, is_done)
    data = phone.register()

    first = await quick.send(phone, data)
    repeat = await quick.send(phone, data)
    await store.close()

    assert first is not None
    assert repeat is not None
    assert (first.status, first.raw) == (200, repeat.raw)
    assert store.breaks is None
    assert (await binding()).refresh_count == 1
    assert (await NonceUse.objects.aget()).nc == 2


async def test_c42_an_answer_that_was_not_sent_is_told_to_the_repeat_by_another_worker(
    two: list[Quick], phone: Phone
) -> None:
    await two[0].renewed(phone)
    data = phone.register()
    ((unsent, _),) = await two[0].processor.answers([(data, phone.source)])

    repeat = await two[1].send(phone, data)

    assert repeat is not None
    assert repeat.raw == unsent
    assert (await binding()).refresh_count == 2


async def test_a_renewal_and_a_sign_off_in_one_batch_hold_in_their_order(quick: Quick, phone: Phone) -> None:
    await quick.renewed(phone)
    renewal, sign_off = phone.register(), phone.register(expires=0)
    assert await one_by_one(quick, (renewal, phone.source), (sign_off, phone.source)) == [200, 200]
    assert not await Binding.objects.aexists()

    await quick.renewed(phone)
    sign_off, again = phone.register(expires=0), phone.register()
    assert await one_by_one(quick, (sign_off, phone.source), (again, phone.source)) == [200, 200]
    assert (await binding()).refresh_count == 0


async def test_two_renewals_of_one_phone_in_one_batch_hold_in_their_order(quick: Quick, phone: Phone) -> None:
    await quick.renewed(phone)
    taken = quick.taken
    first, second = phone.register(), phone.register()

    assert await one_by_one(quick, (first, phone.source), (second, phone.source)) == [200, 200]
    assert ((await binding()).refresh_count, quick.taken) == (3, taken)


async def test_a_renewal_does_not_overtake_what_came_before_it_under_the_same_nonce(
    quick: Quick, phone: Phone, actor: Actor
) -> None:
    domain = await Domain.objects.aget()
    await sync_to_async(extension_create)(domain=domain, number="1002", password=PASSWORD, actor=actor)
    await quick.renewed(phone)
    # Its other line says what is no renewal, under the next count of the nonce that both use.
    line2 = Phone("1002", PASSWORD, nonce=phone.nonce, nc=phone.nc)
    other = line2.register().replace(b"\r\nVia:", b"\r\nv:")
    phone.nc = line2.nc
    renewal = phone.register()

    assert await one_by_one(quick, (other, phone.source), (renewal, phone.source)) == [200, 200]


async def test_renewals_of_many_phones_in_one_batch_take_one_round_trip_each_way_and_then_one_in_all(
    quick: Quick, phone: Phone, actor: Actor
) -> None:
    domain = await Domain.objects.aget()
    phones = [phone]
    for number in ("1002", "1003", "1004"):
        await sync_to_async(extension_create)(domain=domain, number=number, password=PASSWORD, actor=actor)
        phones.append(Phone(number, PASSWORD))
    for one in phones:
        await quick.register(one)
    quick.counting.lane.memory = Memory()
    quick.watched.fetched.clear()

    first, second = [
        await one_by_one(quick, *((one.register(), one.source) for one in phones)) for _ in range(2)
    ]

    assert first == second == [200] * 4
    assert [statement for statement, _ in quick.watched.fetched] == [sql.READ, sql.RENEW, sql.RENEW]
