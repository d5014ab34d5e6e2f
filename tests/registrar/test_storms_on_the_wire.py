"""Floods and a NAT office at the real server, over loopback."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count

import pytest

from apps.extensions.models import Credential, Domain, Extension, Peer
from apps.extensions.passwords import new_credential
from apps.extensions.services import NewPeer
from apps.registrar.models import Binding, WorkerHeartbeat
from tests.addresses import Address, free_address
from tests.patience import PATIENCE_S
from tests.registrar.conftest import PASSWORD
from tests.registrar.phone import Phone
from tests.registrar.server import UdpClient, sip_server

pytestmark = pytest.mark.django_db(transaction=True)
OFFICE = 300


@contextmanager
def flood(server: Address, host: str) -> Iterator[None]:
    """First REGISTERs from one address, more than can be answered, each another one."""
    stop = threading.Event()

    def send() -> None:
        phone, number = Phone("1001", PASSWORD, source=(host, 5070)), 0
        before, _, after = phone.register().partition(b"z9hG4bK")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((host, 0))
            while not stop.is_set():
                number += 1
                sock.sendto(b"%bz9hG4bKf%d%b" % (before, number, after), server)
                if not number % 100:
                    stop.wait(0.003)  # 30,000 a second at most: some of it is to be read at all

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture(name="free_address")
def some_address() -> Address:
    return free_address()


@pytest.fixture
def office(extension_1001: NewPeer) -> list[str]:
    """300 devices, written as extension_create writes one, less its audit."""
    domain, numbers = Domain.objects.get(), [str(2000 + number) for number in range(OFFICE)]
    extensions = Extension.objects.bulk_create(Extension(domain=domain, number=number) for number in numbers)
    peers = Peer.objects.bulk_create(
        Peer(domain=domain, extension=extension, name=extension.number) for extension in extensions
    )
    Credential.objects.bulk_create(
        new_credential(domain=domain, peer_id=peer.pk, username=peer.name, password=PASSWORD)
        for peer in peers
    )
    return numbers


async def test_a_flood_from_one_address_does_not_keep_a_phone_at_another_from_registering(
    extension_1001: NewPeer, free_address: Address
) -> None:
    with sip_server(free_address, 1):
        client = await UdpClient.open(free_address)
        await client.register(Phone("1001", PASSWORD, source=client.address))  # the server is there
        with flood(free_address, "127.0.0.2"):
            reply = await client.register(Phone("1001", PASSWORD, source=client.address))
            # The flood is seen where operators look.
            while not await WorkerHeartbeat.objects.filter(turned_away__gt=0).aexists():
                await client.register(Phone("1001", PASSWORD, source=client.address))
        client.transport.close()

    assert reply.status == 200


async def test_who_registers_with_a_pressed_worker_comes_back_at_another_time_than_the_others(
    extension_1001: NewPeer, free_address: Address
) -> None:
    await Domain.objects.aupdate(expires_spread_percent=10)
    with sip_server(free_address, 1):
        client = await UdpClient.open(free_address)
        await client.register(Phone("1001", PASSWORD, source=client.address))  # the server is there
        with flood(free_address, "127.0.0.2"):
            async with asyncio.timeout(PATIENCE_S):
                for port in count(20_000):
                    phone = Phone("1001", PASSWORD, source=client.address)
                    await client.register(phone, [f"<sip:1001@127.0.0.1:{port}>"], expires=3600)
                    row = await Binding.objects.aget(contact=f"sip:1001@127.0.0.1:{port}")
                    if row.expires_at - row.refreshed_at < timedelta(seconds=3600 * 0.9):
                        break
        client.transport.close()


async def test_an_office_behind_one_address_starts_all_at_once(
    office: list[str], free_address: Address
) -> None:
    with sip_server(free_address, 1):
        clients = [await UdpClient.open(free_address) for _ in office]
        replies = await asyncio.gather(
            *(
                client.register(Phone(number, PASSWORD, source=client.address))
                for number, client in zip(office, clients, strict=True)
            )
        )
        for client in clients:
            client.transport.close()

    assert {reply.status for reply in replies} == {200}
    assert await Binding.objects.acount() == OFFICE
