"""Whom a worker remembers it renews in one statement, which finds out whether that still holds."""

import datetime as dt

import pytest
from asgiref.sync import sync_to_async

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import credential_rotate, extension_create
from apps.registrar.models import Binding
from apps.registrar.renewals import sql
from apps.registrar.renewals.memory import Memory
from apps.registrar.services import bindings_drop
from tests.registrar.conftest import PASSWORD
from tests.registrar.phone import Phone
from tests.registrar.renewals.conftest import Quick, aged

DATABASE = pytest.mark.django_db(transaction=True)


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_it_never_grows_beyond_its_bound_and_keeps_what_came_last() -> None:
    memory = Memory(100)

    for number in range(1000):
        memory.note(key(number), b"%d" % number)
        assert len(memory) <= 100
        assert memory.get(key(number)) == b"%d" % number

    assert len(memory) == 100


def test_of_more_phones_than_it_has_room_for_that_come_around_in_turn_it_knows_some() -> None:
    memory = Memory(100)
    known = 0

    for turn in range(20):
        for number in range(150):
            known += turn > 0 and memory.get(key(number)) is not None
            memory.note(key(number), b"x")

    assert known > 19 * 150 / 4


def test_what_is_forgotten_is_gone_and_its_place_is_used_again() -> None:
    memory = Memory(10)
    for _ in range(50):
        memory.note(key(1), b"one")
        memory.forget(key(1))
        assert memory.get(key(1)) is None
    for number in range(100):
        memory.note(key(number), b"x")

    assert 0 < len(memory) <= 10


def statements(quick: Quick) -> list[str]:
    names = {sql.READ: "read", sql.RENEW: "renew"}
    found = [names.get(statement, "other") for statement, _ in quick.watched.fetched]
    quick.watched.fetched.clear()
    return found


@pytest.fixture
async def other(quick: Quick, actor: Actor) -> Phone:
    """Of another extension."""
    domain = await Domain.objects.aget()
    await sync_to_async(extension_create)(domain=domain, number="1002", password=PASSWORD, actor=actor)
    return Phone("1002", PASSWORD)


@DATABASE
async def test_what_another_worker_renewed_is_renewed_from_memory_too(two: list[Quick], phone: Phone) -> None:
    first, second = two
    for worker in (first, first, second, second):
        await worker.register(phone)
    statements(first), statements(second)

    replies = [await worker.register(phone) for worker in (first, second, first, first, second)]

    assert [reply.status for reply in replies] == [200] * 5
    assert statements(first) == ["renew"] * 3
    assert statements(second) == ["renew"] * 2
    assert (await Binding.objects.aget()).refresh_count == 8


@DATABASE
async def test_a_second_device_is_in_the_answer_to_the_next_renewal(quick: Quick, phone: Phone) -> None:
    await quick.renewed(phone)
    await quick.register(Phone("1001", PASSWORD, call_id="other", source=("203.0.113.8", 5060)))
    statements(quick)

    reply = await quick.register(phone)

    assert len(reply.contacts) == 2
    assert statements(quick) == ["renew", "read", "renew"]
    assert len((await quick.register(phone)).contacts) == 2
    assert statements(quick) == ["read", "renew"]


@DATABASE
async def test_from_its_first_registration_on_a_phone_is_remembered_where_it_came(
    two: list[Quick], phone: Phone
) -> None:
    here, elsewhere = two
    await here.register(phone)
    statements(here)

    assert (await here.register(phone)).status == 200
    assert statements(here) == ["renew"]
    assert (await elsewhere.register(phone)).status == 200
    assert statements(elsewhere) == ["read", "renew"]


@DATABASE
async def test_a_first_registration_beside_another_device_or_password_is_not_remembered(
    quick: Quick, phone: Phone, actor: Actor
) -> None:
    await quick.register(phone)
    second = Phone("1001", PASSWORD, call_id="other", source=("203.0.113.8", 5060))
    await quick.register(second)
    statements(quick)
    assert (await quick.register(second)).status == 200
    assert statements(quick) == ["read", "renew"]

    peer = await Peer.objects.select_related("domain").aget()
    overlap = dt.timedelta(minutes=10)
    await sync_to_async(credential_rotate)(peer=peer, actor=actor, password="An0ther-one", overlap=overlap)
    await sync_to_async(bindings_drop)(bindings=[one async for one in Binding.objects.all()], actor=actor)
    third = Phone("1001", "An0ther-one", call_id="third")
    await quick.register(third)
    statements(quick)
    assert (await quick.register(third)).status == 200
    assert statements(quick) == ["read", "renew"]


@DATABASE
async def test_who_is_remembered_and_who_is_not_are_answered_in_one_batch(
    quick: Quick, phone: Phone, other: Phone
) -> None:
    await quick.renewed(phone)
    await quick.register(other)
    taken = quick.taken

    answers = await quick.processor.answers([(one.register(), one.source) for one in (phone, other)])

    assert sorted(raw[:11] for raw, _ in answers) == [b"SIP/2.0 200"] * 2
    assert quick.taken == taken + 2
    assert {row.refresh_count async for row in Binding.objects.all()} == {2, 1}


@DATABASE
async def test_c92_an_accepted_renewal_that_comes_again_spoils_nobodys_batch(
    quick: Quick, phone: Phone, other: Phone
) -> None:
    for one in (phone, other):
        await quick.renewed(one)
    replayed = phone.register()
    await quick.send(phone, replayed)
    taken = quick.taken

    answers = await quick.processor.answers(
        [(replayed.replace(b"CSeq: ", b"CSeq: 9"), phone.source), (other.register(), other.source)]
    )

    assert sorted(raw[:11] for raw, _ in answers) == [b"SIP/2.0 200", b"SIP/2.0 401"]
    assert quick.taken == taken + 1


@DATABASE
@pytest.mark.parametrize("off_s", [-3600.0, 3600.0])
async def test_a_clock_that_was_put_forward_or_back_is_noticed(
    quick: Quick, phone: Phone, off_s: float
) -> None:
    await quick.renewed(phone)
    before = quick.counting.lane.clock
    quick.counting.lane.clock = lambda: before() + off_s
    statements(quick)

    reply = await quick.register(phone)

    assert reply.status == 200
    assert statements(quick)[-2:] == ["read", "renew"]
    told = dt.datetime.strptime(reply.values("Date")[0], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=dt.UTC)
    assert abs((told - (await Binding.objects.aget()).refreshed_at).total_seconds()) < 2


@DATABASE
async def test_one_that_was_late_is_told_in_the_history_though_it_was_remembered(
    quick: Quick, phone: Phone
) -> None:
    await quick.renewed(phone)
    await Binding.objects.aupdate(late_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    taken = quick.taken

    reply = await quick.register(phone)

    assert (reply.status, quick.taken) == (200, taken)
    assert (await Binding.objects.aget()).late_at is None


@DATABASE
async def test_one_that_ended_meanwhile_is_registered_anew(quick: Quick, phone: Phone) -> None:
    await quick.renewed(phone)
    old = await Binding.objects.aget()
    await aged(dt.timedelta(hours=2))

    reply = await quick.register(phone)

    assert reply.status == 200
    assert (await Binding.objects.aget()).binding_id != old.binding_id
