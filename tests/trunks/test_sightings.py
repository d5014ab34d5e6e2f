"""What is remembered of packets: the last of each trunk, and calls from nobody's addresses."""

import datetime as dt

import pytest
from asgiref.sync import sync_to_async

from apps.extensions.audit import Actor
from apps.extensions.models import Peer, TrunkSighting
from apps.extensions.services import NewPeer, extension_create, peer_delete
from apps.registrar.models import Stranger
from apps.sipserver.events import Origin
from apps.trunks import sightings as limits
from apps.trunks.directory import Pool
from apps.trunks.models import TrunkCallsRefused
from apps.trunks.sightings import CallRefusal, TrunkSightings
from apps.trunks.values import CallMode, Trunk
from tests.trunks.conftest import register

pytestmark = pytest.mark.django_db(transaction=True)

T0 = dt.datetime(2026, 11, 23, 10, 2, tzinfo=dt.UTC)


class Times:
    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> dt.datetime:
        self.now += dt.timedelta(seconds=1)
        return self.now


@pytest.fixture
def sightings() -> TrunkSightings:
    return TrunkSightings(Times())


def known(trunk: Peer) -> Trunk:
    return Trunk(trunk.pk, trunk.name, "example.com", CallMode.PROXY)


async def test_the_last_packet_of_a_trunk_is_written(
    trunk: Peer, sightings: TrunkSightings, pool: Pool
) -> None:
    sightings.heard(known(trunk), Origin("192.0.2.16", 5060), "INVITE")
    sightings.heard(known(trunk), Origin("::ffff:192.0.2.17", 5061, "TLS", "w/1"), "BYE" * 20)
    await sightings.flush(pool)
    row = await TrunkSighting.objects.aget(peer=trunk)
    assert (row.received_addr, row.received_port, row.transport) == ("192.0.2.17", 5061, "TLS")
    assert (row.at, len(row.method)) == (T0 + dt.timedelta(seconds=2), 32)


async def test_a_later_packet_that_another_process_wrote_stays(
    trunk: Peer, sightings: TrunkSightings, pool: Pool
) -> None:
    later = TrunkSightings(lambda: T0 + dt.timedelta(hours=1))
    later.heard(known(trunk), Origin("192.0.2.16", 5060), "INVITE")
    await later.flush(pool)
    sightings.heard(known(trunk), Origin("192.0.2.17", 5060), "BYE")
    await sightings.flush(pool)
    assert (await TrunkSighting.objects.aget(peer=trunk)).method == "INVITE"


async def test_a_trunk_deleted_meanwhile_is_not_remembered(
    trunk: Peer, sightings: TrunkSightings, pool: Pool, actor: Actor
) -> None:
    sightings.heard(known(trunk), Origin("192.0.2.16", 5060), "INVITE")
    await sync_to_async(peer_delete)(peer=trunk, actor=actor)
    await sightings.flush(pool)
    assert not await TrunkSighting.objects.aexists()


async def test_refused_calls_of_an_address_are_one_row(sightings: TrunkSightings, pool: Pool) -> None:
    for port in (5060, 5062, 5064):
        sightings.refused(Origin("192.0.2.17", port), CallRefusal.NOT_TRUSTED)
    await sightings.flush(pool)
    sightings.refused(Origin("192.0.2.17", 5066), CallRefusal.NOT_TRUSTED)
    await sightings.flush(pool)
    row = await Stranger.objects.aget()
    assert (row.reason, row.received_addr, row.received_port, row.count) == (
        "call_not_trusted",
        "192.0.2.17",
        5066,
        4,
    )
    assert row.first_at < row.last_at


async def test_the_challenge_of_a_registered_phone_is_no_refusal(
    trunk: Peer, sightings: TrunkSightings, pool: Pool, actor: Actor
) -> None:
    ann: NewPeer = await sync_to_async(extension_create)(domain=trunk.domain, number="1001", actor=actor)
    await sync_to_async(register)(ann.peer, "203.0.113.7")
    for host in ("203.0.113.7", "192.0.2.17"):
        sightings.refused(Origin(host, 5060), CallRefusal.CHALLENGED)
    sightings.refused(Origin("203.0.113.7", 5060), CallRefusal.NOT_TRUSTED)
    await sightings.flush(pool)
    rows = Stranger.objects.order_by("received_addr").values_list("received_addr", "reason")
    assert [row async for row in rows] == [
        ("192.0.2.17", "call_challenged"),
        ("203.0.113.7", "call_not_trusted"),
    ]


async def test_a_flood_is_neither_memory_nor_rows(
    sightings: TrunkSightings, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_REFUSED", 20)
    monkeypatch.setattr(limits, "MOST_REFUSED_AT_ONCE", 5)
    for number in range(1000):
        sightings.refused(Origin(f"198.51.{number // 250}.{number % 250}", 5060), CallRefusal.NOT_TRUSTED)
    sightings.refused(Origin("no address", 5060), CallRefusal.NOT_TRUSTED)
    written = []
    for _ in range(6):
        await sightings.flush(pool)
        written.append(await Stranger.objects.acount())
    assert written == [5, 10, 15, 20, 20, 20]


async def refused_out() -> list[tuple[object, ...]]:
    rows = TrunkCallsRefused.objects.values_list("trunk__name", "status", "phrase", "proven", "count")
    return [row async for row in rows]


async def test_calls_that_a_carrier_refuses_are_one_row_until_it_takes_one(
    trunk: Peer, sightings: TrunkSightings, pool: Pool
) -> None:
    sightings.called(trunk.pk, 503, "Busy", proven=False)
    sightings.called(trunk.pk, 403, "Forbidden" * 20, proven=True)
    await sightings.flush(pool)
    sightings.called(trunk.pk, None, "", proven=False)
    await sightings.flush(pool)
    assert await refused_out() == [("north", None, "", False, 3)]
    row = await TrunkCallsRefused.objects.aget()
    assert row.since < row.last_at

    sightings.called(trunk.pk, 486, "Busy here", proven=False)
    await sightings.flush(pool)
    assert await refused_out() == []

    sightings.called(trunk.pk, 200, "OK", proven=True)
    sightings.called(trunk.pk, 407, "Who?" * 40, proven=True)
    await sightings.flush(pool)
    assert await refused_out() == [("north", 407, ("Who?" * 40)[:64], True, 1)]


async def test_refusals_through_a_trunk_deleted_meanwhile_are_forgotten(
    trunk: Peer, sightings: TrunkSightings, pool: Pool, actor: Actor
) -> None:
    sightings.called(trunk.pk, 403, "Forbidden", proven=False)
    await sync_to_async(peer_delete)(peer=trunk, actor=actor)
    await sightings.flush(pool)
    assert await refused_out() == []
