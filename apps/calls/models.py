"""What the call process says of itself; calls are in no table."""

from django.db import models


class CallProcess(models.Model):
    """A call process that was well at seen_at. server: the name of its UDP socket; address: where other hosts reach
    that, empty if they cannot; workers: the names of those connected to it, a line each. calls, answered: since it
    started; ringing: now."""

    id = models.TextField(primary_key=True)
    bind = models.TextField()
    server = models.TextField(default="", db_default="")
    address = models.TextField(default="", db_default="")
    workers = models.TextField(default="", db_default="")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    calls = models.PositiveBigIntegerField(default=0)
    answered = models.PositiveBigIntegerField(default=0)
    ringing = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.id
