"""Who asked to be told of registrations (RFC 3680), and what they have not confirmed yet.

Rows are written by the statements of regevent/sql.py alone; no foreign keys, for NOTIFYs outlive their subscription.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class RegSubscription(models.Model):
    """A dialog with a subscriber of an AOR's registrations, over when expires_at has passed."""

    objects: ClassVar["models.Manager[RegSubscription]"] = models.Manager()

    subscription_id = models.UUIDField(primary_key=True)
    aor = models.TextField(db_collation="C")
    peer_id = models.UUIDField()
    call_id = models.TextField()
    local_tag = models.TextField()
    remote_tag = models.TextField()
    local_uri = models.TextField()
    remote_uri = models.TextField()
    target = models.TextField(help_text="The subscriber's Contact.")
    route_set = models.TextField(default="")
    event_id = models.TextField(null=True)
    sent_by = models.TextField(help_text="Our own host and port as the subscriber knows them.")
    remote_cseq = models.BigIntegerField(help_text="Of the last SUBSCRIBE.")
    cseq = models.BigIntegerField(help_text="Of the last NOTIFY.")
    version = models.BigIntegerField(help_text="Of the next document.")
    expires_at = models.DateTimeField()
    notified_at = models.DateTimeField(help_text="When the last NOTIFY is due.")
    host = models.TextField()
    port = models.PositiveIntegerField()
    transport = models.CharField(max_length=4)
    flow = models.TextField(null=True)
    local = models.BinaryField(null=True, help_text="The server's own address for the way back.")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["aor"], name="reg_subscription_by_aor"),
            models.Index(fields=["peer_id"], name="reg_subscription_by_peer"),
            models.Index(fields=["expires_at"], name="reg_subscription_by_expiry"),
            models.Index(fields=["flow"], condition=Q(flow__isnull=False), name="reg_subscription_by_flow"),
        ]

    def __str__(self) -> str:
        return f"{self.aor} told to {self.target}"


class PendingNotify(models.Model):
    """A NOTIFY nobody has answered yet. attempts 0: not sent yet, and still to be replaced by a newer one."""

    objects: ClassVar["models.Manager[PendingNotify]"] = models.Manager()

    branch = models.TextField(primary_key=True, db_collation="C")
    subscription_id = models.UUIDField()
    cseq = models.BigIntegerField()
    data = models.BinaryField()
    host = models.TextField()
    port = models.PositiveIntegerField()
    transport = models.CharField(max_length=4)
    flow = models.TextField(null=True)
    local = models.BinaryField(null=True)
    worker = models.TextField(null=True, help_text="Who holds the flow; null: anybody may send it.")
    next_at = models.DateTimeField()
    give_up_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["next_at"], name="pending_notify_by_time"),
            models.Index(fields=["give_up_at"], name="pending_notify_by_end"),
            models.Index(fields=["subscription_id", "cseq"], name="pending_notify_in_order"),
        ]

    def __str__(self) -> str:
        return self.branch
