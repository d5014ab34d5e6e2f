"""What admins do to webhooks, each with its audit row in one transaction."""

import datetime as dt
import secrets
from collections.abc import Iterable
from typing import Any, Final
from uuid import uuid4

from asgiref.sync import async_to_sync
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.extensions.audit import Actor, record
from apps.extensions.sealing import Sealed, secrets_seal
from apps.webhooks.deliveries import attempt_record, ping_message
from apps.webhooks.destinations import UnusableUrl, destination_of
from apps.webhooks.feed import cursor_before, feed_update, last_id
from apps.webhooks.kinds import TYPES
from apps.webhooks.models import Webhook
from apps.webhooks.posting import Answer, post
from apps.webhooks.sealing import CannotOpen, seal, secret_keys
from apps.webhooks.signing import SECRET_BYTES, secret_of

MOST_WEBHOOKS: Final = 50
_SETTABLE: Final = frozenset({"name", "url", "types", "domain", "extension", "enabled"})
_UNCHECKED: Final = {field.name for field in Webhook._meta.fields} - {"name", "url"}


@transaction.atomic
def webhook_create(
    *,
    name: str,
    url: str,
    actor: Actor,
    types: Iterable[str] = (),
    domain: str = "",
    extension: str = "",
) -> tuple[Webhook, str]:
    """The webhook, which is told what happens from now on, and its secret, which is shown once."""
    if Webhook.objects.count() >= MOST_WEBHOOKS:
        raise ValidationError(f"There are {MOST_WEBHOOKS} webhooks, which is as many as there may be.")
    feed_update()
    webhook = Webhook(cursor=last_id())
    _set(webhook, {"name": name, "url": url, "types": types, "domain": domain, "extension": extension})
    secret = _new_secret(webhook)
    webhook.full_clean(exclude=_UNCHECKED)
    webhook.save(force_insert=True)
    record(actor, "webhook_create", webhook, {"url": webhook.url, "types": webhook.types})
    return webhook, secret


@transaction.atomic
def webhook_update(*, webhook: Webhook, actor: Actor, **fields: Any) -> Webhook:
    """Switched on again, it is told what it missed, as far back as the feed goes."""
    assert fields.keys() <= _SETTABLE
    webhook = _locked(webhook)
    before = {name: getattr(webhook, name) for name in fields}
    _set(webhook, fields)
    changes = {name: [old, getattr(webhook, name)] for name, old in before.items()}
    changes = {name: change for name, change in changes.items() if change[0] != change[1]}
    if changes.keys() - {"name"}:
        _begin_anew(webhook)
    webhook.full_clean(exclude=_UNCHECKED)
    webhook.save()
    if changes:
        record(actor, "webhook_update", webhook, changes)
    return webhook


@transaction.atomic
def webhook_delete(*, webhook: Webhook, actor: Actor) -> None:
    record(actor, "webhook_delete", webhook, {"url": webhook.url})
    webhook.delete()


@transaction.atomic
def webhook_secret_renew(*, webhook: Webhook, actor: Actor) -> str:
    """The new secret, shown once; the next request is signed with it."""
    webhook = _locked(webhook)
    secret = _new_secret(webhook)
    webhook.save(update_fields=["sealed_secret"])
    record(actor, "webhook_secret_renew", webhook)
    return secret


@transaction.atomic
def webhook_secrets_seal(*, actor: Actor) -> Sealed:
    """Brings the secrets under the newest key; they sign as before."""
    keys = secret_keys()
    sealed, unreadable = secrets_seal(Webhook.objects.all(), "sealed_secret", keys)
    for webhook in sealed:
        record(actor, "webhook_secret_seal", webhook, {"key": keys.newest})
    return Sealed(len(sealed), unreadable)


@transaction.atomic
def webhook_replay(*, webhook: Webhook, after: int | dt.datetime, actor: Actor) -> Webhook:
    """Tells again what came after a cursor, or from a time on; as new messages, the events with the ids they had."""
    cursor = cursor_before(after) if isinstance(after, dt.datetime) else min(after, last_id())
    webhook = _locked(webhook)
    record(actor, "webhook_replay", webhook, {"cursor": [webhook.cursor, cursor]})
    webhook.cursor = cursor
    _begin_anew(webhook)
    webhook.save()
    return webhook


def webhook_ping(*, webhook: Webhook, actor: Actor) -> Answer:
    """Sends a `ping` now, whether it is switched on or not, and what came back."""
    try:
        message = ping_message(webhook, uuid4())
    except CannotOpen as cannot:
        return Answer(None, str(cannot), "", 0)
    answer: Answer = async_to_sync(post)(message.url, message.headers, message.body)
    with transaction.atomic():
        attempt_record(message, answer)
        record(actor, "webhook_ping", webhook, {"status": answer.status, "error": answer.error})
    return answer


def _locked(webhook: Webhook) -> Webhook:
    return Webhook.objects.select_for_update().get(pk=webhook.pk)


def _set(webhook: Webhook, fields: dict[str, Any]) -> None:
    """Raises ValidationError."""
    for name, value in fields.items():
        setattr(webhook, name, value.strip() if isinstance(value, str) else value)
    webhook.domain = webhook.domain.lower()
    webhook.types = sorted(set(webhook.types))
    if set(webhook.types) - set(TYPES):
        raise ValidationError({"types": f"Known are: {', '.join(TYPES)}."})
    try:
        destination_of(webhook.url)
    except UnusableUrl as unusable:
        raise ValidationError({"url": str(unusable)}) from None


def _new_secret(webhook: Webhook) -> str:
    secret = secret_of(secrets.token_bytes(SECRET_BYTES))
    webhook.sealed_secret = seal(secret, webhook.pk)
    return secret


def _begin_anew(webhook: Webhook) -> None:
    """What is on its way is another message from now on, and is tried at once."""
    webhook.generation += 1
    webhook.batch_until, webhook.failures = None, 0
    webhook.failing_since = webhook.next_attempt_at = None
