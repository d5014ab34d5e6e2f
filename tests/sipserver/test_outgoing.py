"""Connections that we open: one to a server, only to whom we mean, and what becomes of those that are not there."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from apps.sipserver.addresses import way_to
from apps.sipserver.certificates import ensure_self_signed
from apps.sipserver.events import Address, Counters, Load, Origin
from apps.sipserver.flows import Flows
from apps.sipserver.inbox import Inbox
from apps.sipserver.outgoing import Outgoing, OutgoingStream
from apps.sipserver.tls import Certificate, server_context
from tests.patience import PATIENCE_S

MESSAGE = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n"


class Hub:
    """A server with room, as far as its connections see it."""

    def __init__(self) -> None:
        self.counters, self.load = Counters(), Load()
        self.inbox = Inbox(lambda: None)
        self.inbox._ready = True
        self.ended: list[str] = []
        self.flows = Flows(self, "w", 8)
        self.outgoing = Outgoing(self, self.flows, ("127.0.0.1", 0))
        self._news = asyncio.Event()

    def gained(self, count: int) -> None:
        self._news.set()

    def resume_reading(self) -> None:
        """Always."""

    def flow_closed(self, flow: str) -> None:
        self.ended.append(flow)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._news.clear()
                await self._news.wait()


class Server:
    """Says back what it hears."""

    def __init__(self) -> None:
        self.connections: list[asyncio.StreamWriter] = []
        self.heard = 0

    async def open(self, context: ssl.SSLContext | None = None) -> Address:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        address: Address = self._server.sockets[0].getsockname()
        return address

    async def close(self) -> None:
        self._server.close()
        for each in self.connections:
            each.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        while data := await reader.read(65536):
            self.heard += data.count(b"OPTIONS")
            writer.write(data)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub()
    yield hub
    hub.flows.close_all()
    await hub.outgoing.close()
    await hub.flows.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    await server.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return ensure_self_signed(tmp_path, ["sip.carrier.example"])


async def heard(hub: Hub, way: Origin) -> bool:
    """Whether what is said comes back, rather than that the connection is none."""
    before = len(hub.inbox.open_batch)
    assert hub.outgoing.send(MESSAGE, way)
    await hub.until(lambda: len(hub.inbox.open_batch) > before or way.flow in hub.ended)
    return hub.inbox.open_batch[before:] == [(MESSAGE, way)]


async def test_what_is_said_while_it_opens_is_said_in_order_and_there_is_one_connection(
    hub: Hub, server: Server
) -> None:
    way = way_to(await server.open(), "TCP")
    for number in range(3):
        assert hub.outgoing.send(MESSAGE.replace(b"sip:a", b"sip:%d" % number), way)
    await hub.until(lambda: len(hub.inbox.open_batch) == 3)
    assert [data.split()[1] for data, _ in hub.inbox.open_batch] == [b"sip:0", b"sip:1", b"sip:2"]
    assert {origin for _, origin in hub.inbox.open_batch} == {way}
    assert await heard(hub, way)
    assert len(server.connections) == 1
    assert hub.flows.open_flows == {way.flow}


async def test_a_server_that_is_not_there_is_told_as_the_connections_end(hub: Hub, server: Server) -> None:
    way = way_to(await server.open(), "TCP")
    await server.close()
    assert not await heard(hub, way)
    assert hub.ended == [way.flow]
    assert hub.flows.admit("127.0.0.1")


async def test_a_connection_that_was_lost_is_opened_again(hub: Hub, server: Server) -> None:
    way = way_to(await server.open(), "TCP")
    assert await heard(hub, way)
    server.connections[0].close()
    await hub.until(lambda: hub.ended == [way.flow])
    hub.ended.clear()
    assert await heard(hub, way)
    assert len(server.connections) == 2


@pytest.mark.parametrize(
    ("is_known", "name", "is_heard"),
    [
        (True, "sip.carrier.example", True),
        (True, "other.example", False),
        (True, "127.0.0.1", False),
        (False, "sip.carrier.example", False),
        (False, "", True),
    ],
)
async def test_over_tls_the_certificate_is_the_servers_unless_any_will_do(
    hub: Hub,
    server: Server,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    is_known: bool,
    name: str,
    is_heard: bool,
) -> None:
    if is_known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.chain))
    way = way_to(await server.open(server_context(certificate)), "TLS", name)
    assert await heard(hub, way) is is_heard
    assert server.heard == is_heard


async def test_one_that_nobody_uses_is_closed(
    hub: Hub, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = way_to(await server.open(), "TCP")
    monkeypatch.setattr(OutgoingStream, "idle_s", 0.01)
    assert await heard(hub, way)
    await hub.until(lambda: hub.ended == [way.flow])
    assert not hub.flows.open_flows


async def test_there_are_no_more_than_there_may_be(hub: Hub, server: Server) -> None:
    address = await server.open()
    ways = [way_to(address, "TCP", f"n{number}") for number in range(9)]
    assert [hub.outgoing.send(MESSAGE, way) for way in ways] == [True] * 8 + [False]
    assert hub.ended == [ways[-1].flow]
    await hub.until(lambda: len(hub.inbox.open_batch) == 8)
