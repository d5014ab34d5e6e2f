"""The test phone against the real SIP server: what works, what does not, and that no phone is in its way."""

import datetime as dt
import io
import sys
from collections.abc import Awaitable, Callable, Iterator

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, Peer
from apps.extensions.services import NewPeer
from apps.registrar.models import Binding, PeerActivity, RegistrationEvent
from apps.registrar.services import extension_update
from apps.registrar.testphone import client
from apps.registrar.testphone.client import try_credentials
from apps.registrar.testphone.dialogue import USER_AGENT
from apps.registrar.testphone.services import credentials_test, server_address
from apps.registrar.testphone.steps import Stage, Step, StepState
from apps.registrar.testphone.turns import turn
from tests.addresses import Address, free_address
from tests.registrar.conftest import PASSWORD
from tests.registrar.server import UdpClient, sip_server

pytestmark = pytest.mark.django_db(transaction=True)

Tried = Callable[[Peer, str], Awaitable[list[Step]]]


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[Address]:
    address = free_address("0.0.0.0")
    with sip_server(address, 2):
        yield "127.0.0.1", address[1]


@pytest.fixture
def peer(extension_1001: NewPeer) -> Peer:
    return extension_1001.peer


@pytest.fixture
def tried(server: Address, settings: LazySettings, actor: Actor) -> Tried:
    """The steps of a test of this peer."""
    settings.SIP_BIND = f"0.0.0.0:{server[1]}"

    async def collected(peer: Peer, password: str) -> list[Step]:
        line = await UdpClient.open(server)  # the server may still be starting
        await line.request(OPTIONS.format(*line.address).encode())
        line.transport.close()
        plan = await sync_to_async(credentials_test)(peer=peer, actor=actor)
        return [step async for step in try_credentials(plan, password)]

    return collected


OPTIONS = (
    "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {}:{};rport;branch=z9hG4bKo\r\nFrom: <sip:t@t>;tag=1\r\n"
    "To: <sip:127.0.0.1>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


def outline(steps: list[Step]) -> list[tuple[str, str, str]]:
    return [(step.stage.value, step.state.value, step.came) for step in steps]


async def events() -> list[tuple[str, str, str]]:
    rows = RegistrationEvent.objects.order_by("at").values_list("event", "reason", "user_agent")
    return [row async for row in rows]


async def test_right_credentials_register_and_sign_off(tried: Tried, peer: Peer) -> None:
    steps = await tried(peer, PASSWORD)
    assert outline(steps) == [
        ("address", "ok", ""),
        ("challenge", "ok", "401 Unauthorized"),
        ("password", "ok", "200 OK"),
        ("register", "ok", "200 OK"),
        ("unregister", "ok", "200 OK"),
        ("result", "ok", ""),
    ]
    assert await events() == [
        ("registered", "registered", USER_AGENT),
        ("unregistered", "unregistered", USER_AGENT),
    ]
    assert await Binding.objects.acount() == 0
    assert "60 s" in steps[3].words


async def test_a_wrong_password_is_said_and_is_in_the_ledger(tried: Tried, peer: Peer) -> None:
    steps = await tried(peer, "not the password")
    assert outline(steps)[2:] == [("password", "failed", "401 Unauthorized"), ("result", "failed", "")]
    assert "not the one" in steps[2].words
    assert await events() == [("refused", "wrong_password", USER_AGENT)]


async def test_a_test_changes_nothing_of_what_is_known_of_the_peer(tried: Tried, peer: Peer) -> None:
    await tried(peer, PASSWORD)
    assert await PeerActivity.objects.acount() == 0
    await PeerActivity.objects.acreate(
        peer=peer, registered_at=timezone.now(), received_addr="203.0.113.7", networks=["203.0.0.0/16"]
    )
    known = await PeerActivity.objects.values().aget()
    await tried(peer, "not the password")
    assert await PeerActivity.objects.values().aget() == known
    await tried(peer, PASSWORD)
    assert await PeerActivity.objects.values().aget() == known


async def test_a_disabled_extension_is_not_called_a_wrong_password(
    tried: Tried, peer: Peer, actor: Actor
) -> None:
    assert peer.extension is not None
    await sync_to_async(extension_update)(extension=peer.extension, actor=actor, enabled=False)
    steps = await tried(peer, PASSWORD)
    assert "disabled" in steps[2].words


async def test_a_full_peer_keeps_its_phones(tried: Tried, peer: Peer) -> None:
    now = timezone.now()
    peer.max_contacts = 1
    await peer.asave()
    kept = await Binding.objects.acreate(
        aor="sip:1001@example.com",
        binding_key="sip:1001@192.0.2.1",
        peer=peer,
        extension=peer.extension,
        contact="sip:1001@192.0.2.1",
        received_addr="192.0.2.1",
        received_port=5060,
        transport="UDP",
        call_id="a",
        cseq=1,
        registered_at=now,
        refreshed_at=now,
        expires_at=now + dt.timedelta(hours=1),
    )
    steps = await tried(peer, PASSWORD)
    assert outline(steps)[3:] == [("room", "note", ""), ("result", "ok", "")]
    assert [row.binding_id async for row in Binding.objects.all()] == [kept.binding_id]
    assert await events() == []


async def test_a_domain_nobody_serves_is_named(tried: Tried, peer: Peer) -> None:
    peer.domain.name = "elsewhere.example"  # as if it had been removed meanwhile
    steps = await tried(peer, PASSWORD)
    assert outline(steps)[1] == ("challenge", "failed", "404 Not Found")
    assert "elsewhere.example" in steps[1].words


async def test_no_answer_is_told_as_that(
    peer: Peer, actor: Actor, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SIP_BIND = "{}:{}".format(*free_address())
    monkeypatch.setattr(client, "ANSWER_WITHIN_S", 0.2)
    plan = await sync_to_async(credentials_test)(peer=peer, actor=actor)
    steps = [step async for step in try_credentials(plan, PASSWORD)]
    assert outline(steps)[1:] == [("challenge", "failed", ""), ("result", "failed", "")]
    assert f"does not answer at {settings.SIP_BIND}" in steps[1].words
    assert "could not be tried" in steps[2].words


async def test_an_address_this_machine_cannot_reach_is_said(
    peer: Peer, actor: Actor, settings: LazySettings
) -> None:
    settings.SIP_BIND = "255.255.255.255:5060"  # needs a socket that may broadcast
    plan = await sync_to_async(credentials_test)(peer=peer, actor=actor)
    steps = [step async for step in try_credentials(plan, PASSWORD)]
    assert outline(steps) == [("address", "failed", "")]


async def test_a_test_broken_off_signs_off(tried: Tried, peer: Peer, actor: Actor) -> None:
    await tried(peer, PASSWORD)  # the server is there
    plan = await sync_to_async(credentials_test)(peer=peer, actor=actor)
    steps = try_credentials(plan, PASSWORD)
    async for step in steps:
        if step.stage is Stage.REGISTER:
            break
    assert await Binding.objects.acount() == 1
    await steps.aclose()  # type: ignore[attr-defined]
    while await Binding.objects.acount():  # the sign-off is under way
        pass


async def test_one_test_at_a_time_for_each_peer(tried: Tried, peer: Peer) -> None:
    async with turn(peer.pk) as is_ours:
        assert is_ours
        steps = await tried(peer, PASSWORD)
    assert [(step.state, "running already" in step.words) for step in steps] == [(StepState.FAILED, True)]


def test_the_test_is_written_down_without_the_password(peer: Peer, actor: Actor) -> None:
    credentials_test(peer=peer, actor=actor)
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert (entry.action, entry.target_id, entry.changes) == (
        "credentials_test",
        peer.pk,
        {"username": "1001"},
    )


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("0.0.0.0:5060", ("127.0.0.1", 5060)),
        ("[::]:5070", ("::1", 5070)),
        ("192.0.2.1:5060", ("192.0.2.1", 5060)),
    ],
)
def test_a_server_on_all_addresses_is_reached_over_loopback(
    bind: str, address: Address, settings: LazySettings
) -> None:
    settings.SIP_BIND = bind
    assert server_address() == address


@pytest.mark.parametrize(("password", "works"), [(PASSWORD, True), ("nope", False)])
def test_the_command_reads_the_password_from_stdin(
    password: str,
    works: bool,
    server: Address,
    peer: Peer,
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.SIP_BIND = f"127.0.0.1:{server[1]}"
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
    out, err = io.StringIO(), io.StringIO()
    if works:
        call_command("try_credentials", "1001", stdout=out, stderr=err)
        assert "These credentials work" in out.getvalue()
    else:
        with pytest.raises(CommandError) as failed:
            call_command("try_credentials", "1001", stdout=out, stderr=err)
        assert failed.value.returncode == 1
        assert "the password is not the one" in out.getvalue()
    assert password not in out.getvalue() + err.getvalue()


def test_the_command_says_when_there_is_nothing_to_test(peer: Peer) -> None:
    with pytest.raises(CommandError) as failed:
        call_command("try_credentials", "1009")
    assert failed.value.returncode == 2
