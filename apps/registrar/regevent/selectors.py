"""Reads for people: who is told of an extension's registrations (RFC 3680). Must not write."""

from django.db.models import (
    Case,
    CharField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    QuerySet,
    Subquery,
    TextChoices,
    Value,
    When,
)
from django.db.models.functions import Now

from apps.extensions.models import Extension, Peer
from apps.registrar.regevent.models import PendingNotify, RegSubscription
from apps.sip.uri import aor_of


class NotifyState(TextChoices):
    """What became of the last NOTIFY; a subscriber that never answers loses its subscription after 32 s."""

    ANSWERED = "answered", "Answered"
    QUEUED = "queued", "Not sent yet"
    UNANSWERED = "unanswered", "Waiting for the answer"


def subscriptions_of_extension(extension: Extension) -> QuerySet[RegSubscription]:
    """The live ones to its AOR and to those of its peers, each annotated with peer_name, remaining, told_version
    (of the last document) and notify_state."""
    names = extension.peers.values_list("name", flat=True)
    aors = {extension.aor, *(aor_of(name, extension.domain.name) for name in names)}
    subscriber = Peer.objects.filter(pk=OuterRef("peer_id"))
    return RegSubscription.objects.filter(aor__in=aors, expires_at__gt=Now()).annotate(
        peer_name=Subquery(subscriber.values("name")),
        remaining=ExpressionWrapper(F("expires_at") - Now(), output_field=DurationField()),
        told_version=F("version") - 1,
        notify_state=_notify_state(),
    )


def _notify_state() -> Case:
    pending = PendingNotify.objects.filter(subscription_id=OuterRef("subscription_id"))
    return Case(
        When(Exists(pending.filter(attempts__gt=0)), then=Value(NotifyState.UNANSWERED.value)),
        When(Exists(pending), then=Value(NotifyState.QUEUED.value)),
        default=Value(NotifyState.ANSWERED.value),
        output_field=CharField(),
    )
