"""Two SIP hosts and two web hosts over one database: processes with addresses of their own, and no Redis.

The SIP hosts share nothing but the database and the secret key, nor do the web hosts. A phone is a socket that speaks
to either SIP host from one address, as behind a DNS name or a load balancer that sends it here or there.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import Client
from websockets.asyncio.client import ClientConnection, connect

from apps.accounts.models import User
from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import extension_create
from apps.registrar.models import Binding, RegistrationEvent
from apps.registrar.outcomes import EndReason, EventKind
from apps.registrar.trace.models import TracedMessage
from apps.registrar.trace.services import trace_start
from apps.sip.message import Request, parse_request
from apps.sip.response import build_response
from apps.sipserver.addresses import format_address
from tests.addresses import Address, free_address
from tests.calls.between_hosts import phones_of_both_hosts_call_each_other
from tests.patience import PATIENCE_S, eventually
from tests.registrar.phone import Phone, Reply, read_reply
from tests.registrar.server import StreamClient, sip_server, web_host, worker_pids

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

PASSWORD = "Tr0ub4dor&3x"
REPEAT_S = 0.5
RACES = 20
PROBED_EVERY_S = 2


class Line(asyncio.DatagramProtocol):
    """A phone's UDP socket: asks either host, answers probes and notes where they came from."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[str, str], asyncio.Future[Reply]] = {}
        self.probed_from: list[Address] = []

    @classmethod
    async def open(cls) -> "Line":
        transport, line = await asyncio.get_running_loop().create_datagram_endpoint(
            cls, local_addr=("127.0.0.1", 0)
        )
        line.transport, line.address = transport, transport.get_extra_info("sockname")[:2]
        return line

    transport: asyncio.DatagramTransport
    address: Address

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not data.startswith(b"SIP/2.0"):
            request = parse_request(data)
            assert isinstance(request, Request)
            self.probed_from.append(addr)
            self.transport.sendto(build_response(request, addr, 200, "OK"), addr)
            return
        reply = read_reply(data)
        future = self.waiting.pop((reply.values("Call-ID")[0], reply.values("CSeq")[0]), None)
        if future is not None and not future.done():
            future.set_result(reply)

    async def ask(self, host: Address, data: bytes) -> Reply:
        """The host's answer; the request is repeated until it comes."""
        call_id, cseq = re.findall(rb"\r\n(?:Call-ID|CSeq): ([^\r]+)", data)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.waiting[call_id.decode(), cseq.decode()] = future
        async with asyncio.timeout(PATIENCE_S):
            while not future.done():
                self.transport.sendto(data, host)
                await asyncio.wait([future], timeout=REPEAT_S)
        return future.result()

    async def register(self, host: Address, phone: Phone, expires: int = 600) -> Reply:
        """The REGISTER; a challenge is answered at the same host."""
        reply = await self.ask(host, phone.register(expires=expires))
        if reply.status == 401:
            phone.read_challenge(reply)
            reply = await self.ask(host, phone.register(expires=expires))
        return reply


@dataclass
class Shown:
    """What a page, open at one web host, has been told so far."""

    socket: ClientConnection
    states: dict[str, str] = field(default_factory=dict)
    counters: dict[str, Any] = field(default_factory=dict)

    async def hear(self) -> None:
        async for text in self.socket:
            message = json.loads(text)
            for element, html in message.get("rows", {}).items():
                state = re.search(r'data-state="(\w+)"', html)
                assert state
                self.states[element.removeprefix("peer-")] = state[1]
            self.counters = message.get("counters", self.counters)
            if "n" in message:
                await self.socket.send(json.dumps({"seen": message["n"]}))


@dataclass
class Site:
    """The two SIP hosts and the two web hosts; a page at each of the latter, once they are open."""

    a: Address
    b: Address
    process_a: subprocess.Popen[bytes]
    webs: tuple[Address, Address]
    pages: list[Shown] = field(default_factory=list)

    async def shows(self, peer: Peer, state: str) -> None:
        """Returns once both pages were told so."""

        async def told() -> bool:
            return [page.states.get(str(peer.pk)) for page in self.pages] == [state, state]

        await eventually(told)


async def open_page(web: Address, session: str, peers: list[Peer]) -> Shown:
    url = f"{web[0]}:{web[1]}"
    await eventually(lambda: is_listening(web))
    sock = await connect(
        f"ws://{url}/ws/registrations/",
        additional_headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"},
        origin=f"http://{url}",  # type: ignore[arg-type]
    )
    shown = {"search": "", "state": "", "order": "attention", "place": "", "size": 50}
    watch = {str(peer.pk): "00000000" for peer in peers}
    await sock.send(json.dumps({"watch": watch, "as": "row", "list": shown}))
    return Shown(sock)


async def is_listening(address: Address) -> bool:
    try:
        _, writer = await asyncio.open_connection(*address)
    except OSError:
        return False
    writer.close()
    return True


@pytest.fixture
def peers(transactional_db: None, actor: Actor) -> list[Peer]:
    domain = Domain.objects.create(
        name="example.com", realm="example.com", min_expires_s=60, expires_spread_percent=0
    )
    made = [
        extension_create(domain=domain, number=str(number), password=PASSWORD, actor=actor).peer
        for number in range(1001, 1011)
    ]
    Peer.objects.update(qualify=False)
    Peer.objects.filter(name__in=("1002", "1003")).update(qualify=True, qualify_interval_s=PROBED_EVERY_S)
    trace_start(peer=made[0], actor=actor)
    return made


@pytest.fixture
def session(transactional_db: None, admin: User) -> str:
    client = Client()
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    return str(client.session.session_key)


@contextlib.contextmanager
def running() -> Iterator[Site]:
    """All four, of which none need be ready yet."""
    a, b = (free_address(host) for host in ("127.0.0.11", "127.0.0.12"))
    with (
        sip_server(a, 1, calls=True) as process_a,
        sip_server(b, 1, calls=True),
        web_host("127.0.0.21", b) as web_1,
        web_host("127.0.0.22") as web_2,
    ):
        yield Site(a, b, process_a, (web_1, web_2))


@pytest.fixture
async def open_line() -> AsyncIterator[Callable[[], Awaitable[Line]]]:
    lines: list[Line] = []

    async def opened() -> Line:
        lines.append(await Line.open())
        return lines[-1]

    yield opened
    for line in lines:
        line.transport.close()


def phone_of(peer: Peer, source: Address) -> Phone:
    return Phone(peer.name, PASSWORD, source=source)


@sync_to_async
def ledger_of(peer: Peer) -> list[str]:
    events = RegistrationEvent.objects.filter(peer_id=peer.pk).order_by("event_id")
    return list(events.values_list("event", flat=True))


@sync_to_async
def bindings_of(peer: Peer) -> list[Binding]:
    return list(Binding.objects.filter(peer=peer))


async def a_phone_changes_hosts(site: Site, line: Line, peer: Peer) -> None:
    phone = phone_of(peer, line.address)
    assert (await line.register(site.a, phone)).status == 200
    await site.shows(peer, "online")
    registered = (await bindings_of(peer))[0]

    assert (await line.ask(site.b, phone.register(expires=600))).status == 200  # without another challenge
    renewed = await bindings_of(peer)
    assert [binding.binding_id for binding in renewed] == [registered.binding_id]
    assert renewed[0].refresh_count == 1
    assert renewed[0].server.endswith(f" {format_address(site.b)}")
    assert await ledger_of(peer) == [EventKind.REGISTERED]

    assert (await line.ask(site.b, phone.register(expires=0))).status == 200
    await site.shows(peer, "offline")
    assert await ledger_of(peer) == [EventKind.REGISTERED, EventKind.UNREGISTERED]


async def both_hosts_write_one_trace(site: Site, line: Line, peer: Peer) -> None:
    phone = phone_of(peer, line.address)

    @sync_to_async
    def traced() -> set[str]:
        messages = TracedMessage.objects.filter(trace__peer=peer)
        return set(messages.values_list("source", flat=True)) - {format_address(line.address)}

    async def both_wrote() -> bool:
        for host in (site.a, site.b):
            assert (await line.register(host, phone)).status == 200
        return await traced() == {format_address(site.a), format_address(site.b)}

    await eventually(both_wrote)


async def a_probe_comes_from_where_it_registered(site: Site, line: Line, peer: Peer, *way: Address) -> None:
    phone = phone_of(peer, line.address)
    for host in way:
        assert (await line.register(host, phone)).status == 200
    line.probed_from.clear()

    async def probed() -> bool:
        return bool(line.probed_from)

    await eventually(probed)
    assert set(line.probed_from) == {way[-1]}


async def a_renewal_and_an_end_race(site: Site, lines: tuple[Line, Line], peer: Peer) -> None:
    """Two clients of one device: the same contact, each with a Call-ID and a nonce of its own."""
    phones = [phone_of(peer, lines[0].address) for _ in lines]
    for _ in range(RACES):
        renewed, ended = await asyncio.gather(
            lines[0].register(site.a, phones[0]), lines[1].register(site.b, phones[1], expires=0)
        )
        assert (renewed.status, len(renewed.contacts)) == (200, 1)
        assert (ended.status, len(ended.contacts)) == (200, 0)
    ledger = await ledger_of(peer)
    assert ledger == [EventKind.REGISTERED, EventKind.UNREGISTERED] * (len(ledger) // 2) + [
        EventKind.REGISTERED
    ] * (len(ledger) % 2)
    assert len(await bindings_of(peer)) == len(ledger) % 2
    await site.shows(peer, "online" if len(ledger) % 2 else "offline")


def kill_host(process: subprocess.Popen[bytes]) -> None:
    """As a power cut does: nobody of it says good-bye."""
    process.send_signal(signal.SIGSTOP)  # or it would start another worker
    for pid in worker_pids(process):
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()


async def a_host_dies(site: Site, line: Line, udp: Peer, tcp: Peer) -> None:
    stream = await StreamClient.open(site.a)
    assert (await stream.register(phone_of(tcp, stream.address), expires=600)).status == 200
    phone = phone_of(udp, line.address)
    assert (await line.register(site.a, phone)).status == 200
    for peer in (tcp, udp):
        await site.shows(peer, "online")

    await sync_to_async(kill_host)(site.process_a)

    await site.shows(tcp, "offline")
    await stream.close()
    assert await bindings_of(tcp) == []
    ends = RegistrationEvent.objects.filter(peer_id=tcp.pk).exclude(event=EventKind.REGISTERED)
    assert [end.reason async for end in ends] == [EndReason.FLOW_CLOSED]
    assert len(await bindings_of(udp)) == 1
    assert [page.states[str(udp.pk)] for page in site.pages] == ["online", "online"]
    assert (await line.ask(site.b, phone.register(expires=600))).status == 200
    assert await ledger_of(udp) == [EventKind.REGISTERED]


async def the_counters_agree(site: Site) -> None:
    online = await Binding.objects.values("peer").distinct().acount()

    async def agreed() -> bool:
        return all(page.counters.get("online") == online for page in site.pages)

    await eventually(agreed)
    assert site.pages[0].counters == site.pages[1].counters


async def test_two_sip_hosts_and_two_web_hosts_are_one_registrar(
    peers: list[Peer], session: str, open_line: Callable[[], Awaitable[Line]]
) -> None:
    lines = [await open_line() for _ in range(6)]
    with running() as site:
        async with asyncio.TaskGroup() as tasks:
            probes = [  # take longest: each host looks for whom to probe every 10 s
                tasks.create_task(a_probe_comes_from_where_it_registered(site, lines[1], peers[1], site.a)),
                tasks.create_task(
                    a_probe_comes_from_where_it_registered(site, lines[2], peers[2], site.a, site.b)
                ),
            ]
            await eventually(lambda: is_listening(site.webs[0]))
            calls = tasks.create_task(
                phones_of_both_hosts_call_each_other(
                    [peer.name for peer in peers[6:]], site.a, site.b, site.webs[0]
                )
            )
            site.pages += [await open_page(web, session, peers) for web in site.webs]
            heard = [tasks.create_task(page.hear()) for page in site.pages]
            await a_phone_changes_hosts(site, lines[0], peers[0])
            await both_hosts_write_one_trace(site, lines[0], peers[0])
            await a_renewal_and_an_end_race(site, (lines[3], lines[4]), peers[3])
            await asyncio.gather(calls, *probes)
            await a_host_dies(site, lines[5], udp=peers[4], tcp=peers[5])
            await the_counters_agree(site)
            for task in heard:
                task.cancel()
