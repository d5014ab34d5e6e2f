"""What a webhook is sent next, and what became of it. Must not send.

At least once: the cursor moves when the other side took the batch. The batch's end is written before it is sent, so
whoever repeats it, after whatever happened, sends the same message under the same id.
"""

import datetime as dt
import random
import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.webhooks.backoff import delay_s, is_given_up
from apps.webhooks.feed import Wanted, last_id, read
from apps.webhooks.kinds import PING
from apps.webhooks.models import Attempt, Webhook
from apps.webhooks.posting import Answer
from apps.webhooks.sealing import CannotOpen, unseal
from apps.webhooks.signing import signed_headers

EVENTS_A_MESSAGE: Final = 100
ATTEMPTS_KEPT: Final = 20
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Message:
    webhook_id: UUID
    generation: int
    after: int
    until: int
    url: str
    id: str
    body: bytes
    events: int
    headers: dict[str, str]


def due_webhooks() -> list[UUID]:
    """Those that have something to be told, and may be tried now."""
    now = Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=timezone.now())
    return list(Webhook.objects.filter(now, enabled=True, cursor__lt=last_id()).values_list("pk", flat=True))


@transaction.atomic
def next_message(webhook_id: UUID) -> Message | None:
    """The batch that is on its way, or a new one; None: there is nothing to tell, or it may not be told."""
    webhook = Webhook.objects.select_for_update().filter(pk=webhook_id, enabled=True).first()
    if webhook is None:
        return None
    after = webhook.cursor
    while True:
        found = read(wanted_by(webhook), after, webhook.batch_until)
        events = found.events[:EVENTS_A_MESSAGE]
        if events or found.cursor == after:
            break
        after = found.cursor
    until = events[-1]["id"] if len(found.events) > len(events) else found.cursor
    webhook.cursor = after if events else max(until, webhook.batch_until or 0)
    webhook.batch_until = until if events else None
    webhook.save(update_fields=["cursor", "batch_until"])
    if not events:
        return None
    try:
        return _message(webhook, until, events)
    except CannotOpen as cannot:
        _switch_off(webhook, str(cannot))
        return None


def ping_message(webhook: Webhook, number: UUID) -> Message:
    """Raises CannotOpen."""
    event = {"type": PING, "at": timezone.now().isoformat().replace("+00:00", "Z")}
    return _signed(webhook, webhook.cursor, f"ping_{number.hex}", [event])


@transaction.atomic
def delivery_record(message: Message, answer: Answer) -> None:
    """The cursor moves, or the next try is set; after three days without one delivery the webhook is switched off."""
    attempt_record(message, answer)
    webhook = Webhook.objects.select_for_update().filter(pk=message.webhook_id).first()
    if webhook is None or (webhook.generation, webhook.cursor) != (message.generation, message.after):
        return  # it was set elsewhere meanwhile
    now = timezone.now()
    webhook.last_status, webhook.last_error = answer.status, answer.error
    if answer.error:
        _failed(webhook, answer, now)
    else:
        webhook.cursor, webhook.batch_until = message.until, None
        webhook.failures, webhook.failing_since, webhook.next_attempt_at = 0, None, None
        webhook.delivered_at = now
    webhook.save()


def attempt_record(message: Message, answer: Answer) -> None:
    """The last ones are kept."""
    if not Webhook.objects.filter(pk=message.webhook_id).exists():
        return
    Attempt.objects.create(
        webhook_id=message.webhook_id,
        at=timezone.now(),
        message_id=message.id,
        events=message.events,
        status=answer.status,
        duration_ms=answer.duration_ms,
        error=answer.error,
        answer=answer.body,
    )
    mine = Attempt.objects.filter(webhook_id=message.webhook_id)
    kept = list(mine.order_by("-id").values_list("pk", flat=True)[:ATTEMPTS_KEPT])
    mine.filter(pk__lt=kept[-1]).delete()


def wanted_by(webhook: Webhook) -> Wanted:
    return Wanted(tuple(webhook.types), webhook.domain, webhook.extension)


def _failed(webhook: Webhook, answer: Answer, now: dt.datetime) -> None:
    webhook.failures += 1
    webhook.failing_since = webhook.failing_since or now
    pause = delay_s(webhook.failures, random.random())  # noqa: S311 - spreads the tries
    webhook.next_attempt_at = now + dt.timedelta(seconds=pause)
    if answer.status == GONE:
        _switch_off(webhook, "It answered 410 Gone.")
    elif is_given_up(webhook.failing_since, now):
        _switch_off(webhook, f"Nothing was taken for three days. The last time: {answer.error}")


def _switch_off(webhook: Webhook, why: str) -> None:
    webhook.enabled, webhook.last_error = False, why
    webhook.save(update_fields=["enabled", "last_error"])


def _message(webhook: Webhook, until: int, events: list[dict[str, Any]]) -> Message:
    return _signed(webhook, until, f"msg_{webhook.pk.hex}_{webhook.generation}_{until}", events)


def _signed(webhook: Webhook, until: int, message_id: str, events: list[dict[str, Any]]) -> Message:
    body = orjson.dumps({"webhook": webhook.name, "events": events})
    secret = unseal(webhook.sealed_secret, webhook.pk)
    return Message(
        webhook_id=webhook.pk,
        generation=webhook.generation,
        after=webhook.cursor,
        until=until,
        url=webhook.url,
        id=message_id,
        body=body,
        events=len(events),
        headers=signed_headers(secret, message_id, int(time.time()), body),
    )
