"""The SIP workers write down what a traced peer's phone and they say to each other, and nothing else."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, Peer
from apps.extensions.services import NewPeer, peer_create, peer_delete
from apps.registrar.store import Store
from apps.registrar.trace import recorder as recording
from apps.registrar.trace.messages import MOST_MESSAGES, Message
from apps.registrar.trace.models import Trace, TracedMessage
from apps.registrar.trace.recorder import Recorder
from apps.registrar.trace.selectors import messages_of, trace_status
from apps.registrar.trace.services import MOST_TRACES, trace_start, trace_stop
from apps.sipserver.addresses import local_host
from apps.sipserver.events import Origin
from tests.addresses import Address, free_address
from tests.registrar.conftest import PASSWORD, url_of_test_database
from tests.registrar.phone import Phone
from tests.registrar.server import StreamClient, UdpClient, sip_server
from tests.registrar.trace.messages import CHALLENGE, REGISTER

pytestmark = pytest.mark.django_db(transaction=True)

SOURCE = ("203.0.113.7", 5062)


@pytest.fixture
def peer(extension_1001: NewPeer) -> Peer:
    return extension_1001.peer


@pytest.fixture
async def recorder(peer: Peer, actor: Actor) -> AsyncIterator[Recorder]:
    """Of a worker that knows of the peer's trace."""
    await sync_to_async(trace_start)(peer=peer, actor=actor)
    store = Store(url_of_test_database())
    await store.open()
    recorder = Recorder(store, ("198.51.100.1", 5060))
    await recorder.look()
    yield recorder
    await store.close()


async def recorded(peer: Peer) -> list[Message]:
    return await sync_to_async(messages_of)(peer)


async def test_both_ways_are_written_with_their_ends_and_without_secrets(
    recorder: Recorder, peer: Peer
) -> None:
    recorder.received([(REGISTER, SOURCE)])
    recorder.sent([(CHALLENGE, Origin(*SOURCE, "TCP", "w/1"))])
    await recorder.flush()
    there, back = await recorded(peer)
    assert (there.direction, there.source, there.destination) == (
        "in",
        "203.0.113.7:5062",
        "198.51.100.1:5060",
    )
    assert (back.direction, back.source, back.transport) == ("out", "198.51.100.1:5060", "TCP")
    assert b"R3SPONSE" not in there.data
    assert b"N0NCE" not in there.data + back.data
    assert (there.size, there.is_whole) == (len(REGISTER), True)
    assert timezone.now() - dt.timedelta(minutes=1) < there.at <= back.at


async def test_an_answer_that_does_not_name_the_peer_follows_its_call(recorder: Recorder, peer: Peer) -> None:
    strange = REGISTER.replace(b"1001@example.com", b"x@example.net")
    recorder.received([(strange, SOURCE)])
    recorder.sent(
        [(CHALLENGE.replace(b"1001", b"x"), SOURCE), (CHALLENGE.replace(b"1001", b"x") + b"", SOURCE)]
    )
    recorder.sent([(CHALLENGE.replace(b"1001", b"x").replace(b"call-1", b"call-2"), SOURCE)])
    await recorder.flush()
    assert [message.direction for message in await recorded(peer)] == ["in", "out", "out"]


async def test_somebody_elses_messages_are_not_written(recorder: Recorder, peer: Peer) -> None:
    recorder.received(
        [(REGISTER.replace(b"1001", b"1002").replace(b"call-1", b"call-9"), SOURCE), (b"\0\0", SOURCE)]
    )
    await recorder.flush()
    assert await recorded(peer) == []


async def test_the_oldest_go(recorder: Recorder, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_PER_FLUSH", 90)
    for flush in range(3):
        numbered = [REGISTER.replace(b"CSeq: 2", b"CSeq: %d" % (flush * 90 + number)) for number in range(90)]
        recorder.received([(data, SOURCE) for data in numbered])
        await recorder.flush()
    kept = await recorded(peer)
    assert len(kept) == MOST_MESSAGES == await TracedMessage.objects.acount()
    assert b"CSeq: 269 " in kept[-1].data
    assert b"CSeq: 70 " in kept[0].data


async def test_a_flood_costs_a_bounded_number_of_rows_and_leaves_the_newest(
    recorder: Recorder, peer: Peer
) -> None:
    recorder.received([(REGISTER + b"%d" % number, SOURCE) for number in range(10_000)])
    await recorder.flush()
    kept = await recorded(peer)
    assert len(kept) == recording.MOST_PER_FLUSH
    assert kept[-1].data.endswith(b"9999")


async def test_after_its_end_nothing_more_is_written(recorder: Recorder, peer: Peer, actor: Actor) -> None:
    recorder.received([(REGISTER, SOURCE)])
    await sync_to_async(trace_stop)(peer=peer, actor=actor)
    await recorder.flush()
    assert await recorded(peer) == []
    assert recorder.is_on
    await recorder.look()
    assert not recorder.is_on


async def test_a_deleted_peers_messages_go(recorder: Recorder, peer: Peer, actor: Actor) -> None:
    recorder.received([(REGISTER, SOURCE)])
    await recorder.flush()
    await sync_to_async(peer_delete)(peer=peer, actor=actor)
    assert (await Trace.objects.acount(), await TracedMessage.objects.acount()) == (0, 0)


async def test_what_ended_a_day_ago_is_tidied_away(recorder: Recorder, peer: Peer) -> None:
    recorder.received([(REGISTER, SOURCE)])
    await recorder.flush()
    await recorder.tidy()
    assert await TracedMessage.objects.acount() == 1
    await Trace.objects.aupdate(until=timezone.now() - dt.timedelta(hours=25))
    await recorder.tidy()
    assert (await Trace.objects.acount(), await TracedMessage.objects.acount()) == (0, 0)


@pytest.mark.parametrize(
    ("told", "host"),
    [
        (bytes(4) + bytes((192, 0, 2, 1)) + bytes(4), "192.0.2.1"),
        (bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 1)) + bytes(4), "192.0.2.1"),
        (b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01" + bytes(4), "2001:db8::1"),
    ],
)
def test_the_address_a_message_came_to_is_read(told: bytes, host: str) -> None:
    assert local_host(told) == host


def test_a_trace_starts_again_without_what_it_had_and_goes_on_with_it(peer: Peer, actor: Actor) -> None:
    first = trace_start(peer=peer, actor=actor, minutes=5)
    TracedMessage.objects.create(
        trace=first, at=first.started_at, direction="in", source="a:1", destination="b:2", data=b"x", size=1
    )
    longer = trace_start(peer=peer, actor=actor, minutes=60)
    assert longer.until > first.until
    assert trace_status(peer).message_count == 1
    assert trace_stop(peer=peer, actor=actor)
    assert not trace_stop(peer=peer, actor=actor)
    assert (trace_status(peer).is_on, trace_status(peer).message_count) == (False, 1)
    trace_start(peer=peer, actor=actor)
    assert (trace_status(peer).is_on, trace_status(peer).message_count) == (True, 0)
    actions = AuditEntry.objects.filter(target_id=peer.pk).values_list("action", flat=True)[:4]
    assert list(actions) == ["trace_start", "trace_stop", "trace_start", "trace_start"]


@pytest.mark.parametrize("minutes", [4, 0, -1, 1441])
def test_a_trace_ends_by_itself_and_not_too_late(minutes: int, peer: Peer, actor: Actor) -> None:
    with pytest.raises(ValidationError):
        trace_start(peer=peer, actor=actor, minutes=minutes)
    assert not Trace.objects.exists()


def test_only_so_many_peers_are_traced_at_once(peer: Peer, actor: Actor) -> None:
    assert peer.extension is not None
    others = [
        peer_create(extension=peer.extension, name=f"1001-{number}", actor=actor).peer
        for number in range(MOST_TRACES)
    ]
    for other in others:
        trace_start(peer=other, actor=actor)
    with pytest.raises(ValidationError):
        trace_start(peer=peer, actor=actor)
    trace_stop(peer=others[0], actor=actor)
    assert trace_start(peer=peer, actor=actor)


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[Address]:
    address = free_address("0.0.0.0")
    with sip_server(address, 1):  # one: when it has written something, all of it knows
        yield "127.0.0.1", address[1]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.02)


async def test_real_workers_hear_of_a_trace_and_write_both_ways(
    server: Address, peer: Peer, actor: Actor
) -> None:
    client = await UdpClient.open(server)
    phone = Phone("1001", PASSWORD, source=client.address)
    await client.register(phone, expires=600)  # the server is there, and nothing is written
    await sync_to_async(trace_start)(peer=peer, actor=actor)

    async def is_traced() -> bool:
        await client.register(phone, expires=600)
        return bool(await recorded(peer))

    await until(is_traced)
    before = len(await recorded(peer))
    fresh = Phone("1001", PASSWORD, source=client.address)
    await client.register(fresh, expires=600)
    stream = await StreamClient.open(server)
    await stream.register(Phone("1001", PASSWORD, source=stream.address), expires=600)
    await stream.close()

    async def has_all() -> bool:
        return len(await recorded(peer)) >= before + 8

    await until(has_all)
    client.transport.close()
    found = [one for one in await recorded(peer) if fresh.call_id.encode() in one.data]
    starts = [(one.direction, one.data.split(b" ")[0 if one.direction == "in" else 1]) for one in found]
    assert starts == [("in", b"REGISTER"), ("out", b"401"), ("in", b"REGISTER"), ("out", b"200")]
    assert {one.source for one in found} == {
        f"{client.address[0]}:{client.address[1]}",
        f"127.0.0.1:{server[1]}",
    }
    everything = b"".join(one.data for one in await recorded(peer))
    assert str(fresh.nonce).encode() not in everything
    assert 'response="…"'.encode() in everything
    assert {one.transport for one in await recorded(peer)} == {"UDP", "TCP"}
