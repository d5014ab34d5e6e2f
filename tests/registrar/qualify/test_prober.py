"""What probes make known of a phone: a worker's prober over a real PostgreSQL, its clock and its phones in our hand."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from apps.extensions.models import Extension, Peer
from apps.extensions.services import NewPeer
from apps.registrar.models import Binding, Probe, RegistrationEvent
from apps.registrar.qualify.prober import Prober
from apps.registrar.qualify.schedule import Schedule
from apps.registrar.qualify.store import Reach, claim
from apps.registrar.rounds import DATABASE_TROUBLE
from apps.registrar.store import Store
from apps.sipserver.events import Datagram, Origin
from tests.registrar.conftest import url_of_test_database
from tests.registrar.qualify.phones import KEY, SERVER, answer_to, bind, read_options

pytestmark = pytest.mark.django_db(transaction=True)


class AlwaysDue(Schedule):
    """Every turn comes with the next tick, once."""

    def __init__(self, binding_ids: Iterable[UUID]) -> None:
        self.binding_ids = list(binding_ids)

    def due(self, since_s: float, until_s: float) -> list[UUID]:
        due, self.binding_ids = self.binding_ids, []
        return due


class Worker:
    """One worker's prober; what it sends stays here."""

    def __init__(self, store: Store, name: str = "w", server: str = SERVER) -> None:
        self.now_s = 1000.0
        self.sent: list[Datagram] = []
        self.changed: list[UUID] = []
        self.prober = Prober(
            store.pool,
            Reach(server, name),
            KEY,
            self._send,
            self.changed.extend,
            ("192.0.2.1", 5060),
            clock=lambda: self.now_s,
        )

    async def _send(self, event: dict[str, Any]) -> None:
        self.sent += event["datagrams"]

    async def tick(self, seconds: float = 0.25) -> list[Datagram]:
        """What is sent after so long."""
        self.now_s += seconds
        self.sent = []
        await self.prober.probe()
        return self.sent

    async def turn(self, *binding_ids: UUID) -> list[Datagram]:
        """The bindings' turn, an interval after their last one."""
        await older()
        self.prober._schedule = AlwaysDue(binding_ids)
        return await self.tick()

    async def answer(self, probe: Datagram, *, after_s: float = 0.02, status: int = 200) -> None:
        data, destination = probe
        self.now_s += after_s
        self.prober.hear([(answer_to(data, status), destination)])
        await self.tick()

    async def lose(self) -> int:
        """Nobody answers what is under way; how often it was sent again."""
        repeats = 0
        for _ in range(130):
            repeats += len(await self.tick())
        return repeats


@sync_to_async
def older() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE registrar_probe SET sent_at = sent_at - interval '60 s'")


@sync_to_async
def events() -> list[tuple[str, str, int]]:
    rows = RegistrationEvent.objects.order_by("event_id")
    return [(row.event, row.reason, row.count) for row in rows]


@pytest.fixture
def peer(extension_1001: NewPeer) -> Peer:
    return extension_1001.peer


@pytest.fixture
def binding(peer: Peer) -> UUID:
    return bind(peer)


@pytest.fixture
async def store(transactional_db: None) -> AsyncIterator[Store]:
    opened = Store(url_of_test_database())
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def worker(store: Store) -> Worker:
    return Worker(store)


async def test_an_answered_probe_shows_a_reachable_phone_and_how_far_it_is(
    worker: Worker, binding: UUID, peer: Peer
) -> None:
    (probe,) = await worker.turn(binding)
    assert probe[1] == ("203.0.113.1", 5062)
    assert read_options(probe[0]).request_uri_text == "sip:1001@10.0.0.1:5062"
    await worker.answer(probe, after_s=0.02, status=404)
    row = await Probe.objects.aget()
    assert (row.state, row.lost, row.status, row.peer_id) == ("reachable", 0, 404, peer.pk)
    assert row.rtt_ms == row.rtt_avg_ms == pytest.approx(20, abs=0.01)
    assert worker.changed == [peer.pk]
    assert await events() == []


async def test_an_answer_heard_at_another_host_shows_life_and_no_round_trip(
    store: Store, worker: Worker, binding: UUID
) -> None:
    elsewhere = Worker(store, "v", server="other 192.0.2.2:5060")
    (probe,) = await worker.turn(binding)
    await elsewhere.answer(probe)
    row = await Probe.objects.aget()
    assert (row.state, row.answered, row.rtt_ms, row.rtt_avg_ms) == ("reachable", True, None, None)
    assert await worker.lose() == 0


async def test_the_smoothed_round_trip_takes_in_an_eighth_of_each(worker: Worker, binding: UUID) -> None:
    for rtt_s in (0.1, 0.02):
        (probe,) = await worker.turn(binding)
        await worker.answer(probe, after_s=rtt_s)
    row = await Probe.objects.aget()
    assert [row.rtt_ms, row.rtt_avg_ms] == pytest.approx([20, 90], abs=0.01)
    assert len(worker.changed) == 1


async def test_two_losses_make_a_phone_unreachable_and_one_answer_reachable(
    worker: Worker, binding: UUID, peer: Peer
) -> None:
    await worker.turn(binding)
    assert await worker.lose() == 10
    assert [(row.state, row.lost) async for row in Probe.objects.all()] == [("unknown", 1)]
    assert worker.changed == []

    for _ in range(2):
        await worker.turn(binding)
        await worker.lose()
    event = await RegistrationEvent.objects.aget()
    assert (event.event, event.reason, event.count) == ("unreachable", "probe_lost", 2)
    assert (event.contact, event.received_addr, event.received_port, event.binding_id) == (
        "sip:1001@10.0.0.1:5062",
        "203.0.113.1",
        5062,
        binding,
    )
    row = await Probe.objects.aget()
    assert (row.state, row.lost, row.state_since) == ("unreachable", 3, event.at)

    (probe,) = await worker.turn(binding)
    await worker.answer(probe)
    assert [(row.state, row.lost) async for row in Probe.objects.all()] == [("reachable", 0)]
    assert await events() == [("unreachable", "probe_lost", 2), ("reachable", "probe_regained", 3)]
    assert worker.changed == [peer.pk, peer.pk]


async def test_an_answer_that_comes_after_the_loss_still_counts(worker: Worker, binding: UUID) -> None:
    for _ in range(2):
        (probe,) = await worker.turn(binding)
        await worker.lose()
    await worker.answer(probe)
    assert (await Probe.objects.aget()).state == "reachable"


async def test_only_an_answer_to_the_last_probe_counts(worker: Worker, binding: UUID) -> None:
    (first,) = await worker.turn(binding)
    await worker.turn(binding)
    await worker.answer(first)
    assert (await Probe.objects.aget()).answered is None


async def test_a_forged_answer_counts_for_nothing(worker: Worker, binding: UUID) -> None:
    ((data, source),) = await worker.turn(binding)
    answer, forged = answer_to(data), answer_to(data.replace(b"z9hG4bKq", b"z9hG4bKq7"))
    shifted = answer.replace(b"branch=z9hG4bKq", b"branch=z9hG4bKqa")
    worker.prober.hear([(forged, source), (shifted, source), (answer, ("203.0.113.99", 5062))])
    await worker.tick()
    assert (await Probe.objects.aget()).answered is None


async def test_a_long_round_trip_is_measured_before_the_first_repeat_and_called_lagging(
    worker: Worker, binding: UUID
) -> None:
    (probe,) = await worker.turn(binding)
    await worker.answer(probe, after_s=0.7)
    assert (await Probe.objects.aget()).rtt_ms is None

    for rtt_s, state in ((0.7, "lagging"), *[(0.02, "lagging")] * 4, (0.02, "reachable")):
        (probe,) = await worker.turn(binding)
        await worker.answer(probe, after_s=rtt_s)
        assert (await Probe.objects.aget()).state == state
    assert await events() == []


async def test_two_workers_never_send_the_same_probe(store: Store, peer: Peer) -> None:
    ids = [await sync_to_async(bind)(peer, number) for number in range(1, 41)]
    reach = Reach(SERVER, "w")
    async with store.pool.connection() as one, store.pool.connection() as other:
        for _ in range(5):
            found = await asyncio.gather(claim(one, reach, ids), claim(other, reach, ids[::-1]))
            assert sorted(claimed.binding_id for part in found for claimed in part) == sorted(ids)
            await older()
        assert await claim(one, reach, ids)
        assert await claim(other, reach, ids) == []


async def test_the_other_worker_may_hear_the_answer_and_then_nothing_is_repeated(
    store: Store, worker: Worker, binding: UUID
) -> None:
    (probe,) = await worker.turn(binding)
    other = Worker(store, "other")
    await other.answer(probe)
    assert await worker.lose() == 0
    assert (await Probe.objects.aget()).answered is True


async def test_a_move_forgets_the_losses_and_ends_what_is_under_way(worker: Worker, binding: UUID) -> None:
    await worker.turn(binding)
    await worker.lose()
    (old,) = await worker.turn(binding)
    await Binding.objects.aupdate(received_port=40_000)
    assert await worker.lose() == 0
    await worker.answer(old)
    assert (await Probe.objects.aget()).answered is None
    ((_, destination),) = await worker.turn(binding)
    assert destination == ("203.0.113.1", 40_000)
    assert (await Probe.objects.aget()).lost == 0
    assert await events() == []


async def test_a_register_alone_makes_no_unreachable_phone_reachable(worker: Worker, binding: UUID) -> None:
    for _ in range(2):
        await worker.turn(binding)
        await worker.lose()
    await Binding.objects.aupdate(received_port=40_000)
    await worker.turn(binding)
    row = await Probe.objects.aget()
    assert (row.state, row.lost) == ("unreachable", 0)


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        (Peer, {"qualify": False}),
        (Peer, {"enabled": False}),
        (Binding, {"server": "host 127.0.0.1:5080"}),
        (Binding, {"server": ""}),
        (Binding, {"flow": "another/1", "transport": "TCP"}),
    ],
)
async def test_who_is_not_to_be_probed_is_not(
    worker: Worker, store: Store, binding: UUID, table: Any, changes: dict[str, object]
) -> None:
    await table.objects.aupdate(**changes)
    assert await worker.turn(binding) == []
    await worker.prober.read_schedule()
    assert worker.prober._schedule.due(0.0, 60.0) == []
    assert not await Probe.objects.aexists()


async def test_a_binding_that_is_over_is_not_probed(worker: Worker, peer: Peer, binding: UUID) -> None:
    await Binding.objects.all().adelete()
    assert await worker.turn(binding) == []


async def test_the_phones_of_a_disabled_extension_are_not_probed(worker: Worker, binding: UUID) -> None:
    await Extension.objects.aupdate(enabled=False)
    assert await worker.turn(binding) == []


async def test_over_a_connection_only_its_worker_probes_and_only_once(worker: Worker, peer: Peer) -> None:
    binding = await sync_to_async(bind)(peer, server="", flow="w/7", transport="TCP")
    ((data, destination),) = await worker.turn(binding)
    assert destination == Origin("203.0.113.1", 5062, "TCP", "w/7", None)
    assert read_options(data).vias[0].transport == "TCP"
    assert await worker.lose() == 0
    assert (await Probe.objects.aget()).lost == 1


async def test_over_udp_it_leaves_from_the_address_the_phone_registered_at(
    worker: Worker, peer: Peer
) -> None:
    binding = await sync_to_async(bind)(peer, local="000000007f00000200000000")
    ((_, destination),) = await worker.turn(binding)
    local = b"\0\0\0\0\x7f\0\0\x02\0\0\0\0"
    assert destination == Origin("203.0.113.1", 5062, "UDP", None, local)


async def test_what_a_worker_that_stood_still_had_under_way_is_not_judged(
    worker: Worker, binding: UUID
) -> None:
    await worker.turn(binding)
    await worker.tick(40)
    row = await Probe.objects.aget()
    assert (row.lost, row.answered) == (0, None)


async def test_answers_heard_while_the_database_is_away_are_written_when_it_is_back(
    worker: Worker, store: Store, binding: UUID
) -> None:
    (probe,) = await worker.turn(binding)
    away = Store(url_of_test_database())
    worker.prober.pool = away.pool  # not open
    with pytest.raises(DATABASE_TROUBLE):
        await worker.answer(probe)
    worker.prober.pool = store.pool
    await worker.tick()
    assert (await Probe.objects.aget()).state == "reachable"


async def test_what_was_under_way_while_the_database_was_away_is_not_judged(
    worker: Worker, store: Store, binding: UUID
) -> None:
    await worker.turn(binding)
    away = Store(url_of_test_database())
    worker.prober.pool = away.pool
    with pytest.raises(DATABASE_TROUBLE):
        await worker.lose()
    worker.prober.pool = store.pool
    assert await worker.lose() == 0
    assert (await Probe.objects.aget()).lost == 0


async def test_the_schedule_is_read_with_each_peers_interval(
    worker: Worker, peer: Peer, binding: UUID
) -> None:
    await Peer.objects.aupdate(qualify_interval_s=2)
    await worker.prober.read_schedule()
    looks = [worker.prober._schedule.due(tick * 0.25, (tick + 1) * 0.25) for tick in range(16)]
    assert [one for look in looks for one in look] == [binding, binding]


async def test_what_was_known_of_a_binding_that_is_over_is_forgotten(
    worker: Worker, peer: Peer, binding: UUID
) -> None:
    other = await sync_to_async(bind)(peer, 2)
    await worker.turn(binding, other)
    await Binding.objects.filter(binding_id=binding).adelete()
    await worker.prober.tidy()
    assert [row.binding_id async for row in Probe.objects.all()] == [other]
    await Peer.objects.aupdate(qualify=False)
    await worker.prober.tidy()
    assert not await Probe.objects.aexists()


async def test_a_row_stays_on_its_page_when_it_is_written(worker: Worker, binding: UUID) -> None:
    """No index changes with it and half of each page is free: an update costs no index entry."""
    for _ in range(20):
        (probe,) = await worker.turn(binding)
        await worker.answer(probe)
    assert await pages_of_probes() == 1


@sync_to_async
def pages_of_probes() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size('registrar_probe') / current_setting('block_size')::int")
        pages: int = cursor.fetchone()[0]
    return pages
