"""Who may listen, for how long, and what a socket may say (F41, F42)."""

import json
from collections.abc import Callable
from functools import partial

import pytest
from daphne.ws_protocol import WebSocketProtocol
from django.test import Client

from apps.accounts.models import Role, User
from apps.extensions.models import Peer
from apps.live import consumers, hub
from apps.registrar.models import Binding
from tests.live.conftest import in_database, notify, open_page, signed_in, socket_of
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)
SIGNED_OUT = hub.SIGNED_OUT


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PING_S", 0.2)
    monkeypatch.setattr(hub, "TICK_S", 0.1)


async def test_f42_without_a_session_the_socket_is_refused(client: Client) -> None:
    socket = socket_of(client)
    connected, _ = await socket.connect(timeout=PATIENCE_S)
    assert not connected


@pytest.mark.parametrize("origin", [b"https://evil.example", b"null", b""])
async def test_f42_a_page_of_another_site_is_refused(origin: bytes, admin: User) -> None:
    client = await in_database(lambda: signed_in(admin))
    socket = socket_of(client, (b"origin", origin))
    connected, _ = await socket.connect(timeout=PATIENCE_S)
    assert not connected


async def test_a_supervisor_may_listen(supervisor: User, peer: Peer) -> None:
    client = await in_database(lambda: signed_in(supervisor))
    async with open_page(client, {str(peer.pk): "00000000"}) as page:
        await page.heard(lambda message: "rows" in message)


def sign_out(client: Client, user: User) -> None:
    client.post("/sign-out/")


def switch_off(client: Client, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def demote(client: Client, user: User) -> None:
    User.objects.filter(pk=user.pk).update(role=Role.SUPERVISOR)


def change_password(client: Client, user: User) -> None:
    user.set_password("another long sentence")
    user.save()


@pytest.mark.usefixtures("quick_checks")
@pytest.mark.parametrize("happening", [sign_out, switch_off, demote, change_password])
async def test_f42_the_socket_closes_soon_after(
    happening: Callable[[Client, User], None], admin: User, peer: Peer
) -> None:
    client = await in_database(lambda: signed_in(admin))
    async with open_page(client, {str(peer.pk): "00000000"}) as page:
        await page.heard(lambda message: "rows" in message)
        await in_database(lambda: happening(client, admin))
        while (event := await page.socket.receive_output(timeout=PATIENCE_S))["type"] == "websocket.send":
            pass
    assert (event["type"], event["code"]) == ("websocket.close", SIGNED_OUT)


async def test_f42_each_message_is_checked(admin: User, peer: Peer) -> None:
    client = await in_database(lambda: signed_in(admin))
    async with open_page(client, {str(peer.pk): "00000000"}) as page:
        await page.heard(lambda message: "rows" in message)
        await in_database(lambda: switch_off(client, admin))
        await page.say({"refresh": [str(peer.pk)]})
        while (event := await page.socket.receive_output(timeout=PATIENCE_S))["type"] == "websocket.send":
            pass
    assert event["code"] == SIGNED_OUT


@pytest.mark.parametrize(
    "code",
    [hub.SIGNED_OUT, hub.TOO_MANY, hub.FAILED, hub.STUCK, consumers.INVALID, consumers.TOO_BIG],
)
def test_the_web_server_closes_with_each_of_our_codes(code: int) -> None:
    protocol = WebSocketProtocol()
    protocol.state = WebSocketProtocol.STATE_CLOSED  # the code is looked at all the same
    protocol.serverClose(code)


WRONG = [
    "",
    "nonsense",
    "[]",
    "null",
    '{"watch": {"x": "y"}, "as": "row"}',
    '{"watch": [], "as": "row"}',
    '{"watch": {}, "as": "secrets"}',
    '{"refresh": "all"}',
    '{"refresh": [1]}',
    '{"seen": true}',
    '{"seen": -1}',
    "[" * 20_000,
    json.dumps({"watch": {str(number): "" for number in range(300)}, "as": "row"}),
    json.dumps({"watch": {}, "as": "row", "list": {"search": "x" * 500}}),
    json.dumps({"watch": {}, "as": "row", "list": {"search": "\0", "state": "", "order": ""}}),
]


@pytest.mark.parametrize("text", WRONG)
async def test_f42_what_the_page_never_says_closes_the_socket(text: str, admin: User) -> None:
    client = await in_database(lambda: signed_in(admin))
    socket = socket_of(client)
    await socket.connect(timeout=PATIENCE_S)
    await socket.send_input({"type": "websocket.receive", "text": text})
    while (event := await socket.receive_output(timeout=PATIENCE_S))["type"] == "websocket.send":
        pass
    assert event["code"] == consumers.INVALID
    await socket.disconnect()


@pytest.mark.parametrize("frame", [b"", b"\xff\xfe", b"x" * 100_000])
async def test_f42_binary_and_giant_frames_close_the_socket(frame: bytes, admin: User) -> None:
    client = await in_database(lambda: signed_in(admin))
    socket = socket_of(client)
    await socket.connect(timeout=PATIENCE_S)
    await socket.send_input({"type": "websocket.receive", "bytes": frame})
    while (event := await socket.receive_output(timeout=PATIENCE_S))["type"] == "websocket.send":
        pass
    assert event["code"] in {consumers.INVALID, consumers.TOO_BIG}
    await socket.disconnect()


async def test_f41_a_page_that_reads_nothing_gets_one_update_then_the_newest_state(
    admin: User, peer: Peer, add_binding: Callable[..., Binding]
) -> None:
    client = await in_database(lambda: signed_in(admin))
    async with open_page(client, {str(peer.pk): "00000000"}) as page:
        await page.heard(lambda message: "rows" in message)
        await page.heard(lambda message: "ping" in message)
        binding = await in_database(lambda: add_binding(peer))

        def move(port: int) -> None:
            Binding.objects.filter(binding_id=binding.binding_id).update(received_port=port)
            notify(peer.pk)

        await in_database(lambda: notify(peer.pk))
        unread = json.loads(await page.socket.receive_from(timeout=PATIENCE_S))
        for port in range(6000, 6005):
            await in_database(partial(move, port))
            assert await page.socket.receive_nothing(timeout=0.3)
        await page.say({"seen": unread["n"]})
        newest = await page.heard(lambda message: "rows" in message)
    assert ":6004<" in newest["rows"][f"peer-{peer.pk}"]


async def test_f41_a_page_that_never_reads_is_closed(
    admin: User, peer: Peer, quick_checks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "STUCK_S", 0.3)
    client = await in_database(lambda: signed_in(admin))
    async with open_page(client, {str(peer.pk): "00000000"}) as page:
        while (event := await page.socket.receive_output(timeout=PATIENCE_S))["type"] == "websocket.send":
            pass
    assert event["code"] == hub.STUCK
