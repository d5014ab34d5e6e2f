"""Which peers' messages are written down, until when, and the messages.

Messages are written by trace/sql.py alone, masked before; no foreign key is checked on that way.
"""

from typing import ClassVar

from django.db import models

from apps.extensions.models import Peer
from apps.registrar.trace.messages import Direction


class Trace(models.Model):
    """Switched on until `until`; what it brought is kept for a day longer."""

    objects: ClassVar["models.Manager[Trace]"] = models.Manager()

    peer = models.OneToOneField(
        Peer, primary_key=True, on_delete=models.CASCADE, db_constraint=False, related_name="trace"
    )
    started_by = models.CharField(max_length=150)
    started_at = models.DateTimeField()
    until = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.peer_id)


class TracedMessage(models.Model):
    """One SIP message from or to a traced peer, its secrets masked; the oldest go."""

    objects: ClassVar["models.Manager[TracedMessage]"] = models.Manager()

    id = models.BigAutoField(primary_key=True)
    trace = models.ForeignKey(
        Trace,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        db_column="peer_id",
        related_name="messages",
    )
    at = models.DateTimeField()
    direction = models.CharField(max_length=3, choices=[(way.value, way.value) for way in Direction])
    source = models.TextField(help_text="address:port, an IPv6 address in brackets.")
    destination = models.TextField()
    transport = models.CharField(max_length=4)
    data = models.BinaryField()
    size = models.PositiveIntegerField(help_text="Bytes on the wire; what is kept may be less.")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["trace", "at", "id"], name="traced_message_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.direction} {self.source} {self.destination}"
