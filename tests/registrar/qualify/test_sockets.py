"""Phones that are asked over real sockets: by two workers of one server, over UDP, TCP and WebSocket."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from apps.extensions.models import Peer
from apps.extensions.services import NewPeer
from apps.registrar.consumers import RegistrarConsumer
from apps.registrar.models import Binding, Probe, RegistrationEvent
from apps.registrar.qualify import prober
from apps.registrar.websocket import websocket_registrar
from apps.sipserver.events import Application
from apps.sipserver.server import SipServer
from apps.sipserver.sockets import open_sip_sockets
from tests.addresses import Address, free_address
from tests.patience import PATIENCE_S, eventually
from tests.registrar.conftest import PASSWORD
from tests.registrar.phone import Phone
from tests.registrar.qualify.phones import answer_to, bind, read_options
from tests.registrar.server import StreamClient, UdpClient, sip_server
from tests.registrar.test_websocket import registered, socket_of

pytestmark = pytest.mark.django_db(transaction=True)


class Asked(UdpClient):
    """A phone that answers OPTIONS, unless it is deaf."""

    def __init__(self) -> None:
        super().__init__()
        self.deaf = False
        self.probes: list[bytes] = []
        self.asked = asyncio.Event()

    @classmethod
    async def at(cls, server: Address, *, deaf: bool = False) -> "Asked":
        client = await cls.open(server)
        assert isinstance(client, cls)
        client.deaf = deaf
        return client

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not data.startswith(b"OPTIONS"):
            super().datagram_received(data, addr)
            return
        self.probes.append(data)
        self.asked.set()
        if not self.deaf:
            self.transport.sendto(answer_to(data))

    @property
    def call_ids(self) -> list[str]:
        return [read_options(data).call_id for data in self.probes]


def is_in_state(state: str, port: int) -> Callable[[], Awaitable[bool]]:
    return Probe.objects.filter(state=state, sent_to_port=port).aexists


@pytest.fixture
def peer(extension_1001: NewPeer) -> Peer:
    Peer.objects.update(qualify_interval_s=2, max_contacts=20)
    return extension_1001.peer


@pytest.fixture
async def address(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Address]:
    """A server in this process, whose worker looks for new bindings often."""
    monkeypatch.setattr(prober, "SCHEDULE_EVERY_S", 0.2)
    udp, tcp = open_sip_sockets("127.0.0.1", 0)
    server = SipServer(cast(Application, RegistrarConsumer.as_asgi()), udp, {tcp: None})
    task = asyncio.create_task(server.arun())
    yield udp.getsockname()
    server.stop()
    await task
    udp.close()
    tcp.close()


async def test_two_workers_ask_each_phone_once_a_turn_and_one_that_is_deaf_is_unreachable(peer: Peer) -> None:
    server = free_address()
    phones = [await Asked.at(server, deaf=number == 0) for number in range(6)]
    name = f"{socket.gethostname()} 127.0.0.1:{server[1]}"
    for number, phone in enumerate(phones):
        host, port = phone.address
        await sync_to_async(bind)(peer, number, received_addr=host, received_port=port, server=name)
    deaf = phones[0]

    async def all_are_reachable() -> bool:
        return await Probe.objects.filter(state="reachable").acount() == len(phones)

    with sip_server(server, 2):
        await eventually(is_in_state("unreachable", deaf.address[1]))
        deaf.deaf = False
        await eventually(is_in_state("reachable", deaf.address[1]))
        await eventually(all_are_reachable)

    happened = [
        (row.event, row.received_port) async for row in RegistrationEvent.objects.order_by("event_id")
    ]
    assert happened == [("unreachable", deaf.address[1]), ("reachable", deaf.address[1])]
    for phone in phones:
        row = await Probe.objects.aget(sent_to_port=phone.address[1])
        assert len(set(phone.call_ids)) == row.number
        assert len(set(phone.probes)) == row.number
        phone.transport.close()
    assert len(deaf.probes) > len(set(deaf.probes))


async def test_a_phone_that_registers_over_udp_is_asked_where_it_came_from(address: Address) -> None:
    phone = await Asked.at(address)
    reply = await phone.register(Phone("1001", PASSWORD, source=phone.address))
    assert reply.status == 200
    await asyncio.wait_for(phone.asked.wait(), PATIENCE_S)
    await eventually(is_in_state("reachable", phone.address[1]))
    binding = await Binding.objects.aget()
    assert binding.server == f"{socket.gethostname()} 127.0.0.1:{address[1]}"
    assert read_options(phone.probes[0]).vias[0].port == address[1]
    phone.transport.close()


async def test_a_phone_that_registers_over_tcp_is_asked_over_its_connection(address: Address) -> None:
    client = await StreamClient.open(address)
    reply = await client.register(Phone("1001", PASSWORD, source=client.address))
    assert reply.status == 200
    async with asyncio.timeout(PATIENCE_S):
        data = await client.reader.readuntil(b"\r\n\r\n")
    assert read_options(data).vias[0].transport == "TCP"
    client.writer.write(answer_to(data))
    await eventually(is_in_state("reachable", client.address[1]))
    assert (await Binding.objects.aget()).server == ""
    await client.close()


async def test_a_browser_phone_is_asked_over_its_websocket(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "SCHEDULE_EVERY_S", 0.2)
    browser: WebsocketCommunicator = socket_of()
    await browser.connect(timeout=PATIENCE_S)
    await registered(browser)
    data = await browser.receive_from(timeout=PATIENCE_S)
    assert isinstance(data, str)
    assert read_options(data.encode()).vias[0].transport == "WS"
    await browser.send_to(text_data=answer_to(data.encode()).decode())
    await eventually(is_in_state("reachable", 50_000))
    await browser.disconnect()
    await websocket_registrar().close()


async def test_behind_a_wildcard_the_local_address_is_kept_and_asked_from(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "SCHEDULE_EVERY_S", 0.2)
    udp, tcp = open_sip_sockets("0.0.0.0", 0)
    server = SipServer(cast(Application, RegistrarConsumer.as_asgi()), udp, {tcp: None})
    task = asyncio.create_task(server.arun())
    phone = await Asked.at(("127.0.0.2", udp.getsockname()[1]))
    assert (await phone.register(Phone("1001", PASSWORD, source=phone.address))).status == 200
    await asyncio.wait_for(phone.asked.wait(), PATIENCE_S)
    assert re.fullmatch(r"0{8}7f0000020{8}", (await Binding.objects.aget()).local or "")
    phone.transport.close()
    server.stop()
    await task
    udp.close()
    tcp.close()
