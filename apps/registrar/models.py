"""Who is where, until when, and what happened.

Rows are written by the statements of sql.py and renewals/sql.py alone. Every unique key of Binding carries the AOR, of
RegistrationEvent the time, and neither has a foreign key or a trigger: events are partitioned by month (ledger.py),
bindings by the AOR's hash. No index of Binding holds what a renewal changes.
State (online, offline, …) is computed from these facts and the time; what lists keep of it (overview/) is never shown.
"""

import uuid
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.extensions.models import Extension, Peer
from apps.registrar.outcomes import EndReason, EventKind


def _directory_key(to: type[models.Model], null: bool = False) -> "models.ForeignKey[Any, Any]":
    """A join for Django's queries that PostgreSQL does not check: no foreign key on the hot path."""
    return models.ForeignKey(
        to,
        null=null,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="bindings",
    )


class Binding(models.Model):
    """One AOR-contact pair of the location service (RFC 3261 §10.3), live while now < expires_at."""

    pk = models.CompositePrimaryKey("aor", "binding_id")
    aor = models.TextField(db_collation="C")
    binding_id = models.UUIDField(default=uuid.uuid4)
    binding_key = models.TextField(db_collation="C")
    peer = _directory_key(Peer)
    extension = _directory_key(Extension, null=True)
    contact = models.TextField()
    q = models.PositiveSmallIntegerField(null=True, help_text="Thousandths.")
    received_addr = models.GenericIPAddressField()
    received_port = models.PositiveIntegerField()
    transport = models.CharField(max_length=4)
    path = models.TextField(default="")
    instance_id = models.TextField(null=True)
    reg_id = models.BigIntegerField(null=True)
    call_id = models.TextField()
    cseq = models.BigIntegerField()
    user_agent = models.TextField(default="")
    registered_at = models.DateTimeField()
    refreshed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    refresh_count = models.PositiveIntegerField(default=0)
    flow = models.TextField(
        null=True, help_text="The connection it came over, <worker>/<number>; null over UDP."
    )
    pub_gruu = models.TextField(null=True, help_text="RFC 5627; null: the phone does not understand GRUUs.")
    temp_gruu = models.TextField(null=True, help_text="The one given last.")
    server = models.TextField(default="", db_default="", help_text="Whose UDP socket it came to.")
    local = models.TextField(null=True, help_text="Which of that socket's addresses, hex.")
    renewal_gap_s = models.FloatField(null=True, help_text="Learned: seconds between renewals.")
    renewal_dev_s = models.FloatField(null=True, help_text="How far they usually stray from it.")
    late_at = models.DateTimeField(null=True, help_text="When a renewal is overdue; null: not learned yet.")
    rewritten = models.CharField(
        max_length=16, default="", db_default="", help_text="Which header a SIP ALG seems to have rewritten."
    )
    due_at = models.DateTimeField(
        db_default=Now(), help_text="When the sweeper looks: never after expires_at, and a renewal leaves it."
    )
    renewal_key = models.BinaryField(
        null=True,
        help_text="What a renewal has in common with the REGISTER before (renewals/); null: not renewable.",
    )

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["aor", "binding_key"], name="binding_once_per_aor"),
            models.CheckConstraint(condition=Q(q__isnull=True) | Q(q__lte=1000), name="binding_q_to_1000"),
            models.CheckConstraint(
                condition=Q(registered_at__lte=F("refreshed_at")) & Q(refreshed_at__lt=F("expires_at")),
                name="binding_times_in_order",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["peer"], name="binding_by_peer"),
            models.Index(fields=["extension"], name="binding_by_extension"),
            models.Index(fields=["binding_id"], name="binding_by_id"),
            models.Index(fields=["due_at"], name="binding_by_due"),
            models.Index(fields=["flow"], condition=Q(flow__isnull=False), name="binding_by_flow"),
            models.Index(fields=["received_addr"], name="binding_by_source"),
        ]

    def __str__(self) -> str:
        return f"{self.aor} -> {self.contact}"


class RegistrationEvent(models.Model):
    """The ledger: what became of each attempt and of each binding. Identical refusals of one minute are one row."""

    pk = models.CompositePrimaryKey("at", "event_id")
    at = models.DateTimeField()
    event_id = models.BigIntegerField()
    last_at = models.DateTimeField(help_text="Of summed refusals the last; else equal to at.")
    count = models.PositiveIntegerField(default=1)
    event = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in EventKind])
    reason = models.CharField(max_length=32)
    aor = models.TextField(db_collation="C")
    peer_id = models.UUIDField(null=True)
    extension_id = models.UUIDField(null=True)
    binding_id = models.UUIDField(null=True)
    contact = models.TextField(default="")
    received_addr = models.GenericIPAddressField(null=True)
    received_port = models.PositiveIntegerField(null=True)
    old_received_addr = models.GenericIPAddressField(null=True)
    old_received_port = models.PositiveIntegerField(null=True)
    user_agent = models.TextField(default="")
    refresh_count = models.PositiveIntegerField(null=True, help_text="Of ends: renewals until then.")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["peer_id", "-at"], name="event_by_peer"),
            models.Index(fields=["extension_id", "-at"], name="event_by_extension"),
            models.Index(fields=["event_id"], name="event_by_id"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.aor}"


class PeerActivity(models.Model):
    """What last happened to a peer; written when something begins, moves or ends, not at each refresh."""

    peer = models.OneToOneField(
        Peer, primary_key=True, on_delete=models.CASCADE, db_constraint=False, related_name="activity"
    )
    registered_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(
        max_length=32, null=True, choices=[(reason.value, reason.value) for reason in EndReason]
    )
    refused_at = models.DateTimeField(null=True)
    refused_reason = models.CharField(max_length=32, null=True)
    received_addr = models.GenericIPAddressField(null=True)
    received_port = models.PositiveIntegerField(null=True)
    user_agent = models.TextField(default="")
    heard_at = models.DateTimeField(null=True, help_text="When its phone was last heard, refreshes aside.")
    unanswered_at = models.DateTimeField(null=True)
    unanswered_reason = models.CharField(max_length=32, null=True)
    moves = models.PositiveIntegerField(default=0, db_default=0, help_text="In the hour of moves_since.")
    moves_since = models.DateTimeField(null=True)
    networks = ArrayField(
        models.TextField(), default=list, db_default=[], help_text="Where it registered from, /16 or /32."
    )
    new_network_at = models.DateTimeField(
        null=True, help_text="When it came from a network never seen before."
    )

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["received_addr"], name="activity_by_source"),
        ]

    def __str__(self) -> str:
        return str(self.peer_id)


class Standing(models.Model):
    """Which state a peer is in and what about it needs attention: a view (migration 0105), true when it is read."""

    peer = models.OneToOneField(
        Peer, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="standing"
    )
    state = models.CharField(max_length=16)
    attention = models.CharField(max_length=32)
    state_rank = models.IntegerField()
    is_live = models.BooleanField()
    online_since = models.DateTimeField(null=True)
    first_expires_at = models.DateTimeField(null=True)
    last_expiry = models.DateTimeField(null=True)
    refused_since_success = models.BooleanField()

    class Meta:
        managed = False
        db_table = "registrar_standing"

    def __str__(self) -> str:
        return self.state


class Stranger(models.Model):
    """Who was refused without being anybody: user names that do not exist, wrong domains, blocked sources.

    Bounded: the oldest go. meant_peer: whom it seems to mean, by its name.
    """

    id = models.BigAutoField(primary_key=True)
    reason = models.CharField(max_length=32)
    domain = models.TextField(db_collation="C")
    username = models.TextField(db_collation="C")
    received_addr = models.GenericIPAddressField()
    received_port = models.PositiveIntegerField()
    user_agent = models.TextField(default="")
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    meant_peer_id = models.UUIDField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["reason", "domain", "username", "received_addr"], name="stranger_once"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["meant_peer_id"], name="stranger_by_meant_peer"),
            models.Index(fields=["last_at"], name="stranger_by_age"),
            models.Index(fields=["received_addr"], name="stranger_by_source"),
        ]

    def __str__(self) -> str:
        return self.username


class ProbeState(models.TextChoices):
    """What the probes of a binding say."""

    UNKNOWN = "unknown", "Not probed yet"
    REACHABLE = "reachable", "Reachable"
    LAGGING = "lagging", "Lagging"
    UNREACHABLE = "unreachable", "Unreachable"


class Probe(models.Model):
    """The OPTIONS probes of one binding: narrow, no index on what changes, so that writing costs next to nothing."""

    binding_id = models.UUIDField(primary_key=True)
    peer_id = models.UUIDField()
    number = models.BigIntegerField(default=0, db_default=0, help_text="Of the last one.")
    sent_at = models.DateTimeField(null=True)
    sent_to_addr = models.GenericIPAddressField(null=True)
    sent_to_port = models.PositiveIntegerField(null=True)
    answered = models.BooleanField(null=True, help_text="Whether the last one was; null: not known yet.")
    answered_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True, help_text="Of the last answer; any shows life.")
    lost = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="In a row, until now.")
    rtt_ms = models.FloatField(null=True, help_text="Of the last answer; null where it was repeated.")
    rtt_avg_ms = models.FloatField(null=True, help_text="Smoothed.")
    state = models.CharField(max_length=12, choices=ProbeState.choices, default=ProbeState.UNKNOWN)
    state_since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.binding_id)


class NonceUse(models.Model):
    """The last request accepted under a nonce: its nonce count and its answer, so that a repeat changes nothing."""

    nonce = models.TextField(primary_key=True, db_collation="C")
    nc = models.BigIntegerField()
    repeat_key = models.BinaryField(help_text="Of the datagram and where it came from.")
    request_key = models.BinaryField(help_text="Of From, Call-ID and CSeq.")
    answer = models.TextField(help_text="Status, phrase, and the headers after the echo.")
    accepted_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True, help_text="The same for all uses of a nonce.")

    def __str__(self) -> str:
        return self.nonce


class WorkerHeartbeat(models.Model):
    """A SIP worker that was well at seen_at. turned_away: packets that found no place, since it started (admission.py);
    overloaded_at: when there were more of them last."""

    id = models.TextField(primary_key=True)
    bind = models.TextField()
    server = models.TextField(default="", db_default="", help_text="Whose UDP socket it shares.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    turned_away = models.PositiveBigIntegerField(default=0, db_default=0)
    overloaded_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.id


from apps.registrar.overview.models import (  # noqa: E402, F401 - Django looks here
    OnlineStep,
    Overview,
    OverviewCount,
    OverviewDue,
    OverviewProgress,
    OverviewSite,
    OverviewText,
    SiteProgress,
)
from apps.registrar.regevent.models import PendingNotify, RegSubscription  # noqa: E402, F401 - Django looks here
from apps.registrar.trace.models import Trace, TracedMessage  # noqa: E402, F401 - as above
