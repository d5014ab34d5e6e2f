"""Phones register over UDP, TCP and TLS alike, over IPv4 and IPv6; what came over a connection ends with it."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apps.extensions.services import NewPeer
from apps.registrar.models import Binding, RegistrationEvent, WorkerHeartbeat
from tests.addresses import Address
from tests.patience import PATIENCE_S
from tests.registrar.conftest import PASSWORD
from tests.registrar.phone import Phone
from tests.registrar.server import StreamClient, UdpClient, sip_server, worker_pids

pytestmark = pytest.mark.django_db(transaction=True)

AnyClient = UdpClient | StreamClient


def free_port() -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def ports(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """UDP and TCP, and TLS, of a running server on every address of this machine."""
    plain, tls = free_port(), free_port()
    folder = tmp_path_factory.mktemp("data")
    with (
        changed_environment("REGISTRAR_DATA_DIR", folder),
        sip_server(("::", plain), 1, "--tls-bind", f"[::]:{tls}"),
    ):
        yield plain, tls


@contextlib.contextmanager
def changed_environment(name: str, value: Path) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = str(value)
    yield
    if before is None:
        del os.environ[name]
    else:
        os.environ[name] = before


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@asynccontextmanager
async def connected(transport: str, host: str, ports: tuple[int, int]) -> AsyncIterator[AnyClient]:
    if transport == "UDP":
        udp = await UdpClient.open((host, ports[0]))
        yield udp
        udp.transport.close()
        await asyncio.sleep(0)
        return
    tls = trusting() if transport == "TLS" else None
    client = await StreamClient.open((host, ports[1] if tls else ports[0]), tls)
    yield client
    await client.close()
    await until_flows_ended()


async def until_flows_ended() -> None:
    """The test's tables are emptied at its end: the server must not be writing then."""
    async with asyncio.timeout(5):
        while await Binding.objects.filter(flow__isnull=False).aexists():  # noqa: ASYNC110 - a table tells nobody
            await asyncio.sleep(0.02)


def phone_at(client: AnyClient) -> Phone:
    return Phone("1001", PASSWORD, source=client.address)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
async def test_c27_a_phone_registers_queries_and_signs_off_over_every_transport(
    ports: tuple[int, int], extension_1001: NewPeer, transport: str, host: str
) -> None:
    async with connected(transport, host, ports) as client:
        phone = phone_at(client)
        contact = phone.contact
        registered = await client.register(phone, [contact], expires=600)
        binding = await Binding.objects.aget()
        query = await client.register(phone, [])
        gone = await client.register(phone, [contact], expires=0)

    assert (registered.status, query.status, gone.status) == (200, 200, 200)
    assert len(query.contacts) == 1
    assert gone.contacts == []
    assert (binding.received_addr, binding.received_port) == client.address
    assert binding.transport == transport
    assert (binding.flow is None) == (transport == "UDP")
    assert registered.values("Via")[0].endswith(f"received={host}")


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
async def test_a_closed_connection_ends_what_came_over_it_and_nothing_else(
    ports: tuple[int, int], extension_1001: NewPeer, transport: str
) -> None:
    async with connected("UDP", "127.0.0.1", ports) as steady:
        assert (await steady.register(phone_at(steady), ["<sip:1001@192.0.2.1>"])).status == 200
    async with connected(transport, "127.0.0.1", ports) as client:
        assert (await client.register(phone_at(client), ["<sip:1001@192.0.2.2>"])).status == 200
        assert await Binding.objects.acount() == 2

    assert await RegistrationEvent.objects.filter(reason="flow_closed").acount() == 1
    assert [binding.contact async for binding in Binding.objects.all()] == ["sip:1001@192.0.2.1"]


async def test_c28_requests_of_one_segment_are_answered_in_order(
    ports: tuple[int, int], extension_1001: NewPeer
) -> None:
    async with connected("TCP", "127.0.0.1", ports) as client:
        assert isinstance(client, StreamClient)
        phone = phone_at(client)
        await client.register(phone, [])
        await client.request(phone.register([]) + phone.register(["<sip:1001@192.0.2.1>"]))
        second = await client.read()
        assert second is not None
        assert second.values("CSeq") == [f"{phone.cseq} REGISTER"]
        assert len(second.contacts) == 1


async def test_c28_no_content_length_on_a_stream_is_400_and_the_end(
    ports: tuple[int, int], extension_1001: NewPeer
) -> None:
    async with connected("TCP", "127.0.0.1", ports) as client:
        assert isinstance(client, StreamClient)
        reply = await client.request(phone_at(client).register().replace(b"Content-Length: 0\r\n", b""))
        assert reply.status == 400
        assert await client.read() is None


async def test_c109_a_ping_is_answered_while_registered(
    ports: tuple[int, int], extension_1001: NewPeer
) -> None:
    async with connected("TLS", "127.0.0.1", ports) as client:
        assert isinstance(client, StreamClient)
        await client.register(phone_at(client))
        client.writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(client.reader.readexactly(2), PATIENCE_S) == b"\r\n"


async def test_c42_a_repeat_on_its_connection_gets_the_same_bytes(
    ports: tuple[int, int], extension_1001: NewPeer
) -> None:
    async with connected("TCP", "127.0.0.1", ports) as client:
        phone = phone_at(client)
        await client.register(phone, [])
        request = phone.register(["<sip:1001@192.0.2.1>"])
        assert (await client.request(request)).raw == (await client.request(request)).raw


async def test_c26_an_aor_with_20_contacts_is_answered_whole_over_udp(
    ports: tuple[int, int], extension_1001: NewPeer, record_property: Callable[[str, object], None]
) -> None:
    extension_1001.peer.max_contacts = 20
    await extension_1001.peer.asave()
    async with connected("UDP", "127.0.0.1", ports) as client:
        contacts = [f"<sip:1001@192.0.2.{number};line={'x' * 300}>" for number in range(20)]
        reply = await client.register(phone_at(client), contacts)
    assert reply.status == 200
    assert len(reply.contacts) == 20
    assert len(reply.raw) > 6_500  # over four Ethernet frames
    record_property("bytes", len(reply.raw))


async def test_a_server_that_stops_ends_what_came_over_its_connections(extension_1001: NewPeer) -> None:
    address: Address = ("127.0.0.1", free_port())
    with sip_server(address, 2) as server:
        client = await StreamClient.open(address)
        assert (await client.register(phone_at(client))).status == 200
        assert len(worker_pids(server)) == 2
        server.send_signal(signal.SIGTERM)
        assert await client.read() is None
        await asyncio.to_thread(server.wait, 5)
        await client.close()
    assert await Binding.objects.acount() == 0
    assert await RegistrationEvent.objects.filter(reason="flow_closed").acount() == 1
    assert not await WorkerHeartbeat.objects.filter(bind=f"127.0.0.1:{address[1]}").aexists()
