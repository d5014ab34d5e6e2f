"""Events arrive at a real HTTP server: signed, in order, at least once, and whatever it answers."""

import asyncio
import contextlib
import datetime as dt
import json
import socket
from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, Peer
from apps.registrar.services import binding_drop
from apps.webhooks import deliverer
from apps.webhooks.deliveries import ATTEMPTS_KEPT, due_webhooks, next_message
from apps.webhooks.feed import feed_update
from apps.webhooks.models import Webhook
from apps.webhooks.posting import post
from apps.webhooks.sealing import unseal
from apps.webhooks.services import (
    webhook_create,
    webhook_delete,
    webhook_ping,
    webhook_replay,
    webhook_secret_renew,
    webhook_update,
)
from apps.webhooks.signing import signature
from tests.api.conftest import Register
from tests.api.conftest import register as register
from tests.webhooks.conftest import NO_REST, Connection, Receiver, event_of, write

Connect = Callable[[], Connection]
Happen = Callable[..., None]


@pytest.fixture
def hook(receiver: Receiver, actor: Actor, transactional_db: None) -> Webhook:
    return webhook_create(name="pbx", url=receiver.url, actor=actor)[0]


@pytest.fixture
def happen(peer: Peer, connect: Connect) -> Happen:
    """Events that are in the feed afterwards."""

    def happened(*kinds: str) -> None:
        worker = connect()
        write(worker, *(event_of(peer, kind) for kind in kinds))
        worker.commit()
        feed_update(NO_REST)

    return happened


def deliver_due() -> None:
    """One round, without the process around it."""
    for webhook_id in due_webhooks():
        asyncio.run(deliverer.deliver(webhook_id))


def wait_no_more(hook: Webhook) -> None:
    Webhook.objects.filter(pk=hook.pk).update(next_attempt_at=timezone.now())


def test_a_dropped_registration_arrives_signed(
    hook: Webhook, receiver: Receiver, peer: Peer, register: Register, actor: Actor
) -> None:
    binding_drop(binding=register(peer), actor=actor)
    feed_update(NO_REST)

    deliver_due()

    (event,) = receiver.events()
    told = {"type": "deactivated", "reason": "dropped", "peer": "1001", "aor": "sip:1001@example.com"}
    assert told.items() <= event.items()
    ((headers, body),) = receiver.requests
    secret = unseal(hook.sealed_secret, hook.pk)
    expected = signature(secret, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == expected
    assert headers["content-type"] == "application/json"


def test_order_and_batches(hook: Webhook, receiver: Receiver, happen: Happen) -> None:
    happen(*["registered", "expired"] * 75)

    deliver_due()

    assert [len(json.loads(body)["events"]) for _, body in receiver.requests] == [100, 50]
    ids = [event["id"] for event in receiver.events()]
    assert ids == sorted(set(ids))
    hook.refresh_from_db()
    assert hook.cursor == ids[-1]
    assert due_webhooks() == []


def test_what_fails_twice_arrives_with_the_third_try_under_the_same_id(
    hook: Webhook, receiver: Receiver, happen: Happen
) -> None:
    receiver.answers = [(500, {}, b"<b>broken</b>"), (302, {"Location": "http://127.0.0.1:1/"}, b"")]
    happen("registered")
    deliver_due()
    hook.refresh_from_db()
    assert (hook.failures, hook.last_status, hook.last_error) == (
        1,
        500,
        "It answered 500 Internal Server Error.",
    )
    assert due_webhooks() == []  # it waits

    happen("expired")
    wait_no_more(hook)
    deliver_due()
    hook.refresh_from_db()
    assert hook.last_error == "It answered 302 Found. Redirects are not followed."
    wait_no_more(hook)
    deliver_due()

    first, second, third, fourth = receiver.ids()
    assert first == second == third != fourth
    bodies = [body for _, body in receiver.requests]
    assert bodies[0] == bodies[1] == bodies[2]
    assert [event["type"] for event in receiver.events()] == [*["registered"] * 3, "expired"]
    hook.refresh_from_db()
    assert (hook.failures, hook.failing_since, hook.last_error) == (0, None, "")
    assert [attempt.answer for attempt in hook.attempts.all()][-1] == "<b>broken</b>"


def test_who_dies_between_delivery_and_its_note_delivers_the_same_again(
    hook: Webhook, receiver: Receiver, happen: Happen
) -> None:
    happen("registered")
    message = next_message(hook.pk)
    assert message is not None
    asyncio.run(post(message.url, message.headers, message.body))  # and then the process is killed
    happen("expired")

    deliver_due()

    first, again, new = receiver.ids()
    assert first == again != new
    assert receiver.requests[0][1] == receiver.requests[1][1]


def test_after_three_days_it_is_switched_off_with_a_sentence(
    hook: Webhook, receiver: Receiver, happen: Happen
) -> None:
    receiver.answers = [(503, {}, b"")]
    Webhook.objects.update(failing_since=timezone.now() - dt.timedelta(days=3), failures=90)
    happen("registered")

    deliver_due()

    hook.refresh_from_db()
    assert not hook.enabled
    assert hook.last_error == (
        "Nothing was taken for three days. The last time: It answered 503 Service Unavailable."
    )
    wait_no_more(hook)
    assert due_webhooks() == []


def test_who_is_gone_is_switched_off_at_once(hook: Webhook, receiver: Receiver, happen: Happen) -> None:
    receiver.answers = [(410, {}, b"")]
    happen("registered")

    deliver_due()

    hook.refresh_from_db()
    assert (hook.enabled, hook.last_error) == (False, "It answered 410 Gone.")


def test_only_what_is_wanted_is_sent_and_the_cursor_passes_the_rest(
    hook: Webhook, receiver: Receiver, happen: Happen, actor: Actor
) -> None:
    webhook_update(webhook=hook, actor=actor, types=["refused"])
    happen("registered", "refused", "registered")

    deliver_due()
    deliver_due()

    assert [event["type"] for event in receiver.events()] == ["refused"]
    assert due_webhooks() == []


def test_a_replay_is_another_message_with_the_same_events(
    hook: Webhook, receiver: Receiver, happen: Happen, actor: Actor
) -> None:
    start = timezone.now() - dt.timedelta(seconds=10)
    happen("registered", "expired")
    deliver_due()

    webhook_replay(webhook=hook, after=start, actor=actor)
    deliver_due()
    webhook_replay(webhook=hook, after=receiver.events()[0]["id"], actor=actor)
    deliver_due()

    ids = [event["id"] for event in receiver.events()]
    assert ids == [*ids[:2], *ids[:2], ids[1]]
    assert len(set(receiver.ids())) == 3


def test_the_new_secret_signs(hook: Webhook, receiver: Receiver, happen: Happen, actor: Actor) -> None:
    secret = webhook_secret_renew(webhook=hook, actor=actor)
    happen("registered")

    deliver_due()

    ((headers, body),) = receiver.requests
    expected = signature(secret, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == expected


def test_a_secret_goes_with_the_sites_keys(hook: Webhook, actor: Actor, settings: LazySettings) -> None:
    """Under the newest after seal_credentials, so that the older key may be taken away."""
    secret = unseal(hook.sealed_secret, hook.pk)
    settings.CREDENTIAL_KEYS = (b"n" * 32, b"o" * 32)

    call_command("seal_credentials")
    call_command("seal_credentials")

    settings.CREDENTIAL_KEYS, settings.SECRET_KEY = (b"n" * 32,), "another one, long enough for everybody"
    hook.refresh_from_db()
    assert unseal(hook.sealed_secret, hook.pk) == secret
    assert AuditEntry.objects.filter(action="webhook_secret_seal", target_id=hook.pk).count() == 1


def test_a_ping_shows_what_came_back_and_moves_nothing(
    hook: Webhook, receiver: Receiver, actor: Actor
) -> None:
    receiver.answers = [(418, {}, b"short and stout" * 1000)]

    answer = webhook_ping(webhook=hook, actor=actor)

    assert (answer.status, answer.error, len(answer.body)) == (418, "It answered 418 I'm a Teapot.", 500)
    assert [event["type"] for event in receiver.events()] == ["ping"]
    before, after = hook, Webhook.objects.get()
    assert (before.cursor, before.failures) == (after.cursor, after.failures)
    assert hook.attempts.get().status == 418


def test_the_last_attempts_are_kept(hook: Webhook, receiver: Receiver, actor: Actor) -> None:
    for _ in range(ATTEMPTS_KEPT + 3):
        webhook_ping(webhook=hook, actor=actor)

    assert hook.attempts.count() == ATTEMPTS_KEPT


async def test_one_that_never_answers_ends_in_time_and_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = await post(f"http://127.0.0.1:{silent.getsockname()[1]}/", {}, b"{}", timeout_s=0.05)

    assert (answer.status, answer.error) == (None, "No answer within 0.05 s.")


@pytest.mark.parametrize(
    ("said", "status", "error", "shown"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, "", "ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "", "ok"),
        (b"HTTP/1.1 202 Fine\r\ncontent-length: 9\r\n\r\nab", 202, "", "ab"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", None, "What came back is not HTTP.", ""),
        (b"", None, "What came back is not HTTP.", ""),
    ],
)
async def test_whatever_comes_back_is_read(said: bytes, status: int | None, error: str, shown: str) -> None:
    async def answer_it(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(said)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer_it, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        answer = await post(f"http://127.0.0.1:{port}/", {}, b"{}")

    assert (answer.status, answer.error, answer.body) == (status, error, shown)


async def test_nobody_at_the_address_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert (await post(f"http://127.0.0.1:{port}/", {}, b"{}")).error == "No connection: Connection refused."


async def test_a_name_of_a_denied_address_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def looked_up(*args: object, **kwargs: object) -> list[object]:
        return [(2, 1, 6, "", ("127.0.0.1", 80)), (2, 1, 6, "", ("169.254.169.254", 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", looked_up)
    answer = await post("http://metadata.example/", {}, b"{}")

    assert "not allowed" in answer.error


def test_every_change_is_in_the_audit(hook: Webhook, receiver: Receiver, actor: Actor) -> None:
    webhook_update(webhook=hook, actor=actor, enabled=False)
    webhook_replay(webhook=hook, after=0, actor=actor)
    webhook_secret_renew(webhook=hook, actor=actor)
    webhook_ping(webhook=hook, actor=actor)
    webhook_delete(webhook=hook, actor=actor)

    entries = AuditEntry.objects.filter(target_kind="webhook")
    actions = ["create", "update", "replay", "secret_renew", "ping", "delete"]
    assert [entry.action for entry in entries.order_by("at")] == [f"webhook_{name}" for name in actions]
    assert not any("whsec" in json.dumps(entry.changes) for entry in entries)


@pytest.mark.usefixtures("hook")
async def test_one_process_delivers_and_another_takes_over(
    receiver: Receiver, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "STAND_BY_S", 0.05)
    monkeypatch.setattr(deliverer, "ROUND_S", 0.05)
    worker = connect()
    first = asyncio.create_task(deliverer.deliver_forever())
    second = None
    try:
        await _happens(worker, peer, receiver, "first alone")
        second = asyncio.create_task(deliverer.deliver_forever())
        await _happens(worker, peer, receiver, "first beside second")
        await _stopped(first)
        await _happens(worker, peer, receiver, "second alone")
    finally:
        await _stopped(first, *([second] if second else []))

    # Who is stopped between delivery and its note leaves it to the next to deliver that once more.
    reasons = list(dict.fromkeys(event["reason"] for event in receiver.events()))
    assert reasons == ["first alone", "first beside second", "second alone"]


async def _happens(worker: Connection, peer: Peer, receiver: Receiver, reason: str) -> None:
    """Until it is delivered."""
    write(worker, event_of(peer, reason=reason))
    worker.commit()
    async with asyncio.timeout(10):
        while reason not in [event["reason"] for event in receiver.events()]:  # noqa: ASYNC110 - from a thread
            await asyncio.sleep(0.02)


async def _stopped(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
