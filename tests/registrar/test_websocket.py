"""SIP over WebSocket (RFC 7118): browser phones register at /sip; their connection is their way back."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from channels.testing import WebsocketCommunicator
from daphne.ws_protocol import WebSocketProtocol
from django.conf import LazySettings

from apps.extensions.services import NewPeer
from apps.registrar import websocket
from apps.registrar.models import Binding, RegistrationEvent, WorkerHeartbeat
from apps.registrar.selectors import sip_worker_is_well
from apps.registrar.websocket import client_address, transport_of, websocket_registrar
from tests.patience import PATIENCE_S
from tests.registrar.conftest import PASSWORD
from tests.registrar.phone import Phone, Reply, read_reply

pytestmark = pytest.mark.django_db(transaction=True)

HEADERS = [(b"host", b"localhost"), (b"origin", b"http://localhost")]
CONTACT = "<sip:1001@df7jal23ls0d.invalid;transport=ws>"


def socket_of(
    subprotocols: tuple[str, ...] = ("sip",), headers: list[tuple[bytes, bytes]] = HEADERS
) -> WebsocketCommunicator:
    from registrar_admin.asgi import application

    socket = WebsocketCommunicator(application, "/sip", headers=headers, subprotocols=list(subprotocols))
    socket.scope["client"] = ("127.0.0.1", 50_000)
    return socket


@pytest.fixture
async def socket(extension_1001: NewPeer) -> AsyncIterator[WebsocketCommunicator]:
    """A connection that is open; the registrar behind it ends with the test."""
    opened = socket_of()
    assert await opened.connect(timeout=PATIENCE_S) == (True, "sip")
    yield opened
    await opened.disconnect()
    await websocket_registrar().close()


async def ask(socket: WebsocketCommunicator, request: bytes, *, as_text: bool = True) -> Reply:
    if as_text:
        await socket.send_to(text_data=request.decode())
    else:
        await socket.send_to(bytes_data=request)
    answer = await socket.receive_from(timeout=PATIENCE_S)
    assert isinstance(answer, str)
    return read_reply(answer.encode())


async def registered(socket: WebsocketCommunicator) -> Reply:
    phone = Phone("1001", PASSWORD, source=("127.0.0.1", 50_000))
    phone.read_challenge(await ask(socket, over_ws(phone.register([CONTACT]))))
    return await ask(socket, over_ws(phone.register([CONTACT])))


def over_ws(request: bytes) -> bytes:
    return request.replace(b"SIP/2.0/UDP 127.0.0.1:50000", b"SIP/2.0/WS df7jal23ls0d.invalid")


async def test_c114_a_browser_phone_registers_and_is_bound_to_its_connection(
    socket: WebsocketCommunicator,
) -> None:
    reply = await registered(socket)

    binding = await Binding.objects.aget()
    assert reply.status == 200
    assert "df7jal23ls0d.invalid" in reply.contacts[0]
    assert reply.values("Via")[0].startswith("SIP/2.0/WS df7jal23ls0d.invalid;")
    assert (binding.transport, binding.received_addr) == ("WS", "127.0.0.1")
    assert binding.flow is not None


async def test_c114_a_closed_connection_ends_its_binding(socket: WebsocketCommunicator) -> None:
    await registered(socket)
    await socket.disconnect()
    async with asyncio.timeout(5):
        while await Binding.objects.aexists():  # noqa: ASYNC110 - a table tells nobody
            await asyncio.sleep(0.02)
    assert await RegistrationEvent.objects.filter(reason="flow_closed").acount() == 1


@pytest.mark.parametrize("offered", [(), ("xmpp",)])
async def test_c114_without_the_subprotocol_sip_it_is_refused(offered: tuple[str, ...]) -> None:
    socket = socket_of(offered)
    connected, _ = await socket.connect(timeout=PATIENCE_S)
    assert not connected
    await websocket_registrar().close()


async def test_a_page_of_another_site_is_refused() -> None:
    headers = [(b"host", b"localhost"), (b"origin", b"http://evil.example")]
    connected, _ = await socket_of(headers=headers).connect(timeout=PATIENCE_S)
    assert not connected


async def test_c114_frames_may_be_binary_and_need_no_content_length(socket: WebsocketCommunicator) -> None:
    request = (
        b"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\nTo: <sip:a@b>\r\n"
    )
    request += b"From: <sip:a@b>;tag=1\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
    assert (await ask(socket, request, as_text=False)).status == 200


async def test_c109_a_double_crlf_is_answered(socket: WebsocketCommunicator) -> None:
    await socket.send_to(text_data="\r\n\r\n")
    assert await socket.receive_from(timeout=PATIENCE_S) == "\r\n"


async def test_a_frame_over_the_limit_closes_the_connection(socket: WebsocketCommunicator) -> None:
    await socket.send_to(bytes_data=b"x" * 65_536)
    assert await socket.receive_output(timeout=PATIENCE_S) == {
        "type": "websocket.close",
        "code": websocket.TOO_BIG,
    }


@pytest.mark.parametrize("name", ["GOING_AWAY", "TOO_BIG", "TOO_MANY", "TOO_SLOW"])
def test_the_web_server_closes_with_each_of_our_codes(name: str) -> None:
    protocol = WebSocketProtocol()
    protocol.state = WebSocketProtocol.STATE_CLOSED  # the code is looked at all the same
    protocol.serverClose(getattr(websocket, name))


async def test_a_flood_closes_the_connection(
    socket: WebsocketCommunicator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MOST_PER_WINDOW", 3)
    for _ in range(4):
        await socket.send_to(text_data="\r\n\r\n")
    assert [(await socket.receive_output(timeout=PATIENCE_S))["type"] for _ in range(4)][
        -1
    ] == "websocket.close"


async def test_who_says_nothing_is_closed(extension_1001: NewPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "FIRST_MESSAGE_WITHIN_S", 0.05)
    silent = socket_of()
    await silent.connect(timeout=PATIENCE_S)
    assert (await silent.receive_output(timeout=PATIENCE_S))["type"] == "websocket.close"
    await silent.disconnect()
    await websocket_registrar().close()


async def test_the_registrar_stops_when_nobody_is_there(
    socket: WebsocketCommunicator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "STOP_WHEN_IDLE_S", 0.0)
    await registered(socket)
    assert await WorkerHeartbeat.objects.filter(bind="websocket").acount() == 1
    await socket.disconnect()
    await asyncio.sleep(0.01)
    await websocket_registrar().close()
    assert await Binding.objects.acount() == 0
    assert await WorkerHeartbeat.objects.acount() == 0


def test_the_web_process_says_nothing_about_the_sip_servers_health(transactional_db: None) -> None:
    from django.utils import timezone

    now = timezone.now()
    WorkerHeartbeat.objects.create(id="web", bind="websocket", started_at=now, seen_at=now)
    assert not sip_worker_is_well()


@pytest.mark.parametrize(
    ("scope", "transport"),
    [
        ({"headers": []}, "WS"),
        ({"headers": [], "scheme": "wss"}, "WSS"),
        ({"headers": [(b"x-forwarded-proto", b"https")]}, "WSS"),
        ({"headers": [(b"x-forwarded-proto", b"http")]}, "WS"),
    ],
)
def test_behind_a_tls_proxy_the_transport_is_wss(
    scope: dict[str, object], transport: str, settings: LazySettings
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert transport_of(scope) == transport


def test_without_a_proxy_nobody_can_claim_one(settings: LazySettings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = None
    assert transport_of({"headers": [(b"x-forwarded-proto", b"https")]}) == "WS"


def test_a_mapped_client_is_plain_ipv4() -> None:
    assert client_address({"client": ["::ffff:192.0.2.1", 7]}) == ("192.0.2.1", 7)
    assert client_address({"client": ["2001:db8::1", 7]}) == ("2001:db8::1", 7)
