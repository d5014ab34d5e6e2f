"""Settings, Webhooks: what an admin sees and does there."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.webhooks.models import Webhook
from apps.webhooks.sealing import unseal
from apps.webhooks.services import webhook_create
from tests.webhooks.conftest import Receiver
from tests.webhooks.conftest import receiver as receiver

pytestmark = pytest.mark.django_db
FORM = {"name": "pbx", "url": "http://127.0.0.1:9/", "types": ["refused"], "extension": "", "domain": ""}
Post = Callable[..., str]


@pytest.fixture
def hook(receiver: Receiver, actor: Actor) -> Webhook:
    return webhook_create(name="pbx", url=receiver.url, actor=actor)[0]


@pytest.fixture
def post(as_admin: Client) -> Post:
    def posted(action: str, hook: Webhook, **fields: object) -> str:
        address = reverse(f"console:{action}", args=[hook.pk])
        return as_admin.post(address, fields, follow=True).content.decode()

    return posted


def test_a_new_webhooks_secret_is_shown_only_once(as_admin: Client) -> None:
    page = as_admin.post(reverse("console:webhooks"), FORM).content.decode()

    made = Webhook.objects.get()
    secret = unseal(made.sealed_secret, made.pk)
    assert page.count(secret.replace("+", "&#x2B;")) + page.count(secret) >= 1
    again = as_admin.get(reverse("console:webhook", args=[made.pk])).content.decode()
    assert "whsec_" not in again
    assert made.types == ["refused"]


def test_what_cannot_be_is_said_beside_its_field(as_admin: Client) -> None:
    fields = {**FORM, "url": "http://169.254.169.254/"}
    page = as_admin.post(reverse("console:webhooks"), fields).content.decode()

    assert "Link-local, metadata and multicast addresses are not allowed." in page
    assert "http://169.254.169.254/" in page
    assert not Webhook.objects.exists()


def test_the_browser_goes_to_the_first_wrong_field(hook: Webhook, as_admin: Client, post: Post) -> None:
    page = as_admin.post(
        reverse("console:webhooks"), {**FORM, "name": "", "url": "ftp://x/"}
    ).content.decode()
    assert re.findall(r'name="(\w+)"[^>]* autofocus', page) == ["name"]

    page = post("webhook_replay", hook)
    assert re.findall(r'name="(\w+)"[^>]* autofocus', page) == ["cursor"]


def test_a_ping_shows_what_came_back_and_as_text(hook: Webhook, receiver: Receiver, post: Post) -> None:
    receiver.answers = [(500, {}, b"<script>alert(1)</script>")]

    page = post("webhook_ping", hook)

    assert "It answered 500 Internal Server Error." in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


def test_switching_off_and_on(hook: Webhook, post: Post) -> None:
    assert "Switched off" in post("webhook_disable", hook)
    Webhook.objects.update(failing_since=timezone.now(), failures=3, last_error="It answered 500.")
    assert "Failing since" not in post("webhook_enable", hook)


def test_replay_takes_an_id_or_a_time(hook: Webhook, post: Post) -> None:
    assert "Give either an id or a time." in post("webhook_replay", hook)
    assert "told again what came after event 0" in post("webhook_replay", hook, cursor="0")
    assert "told again" in post("webhook_replay", hook, time="2026-11-23T10:04")
    assert "Give a date and a time" in post("webhook_replay", hook, time="yesterday")


def test_a_new_secret_is_another_one(hook: Webhook, post: Post) -> None:
    before = hook.sealed_secret
    assert "whsec_" in post("webhook_secret", hook)
    hook.refresh_from_db()
    assert hook.sealed_secret != before


def test_deleting_asks_first(hook: Webhook, as_admin: Client) -> None:
    page = as_admin.get(reverse("console:webhook_delete", args=[hook.pk])).content.decode()

    assert "Delete webhook pbx?" in page
    assert Webhook.objects.exists()


def test_deleting_and_saving(hook: Webhook, post: Post) -> None:
    assert "second is saved." in post("webhook_edit", hook, **{**FORM, "name": "second"})
    assert "This field is required." in post("webhook_edit", hook, **{**FORM, "name": ""})
    assert "second is deleted." in post("webhook_delete", hook)
