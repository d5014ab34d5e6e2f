"""Our keeper registers over real sockets, with our own registrar as its carrier."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from psycopg_pool import AsyncConnectionPool

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import NewPeer, extension_create, trunk_create
from apps.registrar.models import Binding
from apps.sipserver.events import Address
from apps.trunks.models import TrunkProbe, TrunkRegistrationState
from apps.trunks.uplink import services
from apps.trunks.uplink.keeper import UplinkKeeper
from tests.addresses import free_address
from tests.patience import PATIENCE_S
from tests.registrar.conftest import PASSWORD, url_of_test_database
from tests.registrar.server import sip_server

pytestmark = pytest.mark.django_db(transaction=True)


class CallProcess(asyncio.DatagramProtocol):
    """A socket with a keeper behind it, as the call process has them; its clock can be put forward."""

    keeper: UplinkKeeper
    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self.registers = 0
        self.ahead_s = 0.0

    async def send(self, event: dict[str, Any]) -> None:
        for data, destination in event["datagrams"]:
            self.registers += data.startswith(b"REGISTER")
            self.transport.sendto(data, destination)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.keeper.hear([(data, addr)])

    async def goes_on(self, seconds: float) -> None:
        """So much later, with the lease renewed."""
        self.ahead_s += seconds
        await self.keeper.lead()

    async def has(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Works until it is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():
                await self.keeper.lead()
                await self.keeper.tick()
                await asyncio.sleep(0.05)


@pytest.fixture
def extension_1001(transactional_db: None, actor: Actor) -> NewPeer:
    domain = Domain.objects.create(name="example.com", realm="example.com", min_expires_s=60)
    return extension_create(domain=domain, number="1001", password=PASSWORD, actor=actor)


@pytest.fixture
def carrier(extension_1001: NewPeer) -> Address:
    return free_address()


@pytest.fixture
def trunk(extension_1001: NewPeer, actor: Actor) -> Peer:
    return trunk_create(domain=extension_1001.peer.domain, name="uplink", actor=actor)


@pytest.fixture
async def process(extension_1001: NewPeer) -> AsyncIterator[CallProcess]:
    loop = asyncio.get_running_loop()
    transport, process = await loop.create_datagram_endpoint(CallProcess, local_addr=("127.0.0.1", 0))
    process.transport = transport
    async with AsyncConnectionPool(
        url_of_test_database(), min_size=1, max_size=2, open=False, kwargs={"autocommit": True}
    ) as pool:
        process.keeper = UplinkKeeper(
            pool,
            process.send,
            transport.get_extra_info("sockname"),
            services.trunk_keys(),
            "here",
            clock=lambda: loop.time() + process.ahead_s,
        )
        yield process
    transport.close()


async def test_it_registers_refreshes_signs_off_and_does_not_hammer(
    process: CallProcess, carrier: Address, trunk: Peer, actor: Actor
) -> None:
    registration_set = sync_to_async(services.registration_set)
    port = process.keeper.known_as[1]

    async def stands(state: str) -> bool:
        return await TrunkRegistrationState.objects.filter(state=state).aexists()

    async def refreshed() -> bool:
        return await Binding.objects.filter(cseq__gt=first.cseq).aexists()

    async def gone() -> bool:
        return not await Binding.objects.aexists()

    await registration_set(
        trunk=trunk,
        actor=actor,
        registration_string=f"1001@example.com:{PASSWORD}@127.0.0.1:{carrier[1]}",
    )
    with sip_server(carrier, 1):
        await process.has(lambda: stands("registered"))
        first = await Binding.objects.aget()
        assert first.contact == f"sip:1001@127.0.0.1:{port}"
        sent = process.registers
        await process.goes_on(3061)
        await process.has(refreshed)
        assert process.registers - sent <= 2
        await process.has(lambda: TrunkProbe.objects.filter(state="reachable").aexists())
        await registration_set(trunk=trunk, actor=actor, enabled=False)
        await process.has(gone)
        await process.has(lambda: stands("unregistered"))

        sent = process.registers
        await registration_set(trunk=trunk, actor=actor, enabled=True, password="not this one")
        await process.has(lambda: stands("refused"))
        assert (await TrunkRegistrationState.objects.aget()).reason == "wrong_password"
        for _ in range(9):
            await process.goes_on(60)
            await process.keeper.tick()
        assert process.registers - sent == 2
