"""What is pushed to a page is what a reload would show."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.extensions.audit import Actor
from apps.extensions.models import Peer
from apps.extensions.services import extension_create, extension_update
from apps.registrar import selectors
from apps.registrar.models import Binding, PeerActivity, RegistrationEvent
from apps.registrar.services import extension_delete
from tests.live.conftest import in_database, notify, open_page, signed_in

pytestmark = pytest.mark.django_db(transaction=True)

AddBinding = Callable[..., Binding]
UNSEEN = "00000000"


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two renderings a moment apart say the same "4:12": what is compared is the row, not the second."""
    now = timezone.now()
    monkeypatch.setattr(selectors, "database_now", lambda: now)


def rendered_row(client: Client, peer: Peer) -> str:
    page = client.get("/").content.decode()
    row = re.search(rf'<tr id="peer-{peer.pk}".*?</tr>', page, re.DOTALL)
    assert row is not None
    return row[0]


def register_and_notify(add: AddBinding, peer: Peer) -> None:
    add(peer)
    notify(peer.pk)


def registered(peer: Peer, add: AddBinding) -> None:
    add(peer)


def registered_twice(peer: Peer, add: AddBinding) -> None:
    add(peer)
    add(peer, contact="sip:1001@10.0.0.5:5061;transport=tcp", received_addr="2001:db8::7")


def refreshed(peer: Peer, add: AddBinding) -> None:
    binding = add(peer)
    Binding.objects.filter(binding_id=binding.binding_id).update(
        expires_at=timezone.now() + dt.timedelta(days=2)
    )


def moved(peer: Peer, add: AddBinding) -> None:
    binding = add(peer)
    Binding.objects.filter(binding_id=binding.binding_id).update(
        received_addr="198.51.100.9", received_port=40_001
    )


def unregistered(peer: Peer, add: AddBinding) -> None:
    add(peer).delete()
    PeerActivity.objects.filter(peer=peer).update(ended_at=timezone.now(), end_reason="unregistered")


def expired_but_not_swept(peer: Peer, add: AddBinding) -> None:
    long_ago = timezone.now() - dt.timedelta(hours=1)
    add(
        peer,
        registered_at=long_ago,
        refreshed_at=long_ago,
        expires_at=timezone.now() - dt.timedelta(seconds=5),
    )


def refused(peer: Peer, add: AddBinding) -> None:
    PeerActivity.objects.create(peer=peer, refused_at=timezone.now(), refused_reason="wrong_password")


def refused_while_online(peer: Peer, add: AddBinding) -> None:
    add(peer)
    PeerActivity.objects.filter(peer=peer).update(refused_at=timezone.now(), refused_reason="wrong_password")


def disabled(peer: Peer, add: AddBinding) -> None:
    assert peer.extension is not None
    extension_update(extension=peer.extension, enabled=False, actor=Actor.of_command("test"))


def renamed(peer: Peer, add: AddBinding) -> None:
    assert peer.extension is not None
    extension_update(extension=peer.extension, display_name="<b>Ann</b> & Co", actor=Actor.of_command("test"))


def hostile(peer: Peer, add: AddBinding) -> None:
    add(peer, user_agent="<script>alert(1)</script>", contact='sip:"><img src=x onerror=alert(1)>@h')


@pytest.mark.parametrize(
    "happening",
    [
        registered,
        registered_twice,
        refreshed,
        moved,
        unregistered,
        expired_but_not_swept,
        refused,
        refused_while_online,
        disabled,
        renamed,
        hostile,
    ],
)
async def test_pushed_row_equals_the_row_of_a_reload(
    happening: Callable[[Peer, AddBinding], None], admin: User, peer: Peer, add_binding: AddBinding
) -> None:
    client = await in_database(lambda: signed_in(admin))
    async with open_page(client, {str(peer.pk): UNSEEN}) as page:
        await page.heard(lambda message: "rows" in message)

        def happen() -> None:
            happening(peer, add_binding)
            RegistrationEvent.objects.create(
                at=timezone.now(),
                event_id=1,
                last_at=timezone.now(),
                event="registered",
                reason="ok",
                aor="a",
            )
            notify(peer.pk)

        await in_database(happen)
        message = await page.heard(lambda message: "rows" in message)
        fresh = await in_database(lambda: rendered_row(client, peer))
    assert message["rows"] == {f"peer-{peer.pk}": fresh}


async def test_what_has_not_changed_is_not_sent(admin: User, peer: Peer) -> None:
    client = await in_database(lambda: signed_in(admin))
    row = await in_database(lambda: rendered_row(client, peer))
    version = re.search(r'data-v="(\w+)"', row)
    assert version is not None
    async with open_page(client, {str(peer.pk): version[1]}) as page:
        message = await page.heard(lambda message: "counters" in message)
    assert "rows" not in message


async def test_a_deleted_peer_is_taken_off_the_page(admin: User, peer: Peer, actor: Actor) -> None:
    client = await in_database(lambda: signed_in(admin))
    async with open_page(client, {str(peer.pk): UNSEEN}) as page:
        await page.heard(lambda message: "rows" in message)

        def delete() -> None:
            assert peer.extension is not None
            extension_delete(extension=peer.extension, actor=actor)

        await in_database(delete)
        message = await page.heard(lambda message: "removed" in message)
    assert message["removed"] == [f"peer-{peer.pk}"]


async def test_a_peer_that_is_not_on_the_page_waits_behind_new(admin: User, peer: Peer, actor: Actor) -> None:
    client = await in_database(lambda: signed_in(admin))
    async with open_page(client, {str(peer.pk): UNSEEN}) as page:
        await page.heard(lambda message: message.get("new") == 0)
        await in_database(lambda: extension_create(domain=peer.domain, number="1002", actor=actor))
        message = await page.heard(lambda message: message.get("new"))
    assert message["new"] == 1


async def test_counters_follow(admin: User, peer: Peer, add_binding: AddBinding) -> None:
    client = await in_database(lambda: signed_in(admin))
    async with open_page(client, {str(peer.pk): UNSEEN}) as page:
        await page.heard(lambda message: message.get("counters", {}).get("never_registered") == 1)
        await in_database(lambda: register_and_notify(add_binding, peer))
        message = await page.heard(lambda message: message.get("counters", {}).get("online") == 1)
    assert message["counters"]["never_registered"] == 0


async def test_an_expiry_shows_when_the_page_asks_without_any_event(
    admin: User, peer: Peer, add_binding: AddBinding
) -> None:
    client = await in_database(lambda: signed_in(admin))
    binding = await in_database(lambda: add_binding(peer))
    over = timezone.now() - dt.timedelta(seconds=1)
    async with open_page(client, {str(peer.pk): UNSEEN}) as page:
        await page.heard(lambda message: 'data-state="online"' in str(message.get("rows")))
        # The time passes in the row, not in the test: no machine is too slow for it.
        expiring = Binding.objects.filter(binding_id=binding.binding_id)
        await in_database(lambda: expiring.update(expires_at=over))
        await page.say({"refresh": [str(peer.pk)]})
        message = await page.heard(lambda message: "rows" in message)
    assert 'data-state="offline"' in message["rows"][f"peer-{peer.pk}"]


async def test_the_line_of_the_hand_over_card_turns_registered(
    admin: User, peer: Peer, add_binding: AddBinding
) -> None:
    client = await in_database(lambda: signed_in(admin))
    async with open_page(client, {str(peer.pk): UNSEEN}, view="line") as page:
        first: dict[str, Any] = await page.heard(lambda message: "rows" in message)
        assert 'data-live="waiting"' in first["rows"][f"line-{peer.pk}"]
        await in_database(lambda: register_and_notify(add_binding, peer))
        message = await page.heard(lambda message: "rows" in message)
    line = message["rows"][f"line-{peer.pk}"]
    assert 'data-live="registered"' in line
    assert "from 203.0.113.7, Yealink T46S." in line
