"""What the ledger and the activity of a peer say after renewals, moves, silence and ends."""

import datetime as dt
from collections.abc import Callable
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.db.models import F
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.extensions.services import NewPeer
from apps.registrar import ledger_sql, sql
from apps.registrar.bindings import ChangeSet, Event
from apps.registrar.ledger import MONTHS_AHEAD, months_from, partition_of
from apps.registrar.models import Binding, PeerActivity, RegistrationEvent
from apps.registrar.outcomes import EventKind, UnansweredReason
from apps.registrar.services import bindings_drop
from apps.registrar.sweeper import end_flows, sweep
from apps.sip.digest import Algorithm
from tests.addresses import free_address
from tests.patience import eventually
from tests.registrar.conftest import PASSWORD, Registrar
from tests.registrar.phone import Phone
from tests.registrar.server import UdpClient, sip_server

pytestmark = pytest.mark.django_db(transaction=True)


async def passed(seconds: float) -> None:
    """As if this much time had passed since the last renewal."""
    gone = dt.timedelta(seconds=seconds)
    binding = await Binding.objects.aget()
    times = ("registered_at", "refreshed_at", "expires_at", "late_at", "due_at")
    earlier = {name: getattr(binding, name) - gone for name in times if getattr(binding, name)}
    await Binding.objects.aupdate(**earlier)
    await PeerActivity.objects.aupdate(heard_at=F("heard_at") - gone)


async def learned(registrar: Registrar, phone: Phone) -> Binding:
    """A phone that has renewed every 300 of 600 s; refreshed just now."""
    for _ in range(6):
        await registrar.register(phone, expires=600)
        await passed(300)
    await registrar.register(phone, expires=600)
    return await Binding.objects.aget()


async def event(kind: EventKind) -> RegistrationEvent:
    return await RegistrationEvent.objects.aget(event=kind)


async def kinds() -> list[str]:
    return [row.event async for row in RegistrationEvent.objects.order_by("event_id")]


async def test_a_phone_is_overdue_by_its_own_rhythm(registrar: Registrar, phone: Phone) -> None:
    binding = await learned(registrar, phone)

    assert binding.renewal_gap_s == pytest.approx(300, abs=5)
    assert binding.late_at is not None
    assert binding.refreshed_at + dt.timedelta(seconds=330) <= binding.late_at < binding.expires_at
    assert await kinds() == ["registered"]


async def test_a_renewal_after_its_time_is_told_as_late_until_then(
    registrar: Registrar, phone: Phone
) -> None:
    await learned(registrar, phone)
    await passed(595)
    due_at = (await Binding.objects.aget()).late_at

    await registrar.register(phone, expires=600)

    late = await event(EventKind.LATE)
    assert (late.reason, late.at) == ("late", due_at)
    assert late.last_at == (await Binding.objects.aget()).refreshed_at
    assert await kinds() == ["registered", "late"]


async def test_a_phone_that_never_renews_is_late_and_then_expired(registrar: Registrar, phone: Phone) -> None:
    await learned(registrar, phone)
    await passed(700)
    before = await Binding.objects.aget()

    await sweep(registrar.store)

    late, expired = await event(EventKind.LATE), await event(EventKind.EXPIRED)
    assert (late.at, late.last_at) == (before.late_at, before.expires_at)
    assert (expired.at, expired.refresh_count) == (before.expires_at, 6)
    activity = await PeerActivity.objects.aget()
    assert (activity.heard_at, activity.end_reason) == (before.refreshed_at, "expired")


@pytest.mark.parametrize("end", ["flow_closed", "dropped", "unregistered"])
async def test_every_end_says_how_often_it_was_renewed_and_when_the_phone_was_heard(
    registrar: Registrar, phone: Phone, actor: Actor, end: str
) -> None:
    await registrar.register(phone)
    await passed(60)
    await registrar.register(phone)
    await Binding.objects.aupdate(flow="dead/1")
    binding = await Binding.objects.aget()

    if end == "flow_closed":
        await end_flows(registrar.store, ["dead/1"])
    elif end == "dropped":
        await sync_to_async(bindings_drop)(bindings=[binding], actor=actor)
    else:
        await registrar.register(phone, expires=0)

    ended = await RegistrationEvent.objects.aget(reason=end)
    activity = await PeerActivity.objects.aget()
    assert ended.refresh_count == 1
    assert activity.ended_at == ended.at
    assert activity.heard_at == (ended.at if end == "unregistered" else binding.refreshed_at)


async def test_a_renewal_that_ends_sooner_than_the_old_one_is_shortened(
    registrar: Registrar, phone: Phone
) -> None:
    await registrar.register(phone, expires=600)
    await registrar.register(phone, expires=600)
    await registrar.register(phone, expires=120)
    await registrar.register(phone, expires=120)

    assert await kinds() == ["registered", "shortened"]


async def test_moves_are_counted_by_the_hour(
    registrar: Registrar, phone: Phone, other_phone: Callable[..., Phone]
) -> None:
    async def move(port: int) -> PeerActivity:
        await registrar.register(other_phone(source=("203.0.113.7", port)), [phone.contact])
        return await PeerActivity.objects.aget()

    await registrar.register(phone)
    first = await move(5070)
    assert (await move(5071)).moves == 2
    third = await move(5072)
    assert (first.moves, third.moves, third.moves_since) == (1, 3, first.moves_since)
    moved = RegistrationEvent.objects.filter(event=EventKind.MOVED).order_by("event_id")
    assert [row.refresh_count async for row in moved] == [1, 2, 3]

    await PeerActivity.objects.aupdate(moves_since=timezone.now() - dt.timedelta(minutes=61))

    assert (await move(5073)).moves == 1


async def test_a_network_never_seen_before_is_noted_but_not_the_first(
    registrar: Registrar, other_phone: Callable[..., Phone]
) -> None:
    async def from_(host: str) -> PeerActivity:
        await registrar.register(other_phone(source=(host, 5062)))
        return await PeerActivity.objects.aget()

    first = await from_("203.0.113.7")
    near = await from_("203.0.200.1")
    far = await from_("198.51.100.9")
    back = await from_("203.0.113.8")

    assert first.networks == near.networks == ["203.0.0.0/16"]
    assert first.new_network_at is near.new_network_at is None
    assert far.networks == back.networks == ["203.0.0.0/16", "198.51.0.0/16"]
    assert far.new_network_at == back.new_network_at == far.registered_at


async def test_of_a_travellers_networks_the_last_sixteen_are_kept(
    registrar: Registrar, other_phone: Callable[..., Phone]
) -> None:
    await registrar.register(other_phone())
    await PeerActivity.objects.aupdate(networks=[f"10.{n}.0.0/16" for n in range(16)])

    await registrar.register(other_phone(source=("198.51.100.9", 5062)))

    networks = (await PeerActivity.objects.aget()).networks
    assert networks == [*[f"10.{n}.0.0/16" for n in range(1, 16)], "198.51.0.0/16"]


async def test_after_an_update_where_phones_are_already_is_no_new_network(
    registrar: Registrar, phone: Phone
) -> None:
    await registrar.register(phone)
    await PeerActivity.objects.aupdate(networks=[])
    migration = import_module("apps.registrar.migrations.0102_event_partitions")

    await sync_to_async(run)(migration.NETWORKS_OF_TODAY)

    assert (await PeerActivity.objects.aget()).networks == ["203.0.0.0/16"]


async def test_a_refusal_is_no_sign_of_the_real_phone(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone)
    heard_at = (await PeerActivity.objects.aget()).heard_at

    await registrar.register(Phone("1001", "wrong password", source=("198.51.100.9", 5060)))

    activity = await PeerActivity.objects.aget()
    assert activity.heard_at == heard_at is not None
    assert activity.networks == ["203.0.0.0/16"]


async def test_what_a_sip_alg_rewrote_is_kept_with_the_binding(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone, ["<sip:1001@192.168.1.20:5060>"])
    assert (await Binding.objects.aget()).rewritten == "via"

    await registrar.register(
        phone, ["<sip:1001@192.168.1.20:5060>"], headers=["Via: SIP/2.0/UDP 192.168.1.20"]
    )
    assert (await Binding.objects.aget()).rewritten == ""


def unanswered(peer_id: UUID, at: dt.datetime, **changes: Any) -> Event:
    facts: dict[str, Any] = {"reason": UnansweredReason.UNHEARD, "received": ("203.0.113.7", 5062), **changes}
    return Event(
        event=EventKind.UNANSWERED,
        at=at,
        aor="sip:1001@example.com",
        peer_id=peer_id,
        extension_id=None,
        **facts,
    )


def test_challenges_nobody_answered_are_summed_by_the_minute_and_kept_apart_from_refusals(
    extension_1001: NewPeer,
) -> None:
    peer_id = extension_1001.peer.pk
    minute = timezone.now().replace(second=0, microsecond=0)
    second = dt.timedelta(seconds=1)
    last_at = minute + 30 * second
    batches = [
        [
            unanswered(peer_id, minute + second, count=3, last_at=last_at),
            unanswered(peer_id, minute + 2 * second),
        ],
        [unanswered(peer_id, minute + 3 * second, received=("203.0.113.7", 5099), count=2)],
        [unanswered(peer_id, minute - second), unanswered(peer_id, minute, reason=UnansweredReason.IGNORED)],
    ]

    for events in batches:
        for statement, params in sql.write_statements(ChangeSet(events=events)):
            with connection.cursor() as cursor:
                cursor.execute(statement, params)

    rows = RegistrationEvent.objects.order_by("at", "reason").values_list("at", "last_at", "count", "reason")
    assert list(rows) == [
        (minute - second, minute - second, 1, "challenge_unheard"),
        (minute, minute, 1, "challenge_ignored"),
        (minute + second, last_at, 6, "challenge_unheard"),
    ]
    assert RegistrationEvent.objects.latest("at").received_port == 5099
    activity = PeerActivity.objects.get()
    assert (activity.unanswered_reason, activity.heard_at) == ("challenge_ignored", None)
    assert activity.ended_at is None


def run(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def partitions() -> set[str]:
    return {name for _, name in run(ledger_sql.LEDGER_PARTITIONS)}


async def there_is(partition: str) -> bool:
    return partition in await sync_to_async(partitions)()


async def test_a_worker_begins_the_months_and_writes_what_phones_do_into_them(
    extension_1001: NewPeer,
) -> None:
    months = [partition_of(month) for month in months_from(timezone.now(), MONTHS_AHEAD)]
    await sync_to_async(run)(f"DROP TABLE {months[-1]}")
    address = free_address()
    with sip_server(address, workers=2):
        for _ in range(2):
            client = await UdpClient.open(address)
            phone = Phone("1001", PASSWORD, source=client.address, algorithm=Algorithm.MD5)
            assert (await client.register(phone, ["<sip:1001@192.168.1.20>"], expires=600)).status == 200
            client.transport.close()
        await eventually(lambda: there_is(months[-1]))

    happened = await sync_to_async(run)(f"SELECT event FROM {months[0]} ORDER BY event_id")
    assert happened == [("registered",), ("moved",)]
    activity = await PeerActivity.objects.aget()
    assert (activity.moves, activity.networks) == (1, ["127.0.0.0/16"])
    assert (await Binding.objects.aget()).rewritten == "via"
