"""A phone that subscribes over real sockets to real workers (RFC 3680, RFC 6665)."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.db.models import QuerySet

from apps.extensions.audit import Actor
from apps.extensions.services import NewPeer
from apps.registrar import services
from apps.registrar.models import Binding
from apps.registrar.regevent.models import PendingNotify, RegSubscription
from tests.addresses import Address, free_address
from tests.patience import PATIENCE_S, eventually
from tests.registrar.conftest import PASSWORD
from tests.registrar.phone import Phone, Reply
from tests.registrar.regevent.subscriptions import ReadNotify, answer_to, read_notify
from tests.registrar.regevent.test_wire import AOR, in_dialog
from tests.registrar.server import StreamClient, UdpClient, sip_server

pytestmark = pytest.mark.django_db(transaction=True)

SUBSCRIBE = {"method": "SUBSCRIBE", "headers": ["Event: reg"]}


class Subscriber(UdpClient):
    """A socket that also takes NOTIFYs, and answers them once it is told how."""

    def __init__(self) -> None:
        super().__init__()
        self.notifies: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if data.startswith(b"NOTIFY"):
            self.notifies.put_nowait(data)
        else:
            super().datagram_received(data, addr)

    @classmethod
    async def at(cls, server: Address) -> "Subscriber":
        client = await cls.open(server)
        assert isinstance(client, cls)
        return client

    async def next(self) -> bytes:
        return await asyncio.wait_for(self.notifies.get(), PATIENCE_S)

    async def notified(self) -> ReadNotify:
        """The next NOTIFY that is no repeat, answered with 200."""
        data = await self.next()
        self.transport.sendto(answer_to(data))
        await eventually(none_of(PendingNotify.objects.filter(attempts__gt=0)))
        while not self.notifies.empty():
            assert self.notifies.get_nowait() == data
        return read_notify(data)


Open = Callable[[], Awaitable[Subscriber]]


def none_of(rows: QuerySet[Any]) -> Callable[[], Awaitable[bool]]:
    async def gone() -> bool:
        return not await rows.aexists()

    return gone


@sync_to_async
def older(table: str, column: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = {column} - interval '40 seconds'")


@sync_to_async
def drop_bindings(actor: Actor) -> None:
    services.bindings_drop(bindings=list(Binding.objects.select_related("peer")), actor=actor)


@pytest.fixture
async def at(address: Address) -> AsyncIterator[Open]:
    clients: list[Subscriber] = []

    async def opened() -> Subscriber:
        clients.append(await Subscriber.at(address))
        return clients[-1]

    yield opened
    for client in clients:
        client.transport.close()


@pytest.fixture
def address() -> Address:
    return free_address()


async def test_c111_a_phone_is_told_of_registrations_by_whichever_worker(
    extension_1001: NewPeer, address: Address, at: Open, actor: Actor
) -> None:
    with sip_server(address, workers=2):
        client = await at()
        watching = Phone("1001", PASSWORD, source=client.address)
        begun = await client.register(watching, **SUBSCRIBE, request_uri=AOR, expires=600)
        assert (begun.status, begun.contacts) == (200, [f"<sip:127.0.0.1:{address[1]}>"])
        first = await client.notified()
        assert first.document == ("full", 0)
        assert first.request.vias[0].port == address[1]

        other = await at()
        await older("registrar_regsubscription", "notified_at")
        registered = await other.register(Phone("1001", PASSWORD, source=other.address), expires=600)
        assert registered.status == 200
        second = await client.notified()
        assert second.document == ("partial", 1)
        assert [contact[1:] for contact in second.contacts] == [("active", "registered")]

        await older("registrar_regsubscription", "notified_at")
        await drop_bindings(actor)
        third = await client.notified()
        assert third.document == ("partial", 2)
        assert [contact[1:] for contact in third.contacts] == [("terminated", "deactivated")]

        refreshed = await client.register(watching, **SUBSCRIBE, **in_dialog(begun), expires=600)
        assert refreshed.status == 200
        assert (await client.notified()).document == ("full", 3)

        ended = await client.register(watching, **SUBSCRIBE, **in_dialog(begun), expires=0)
        assert ended.status == 200
        assert (await client.notified()).state == "terminated;reason=timeout"


async def test_c111_who_never_answers_is_told_again_and_then_no_more(
    extension_1001: NewPeer, address: Address, at: Open
) -> None:
    with sip_server(address, workers=2):
        client = await at()
        watching = Phone("1001", PASSWORD, source=client.address)
        begun = await client.register(watching, **SUBSCRIBE, request_uri=AOR)
        assert begun.status == 200
        copies = [await client.next() for _ in range(3)]
        assert len(set(copies)) == 1
        await older("registrar_pendingnotify", "give_up_at")
        await eventually(none_of(RegSubscription.objects.all()))
        assert not await sync_to_async(PendingNotify.objects.exists)()
        gone = await client.register(watching, **SUBSCRIBE, **in_dialog(begun))
        assert gone.status == 481


async def read_message(client: StreamClient) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        head = await client.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length is not None
        return head + await client.reader.readexactly(int(length[1]))


async def test_c111_over_tcp_the_notify_comes_down_the_same_connection(
    extension_1001: NewPeer, address: Address
) -> None:
    with sip_server(address, workers=2):
        client = await StreamClient.open(address)
        watching = Phone("1001", PASSWORD, source=client.address)
        begun: Reply = await client.register(watching, **SUBSCRIBE, request_uri=AOR)
        assert begun.status == 200
        data = await read_message(client)
        assert read_notify(data).request.vias[0].transport == "TCP"
        client.writer.write(answer_to(data))
        await eventually(none_of(PendingNotify.objects.all()))
        assert await sync_to_async(RegSubscription.objects.exists)()
        await client.close()
        await eventually(none_of(RegSubscription.objects.all()))
