"""Attempts that come to nothing, through real workers and their sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from apps.extensions.audit import Actor
from apps.extensions.models import BlockedSource, Domain
from apps.extensions.services import NewPeer, source_block, source_unblock
from apps.registrar.models import Binding, RegistrationEvent, Stranger
from apps.sip.digest import Algorithm
from tests.addresses import Address, free_address
from tests.patience import eventually
from tests.registrar.conftest import PASSWORD
from tests.registrar.phone import Phone
from tests.registrar.server import UdpClient, sip_server
from tests.registrar.sightings.conftest import MakeExtension

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 2


@pytest.fixture
def address() -> Address:
    return free_address()


@asynccontextmanager
async def client_at(host: str, server: Address) -> AsyncIterator[UdpClient]:
    """A phone's socket on a loopback address of its own."""
    transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
        UdpClient, remote_addr=server, local_addr=(host, 0)
    )
    client.transport, client.address = transport, transport.get_extra_info("sockname")[:2]
    yield client
    transport.close()


async def unanswered() -> set[tuple[str, str, str | None]]:
    rows = RegistrationEvent.objects.filter(event="unanswered")
    return {
        (aor, reason, addr) async for aor, reason, addr in rows.values_list("aor", "reason", "received_addr")
    }


async def test_silence_after_a_challenge_is_told_from_not_hearing_it(
    address: Address, extension_1001: NewPeer, make_extension: MakeExtension
) -> None:
    for number in ("1002", "1003", "1004"):
        await make_extension(number)
    deaf, mute = Phone("1001", PASSWORD), Phone("1002", PASSWORD)
    well, wrong = (
        Phone("1003", PASSWORD, algorithm=Algorithm.MD5),
        Phone("1004", "wrong", algorithm=Algorithm.MD5),
    )
    with sip_server(address, WORKERS):
        async with client_at("127.0.7.1", address) as client:
            for phone in (well, wrong, Phone("1009", "")):
                phone.source = client.address
                challenge = await client.request(phone.register())
                assert challenge.status == 401
                if phone in (well, wrong):
                    phone.read_challenge(challenge)
                    await client.request(phone.register())
            trying = asyncio.gather(repeat(client, deaf), ask(client, mute))
            await eventually(lambda: reached(2))
            trying.cancel()
    assert await unanswered() == {
        ("sip:1001@example.com", "challenge_unheard", "127.0.7.1"),
        ("sip:1002@example.com", "challenge_ignored", "127.0.7.1"),
    }
    refused = RegistrationEvent.objects.filter(event="refused")
    assert [event.reason async for event in refused] == ["wrong_password"]


async def repeat(client: UdpClient, deaf: Phone) -> None:
    """The same bytes for 12 s, as a phone does that hears nothing; then it tries anew."""
    while True:
        data = deaf.register()
        for _ in range(24):
            client.transport.sendto(data)
            await asyncio.sleep(0.5)


async def ask(client: UdpClient, mute: Phone) -> None:
    """A phone that does not know how to go on after a challenge, and tries anew."""
    while True:
        assert (await client.request(mute.register())).status == 401
        await asyncio.sleep(20)


async def reached(number: int) -> bool:
    return len(await unanswered()) >= number


async def test_a_blocked_source_gets_no_answer_from_any_worker_until_it_is_unblocked(
    address: Address, extension_1001: NewPeer, actor: Actor
) -> None:
    phone = Phone("1001", PASSWORD, algorithm=Algorithm.MD5)
    with sip_server(address, WORKERS):
        async with client_at("127.0.7.9", address) as blocked, client_at("127.0.8.1", address) as other:
            phone.source = blocked.address
            assert (await blocked.register(phone)).status == 200
            await sync_to_async(source_block)(network="127.0.7.0/24", note="a test", actor=actor)

            packets = [phone.register(), *(phone.register(method="OPTIONS") for _ in range(20))]
            packets.append(phone.register(cseq=-5))
            answered = asyncio.gather(
                *[blocked.request(packet) for packet in packets], return_exceptions=True
            )
            await eventually(lambda: seen(len(packets)))
            assert not answered.done()
            assert all(not one.done() for one in blocked.waiting.values())
            assert (await other.request(Phone("1001", "", source=other.address).register())).status == 401
            assert await Binding.objects.acount() == 1, "what is registered there stays"

            await sync_to_async(source_unblock)(source=await BlockedSource.objects.aget(), actor=actor)
            replies: list[Any] = await answered
            assert {reply.status for reply in replies} == {200, 400}
    blocked_one = await Stranger.objects.aget(reason="blocked_source")
    assert (blocked_one.username, blocked_one.meant_peer_id) == ("1001", extension_1001.peer.pk)


async def seen(packets: int) -> bool:
    stranger = await Stranger.objects.filter(reason="blocked_source", received_addr="127.0.7.9").afirst()
    return stranger is not None and stranger.count >= packets


async def test_a_mistyped_user_name_is_known_at_once_with_whom_it_means(
    address: Address, extension_1001: NewPeer
) -> None:
    phone = Phone("10O1", PASSWORD, algorithm=Algorithm.MD5)
    with sip_server(address, WORKERS):
        async with client_at("127.0.7.1", address) as client:
            phone.source = client.address
            assert (await client.register(phone)).status == 401
            await eventually(lambda: Stranger.objects.filter(meant_peer_id=extension_1001.peer.pk).aexists())
    assert (await Stranger.objects.aget()).reason == "unknown_user"
    assert not await RegistrationEvent.objects.aexists()
    assert await Domain.objects.acount() == 1
