"""Subscriptions and NOTIFYs in PostgreSQL: queued with the change, sent by one worker, repeated, answered, given up."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from psycopg import AsyncConnection

from apps.registrar.bindings import ChangeSet
from apps.registrar.regevent import store
from apps.registrar.regevent.queue import Cause, cause_of
from apps.registrar.regevent.replies import Reply
from apps.registrar.regevent.values import EndOfSubscription, Subscribed, Subscription, Way
from apps.registrar.store import Store
from tests.registrar.conftest import url_of_test_database
from tests.registrar.regevent.subscriptions import (
    AOR,
    KEY,
    ReadNotify,
    Subscriptions,
    read_notify,
    subscribe_request,
)
from tests.registrar.regevent.test_notify import ended

QUEUE = store.NotifyQueue(KEY, uuid4)
LOCAL = b"\x00\x01address"


class Database:
    """One connection, and the time moved by hand: rows are made older instead of waiting."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self.connection = connection

    async def now(self) -> dt.datetime:
        now: dt.datetime = (await (await self.connection.execute("SELECT clock_timestamp()")).fetchall())[0][
            0
        ]
        return now

    async def queue(self, cause: Cause) -> bool:
        async with self.connection.pipeline(), self.connection.transaction():
            asked = await QUEUE.take(self.connection, cause)
            return await QUEUE.write(self.connection, cause, asked, await self.now())

    async def subscribe(self, way: Way, *, expires: int = 600, call_id: str = "dialog-1") -> Subscription:
        decision = Subscriptions().subscribe(subscribe_request(expires=expires, call_id=call_id), way=way)
        (told,) = decision.told
        now = await self.now()
        row = replace(
            told.subscription,
            subscription_id=uuid4(),
            expires_at=now + dt.timedelta(seconds=expires),
            notified_at=now,
        )
        moved = Subscribed(row)
        assert await self.queue(cause_of(ChangeSet(), [moved]))
        return row

    async def pass_time(self, seconds: float) -> None:
        for table, columns in (
            ("registrar_pendingnotify", ("next_at", "give_up_at")),
            ("registrar_regsubscription", ("expires_at", "notified_at")),
        ):
            older = ", ".join(f"{column} = {column} - %(by)s" for column in columns)
            await self.connection.execute(
                f"UPDATE {table} SET {older}", {"by": dt.timedelta(seconds=seconds)}
            )

    async def due(self, worker: str = "w1", *, datagrams: bool = True) -> list[ReadNotify]:
        return [
            read_notify(one.data)
            for one in await store.claim_due(self.connection, worker, datagrams=datagrams)
        ]

    async def stored(self) -> Sequence[Subscription]:
        return (await store.subscriptions_of(self.connection, [AOR])).get(AOR, ())

    async def pending(self) -> int:
        cursor = await self.connection.execute("SELECT count(*) FROM registrar_pendingnotify")
        return int((await cursor.fetchall())[0][0])

    async def answer(self, notify: ReadNotify, status: int = 200, flow: str | None = None) -> None:
        branch = notify.request.vias[0].branch or ""
        await store.answered(self.connection, [Reply(branch, status, flow)])


@pytest.fixture
async def registrar_store(db: None) -> AsyncIterator[Store]:
    """Rows of these tests belong to no AOR of Django's, so emptying two tables is all there is to undo."""
    opened = Store(url_of_test_database())
    await opened.open()
    yield opened
    for table in ("registrar_pendingnotify", "registrar_regsubscription"):
        await opened.execute(f"DELETE FROM {table}")
    await opened.close()


@pytest.fixture
async def database(registrar_store: Store) -> AsyncIterator[Database]:
    async with registrar_store.pool.connection() as connection:
        yield Database(connection)


UDP = Way("203.0.113.7", 5062, local=LOCAL)
TCP = Way("203.0.113.7", 40000, "TCP", "w1/7")


async def test_c111_a_subscription_and_its_first_notify_are_stored_and_sent_once(
    database: Database, registrar_store: Store
) -> None:
    row = await database.subscribe(UDP)
    (stored,) = await database.stored()
    (due,) = await store.claim_due(database.connection, "w1", datagrams=True)
    async with registrar_store.pool.connection() as other:
        assert await Database(other).due("w2") == []
    assert due.way == UDP
    assert stored.way == UDP
    assert stored.subscription_id == row.subscription_id
    assert (stored.cseq, stored.version) == (1, 1)
    assert read_notify(due.data).document == ("full", 0)


async def test_c111_an_unanswered_notify_is_repeated_as_timer_e_says_and_ends_the_subscription(
    database: Database,
) -> None:
    await database.subscribe(UDP)
    sent_after_s = [0.0]
    assert len(await database.due()) == 1
    for _ in range(10):
        cursor = await database.connection.execute(
            "SELECT extract(epoch FROM next_at - clock_timestamp())::float FROM registrar_pendingnotify"
        )
        wait_s = (await cursor.fetchall())[0][0]
        await database.pass_time(wait_s)
        await store.give_up(database.connection)
        if not await database.due():
            break
        sent_after_s.append(sent_after_s[-1] + wait_s)
    assert sent_after_s == pytest.approx([0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5], abs=0.4)
    await database.pass_time(1)
    await store.give_up(database.connection)
    assert await database.stored() == ()
    assert await database.pending() == 0


async def test_c111_an_answer_ends_the_repeats_and_keeps_the_subscription(database: Database) -> None:
    await database.subscribe(UDP)
    (notify,) = await database.due()
    await database.answer(notify, 200)
    await database.pass_time(33)
    await store.give_up(database.connection)
    assert await database.pending() == 0
    assert len(await database.stored()) == 1


async def test_c111_a_provisional_answer_slows_the_repeats_down(database: Database) -> None:
    await database.subscribe(UDP)
    (notify,) = await database.due()
    await database.answer(notify, 100)
    await database.pass_time(3)
    assert await database.due() == []
    await database.pass_time(2)
    assert len(await database.due()) == 1


async def test_c111_481_ends_the_subscription_at_once(database: Database) -> None:
    await database.subscribe(UDP)
    (notify,) = await database.due()
    await database.answer(notify, 481)
    assert await database.stored() == ()
    assert await database.pending() == 0


async def test_c111_an_answer_over_another_connection_is_not_believed(database: Database) -> None:
    await database.subscribe(TCP)
    (notify,) = await database.due()
    await database.answer(notify, 481, flow="w1/8")
    assert await database.pending() == 1
    await database.answer(notify, 200, flow="w1/7")
    assert await database.pending() == 0


async def test_c111_a_change_waits_for_the_answer_and_for_5_s(database: Database) -> None:
    await database.subscribe(UDP)
    (first,) = await database.due()
    assert await database.queue(cause_of(ended()))
    await database.pass_time(5)
    repeats = await database.due()
    assert [notify.request.cseq for notify in repeats] == [1]
    await database.answer(first)
    (second,) = await database.due()
    assert second.request.cseq == 2
    assert second.document == ("partial", 1)


async def test_c111_changes_in_between_become_one_full_notify(database: Database) -> None:
    await database.subscribe(UDP)
    (first,) = await database.due()
    await database.answer(first)
    for _ in range(3):
        assert await database.queue(cause_of(ended()))
    assert await database.due() == []
    await database.pass_time(5)
    (second,) = await database.due()
    assert second.document == ("full", 1)
    assert await database.pending() == 1


async def test_c111_a_change_nobody_subscribed_to_queues_nothing(database: Database) -> None:
    assert not await database.queue(cause_of(ended()))
    assert await database.pending() == 0


async def test_c111_another_subscriber_hears_nothing_of_a_subscribe(database: Database) -> None:
    await database.subscribe(UDP)
    await database.subscribe(UDP, call_id="dialog-2")
    cursor = await database.connection.execute("SELECT version FROM registrar_regsubscription")
    assert await cursor.fetchall() == [(1,), (1,)]
    assert await database.pending() == 2


async def test_c111_a_flows_notify_is_sent_by_its_worker_alone_and_never_repeated(database: Database) -> None:
    await database.subscribe(TCP)
    assert await database.due("w2") == []
    assert len(await database.due("w1", datagrams=False)) == 1
    await database.pass_time(31)
    assert await database.due("w1") == []
    await database.pass_time(2)
    await store.give_up(database.connection)
    assert await database.stored() == ()


async def test_c111_a_worker_without_udp_sends_no_datagrams(database: Database) -> None:
    await database.subscribe(UDP)
    assert await database.due(datagrams=False) == []


async def test_c111_a_closed_connection_ends_its_subscriptions(database: Database) -> None:
    await database.subscribe(TCP)
    await database.subscribe(UDP, call_id="dialog-2")
    await store.end_flows(database.connection, ["w1/7"])
    assert [row.call_id for row in await database.stored()] == ["dialog-2"]


async def test_c111_time_over_is_told_and_nothing_after(database: Database) -> None:
    await database.subscribe(UDP, expires=60)
    (first,) = await database.due()
    await database.answer(first)
    assert not await store.end_expired(database.connection, QUEUE)
    await database.pass_time(60)
    assert await store.end_expired(database.connection, QUEUE)
    assert await database.stored() == ()
    (last,) = await database.due()
    assert last.state == "terminated;reason=timeout"
    assert last.document == ("full", 1)
    assert not await database.queue(cause_of(ended()))


async def test_c111_a_disabled_peer_is_told_that_it_is_over(database: Database) -> None:
    row = await database.subscribe(UDP)
    cause = cause_of(ChangeSet(), ended_peers={row.peer_id: EndOfSubscription.REJECTED})
    assert await database.queue(cause)
    (last,) = await database.due()
    assert last.state == "terminated;reason=rejected"
    assert await database.stored() == ()
