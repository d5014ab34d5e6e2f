"""Several worker processes on one socket: nothing acknowledged is lost, all is in some order."""

import asyncio
import os
import random
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from asgiref.sync import sync_to_async

from apps.extensions.audit import Actor
from apps.extensions.models import Credential, Domain, Extension, Peer
from apps.extensions.passwords import new_credential
from apps.registrar.models import Binding, RegistrationEvent
from apps.registrar.outcomes import EventKind
from apps.sip.digest import Algorithm
from tests.addresses import Address, free_address
from tests.registrar.phone import Phone, Reply
from tests.registrar.server import UdpClient, sip_server, worker_pids

pytestmark = pytest.mark.django_db(transaction=True)

OpenClient = Callable[[], Awaitable[UdpClient]]

PASSWORD = "Tr0ub4dor&3x"
ROUNDS = 1000
CLIENTS = 8
KILLS = 10
PHONES = 40


@pytest.fixture
def address() -> Address:
    return free_address()


@pytest.fixture
async def open_client(address: Address) -> AsyncIterator[OpenClient]:
    clients: list[UdpClient] = []

    async def opened() -> UdpClient:
        clients.append(await UdpClient.open(address))
        return clients[-1]

    yield opened
    for client in clients:
        client.transport.close()


@pytest.fixture
def domain(transactional_db: None, actor: Actor) -> Domain:
    return Domain.objects.create(name="example.com", realm="example.com")


def create_peers(domain: Domain, peers: dict[str, str]) -> None:
    """{peer name: extension number}, all with PASSWORD."""
    extensions = {
        number: Extension.objects.create(domain=domain, number=number)
        for number in sorted(set(peers.values()))
    }
    for name, number in peers.items():
        peer = Peer.objects.create(domain=domain, extension=extensions[number], name=name, max_contacts=20)
        new_credential(domain=domain, peer_id=peer.pk, username=name, password=PASSWORD).save()
    assert Credential.objects.count() == len(peers)


def contacts_in(reply: Reply) -> frozenset[str]:
    return frozenset(contact.split(">")[0].removeprefix("<") for contact in reply.contacts)


async def one_round(client: UdpClient, phone: Phone, chance: random.Random) -> tuple[str, str, Reply]:
    contact = f"sip:{phone.username}@192.0.2.1"
    operation = chance.choices(["add", "remove", "star", "fetch"], [6, 3, 1, 2])[0]
    if operation == "add":
        reply = await client.register(phone, [f"<{contact}>"], expires=600)
    elif operation == "remove":
        reply = await client.register(phone, [f"<{contact}>"], expires=0)
    elif operation == "star":
        reply = await client.register(phone, ["*"], expires=0)
    else:
        reply = await client.register(phone, [])
    return operation, contact, reply


def has_its_effect(operation: str, contact: str, state: frozenset[str]) -> bool:
    return {
        "add": contact in state,
        "remove": contact not in state,
        "star": not state,
        "fetch": True,
    }[operation]


@sync_to_async
def states_in_ledger_order() -> list[frozenset[str]]:
    """The AOR's contacts after each event. Event ids follow the commits, for the AOR's lock is held until then."""
    states = [frozenset[str]()]
    for event, contact in RegistrationEvent.objects.order_by("event_id").values_list("event", "contact"):
        if event == EventKind.REGISTERED:
            states.append(states[-1] | {contact})
        elif event == EventKind.UNREGISTERED:
            states.append(states[-1] - {contact})
    return states


async def test_c76_f11_one_aor_hammered_by_8_clients_through_2_workers_is_some_serial_order(
    domain: Domain, address: Address, open_client: OpenClient
) -> None:
    await sync_to_async(create_peers)(domain, {f"1001-{n}": "1001" for n in range(CLIENTS)})
    chance = random.Random(11)
    rounds: list[list[tuple[str, str, Reply]]] = []
    with sip_server(address, workers=2) as server:
        clients = [await open_client() for _ in range(CLIENTS)]
        phones = [
            Phone(f"1001-{n}", PASSWORD, address_user="1001", source=client.address, algorithm=Algorithm.MD5)
            for n, client in enumerate(clients)
        ]
        for _ in range(ROUNDS):
            work = [one_round(client, phone, chance) for client, phone in zip(clients, phones, strict=True)]
            rounds.append(list(await asyncio.gather(*work)))
        assert len(worker_pids(server)) == 2

    states = await states_in_ledger_order()
    reached = 0
    for results in rounds:
        latest = reached
        for operation, contact, reply in results:
            assert reply.status == 200
            state = contacts_in(reply)
            assert has_its_effect(operation, contact, state)
            # Later than every answer of the rounds before, as far as the states can tell.
            position = next((k for k in range(reached, len(states)) if states[k] == state), None)
            assert position is not None, (operation, contact, state)
            latest = max(latest, position)
        reached = min(latest, len(states) - 1)
    final = frozenset([contact async for contact in Binding.objects.values_list("contact", flat=True)])
    assert final == states[-1]


async def keep_registering(
    client: UdpClient, phone: Phone, acknowledged: dict[str, int], stop: asyncio.Event
) -> None:
    while not stop.is_set():
        reply = await client.register(phone, [f"<sip:{phone.username}@192.0.2.1>"])
        assert reply.status == 200
        acknowledged[phone.username] = int(reply.values("CSeq")[0].split()[0])


async def kill_workers_at_random(server: subprocess.Popen[bytes], chance: random.Random) -> int:
    killed = 0
    while killed < KILLS:
        # The random moment is the fault; there is no condition to wait for.
        await asyncio.sleep(chance.uniform(0.05, 0.4))
        if pids := worker_pids(server):
            os.kill(chance.choice(pids), signal.SIGKILL)
            killed += 1
    return killed


async def test_f09_nothing_acknowledged_is_lost_when_workers_are_killed(
    domain: Domain, address: Address, open_client: OpenClient
) -> None:
    names = [str(2000 + n) for n in range(PHONES)]
    await sync_to_async(create_peers)(domain, {name: name for name in names})
    acknowledged: dict[str, int] = {}
    stop = asyncio.Event()
    with sip_server(address, workers=2) as server:
        work = []
        for name in names:
            client = await open_client()
            phone = Phone(name, PASSWORD, source=client.address, algorithm=Algorithm.MD5)
            work.append(asyncio.create_task(keep_registering(client, phone, acknowledged, stop)))
        assert await kill_workers_at_random(server, random.Random(9)) == KILLS
        stop.set()
        await asyncio.gather(*work)

    stored = {
        aor.removeprefix("sip:").partition("@")[0]: cseq
        async for aor, cseq in Binding.objects.values_list("aor", "cseq")
    }
    assert sorted(acknowledged) == names
    assert {name for name in names if stored.get(name, -1) < acknowledged[name]} == set()
