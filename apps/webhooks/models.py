"""Webhooks, what became of their last deliveries, and the feed: every event once, in one order, with a number.

The number (id) is the cursor of webhooks, of the event stream and of the API. The feed is written by feed.py alone.
"""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models


class FeedEvent(models.Model):
    """One event as it is told. domain and extension are what filters look at; data is the rest."""

    id = models.BigIntegerField(primary_key=True)
    type = models.CharField(max_length=16)
    at = models.DateTimeField()
    event_id = models.BigIntegerField(null=True, help_text="Its row of the ledger; null: a change of state.")
    domain = models.TextField(db_collation="C")
    extension = models.TextField(db_collation="C")
    data = models.JSONField()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["at"], name="feed_by_time")]

    def __str__(self) -> str:
        return f"{self.id} {self.type}"


class FeedProgress(models.Model):
    """One row: what the feed has seen of the ledger (a pg_snapshot), and its last number."""

    id = models.SmallIntegerField(primary_key=True)
    snapshot = models.TextField()
    last_id = models.BigIntegerField()
    fed_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.last_id)


class StateChange(models.Model):
    """A peer's change of state on its way to the feed; written by a trigger of migration 0001 where the overview says
    so."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    peer_id = models.UUIDField()
    old_state = models.SmallIntegerField(help_text="As in overview/buckets.py, without attention.")
    new_state = models.SmallIntegerField()

    def __str__(self) -> str:
        return str(self.peer_id)


class Webhook(models.Model):
    """Where events are sent. cursor: the last event delivered; batch_until: the last of the batch that is on its way,
    so that a repeat is the same message. generation rises when the cursor is set, so that a replay is another one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=64, unique=True)
    url = models.CharField(max_length=2000)
    types = ArrayField(models.CharField(max_length=16), default=list, help_text="Empty: all.")
    domain = models.TextField(default="", help_text="Empty: all.")
    extension = models.TextField(default="", help_text="Empty: all.")
    enabled = models.BooleanField(default=True)
    sealed_secret = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    cursor = models.BigIntegerField(default=0)
    batch_until = models.BigIntegerField(null=True)
    generation = models.IntegerField(default=0)
    failures = models.IntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    last_status = models.SmallIntegerField(null=True)
    last_error = models.TextField(default="")
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class Attempt(models.Model):
    """One of the last deliveries of a webhook, or a ping."""

    id = models.BigAutoField(primary_key=True)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    message_id = models.TextField()
    events = models.IntegerField()
    status = models.SmallIntegerField(null=True)
    duration_ms = models.IntegerField()
    error = models.TextField(default="", help_text="Empty: it was taken.")
    answer = models.TextField(default="", help_text="The beginning of the response's body.")

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]

    def __str__(self) -> str:
        return self.message_id
