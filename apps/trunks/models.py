"""Registrations of ours with carriers, how they stand, calls they refused, and what probes say of their servers.

Registrations are written by services.py, refused calls by sightings.py, the rest by uplink/keeper.py. A password is
kept sealed (sealing.py).
"""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from apps.extensions.models import Peer
from apps.trunks.uplink.values import UplinkReason, UplinkState

SHORTEST_EXPIRES_S = 60
LONGEST_EXPIRES_S = 86_400
EXPIRES_BOUNDS = "Give an expiry of 60 to 86,400 seconds."


class TrunkRegistration(models.Model):
    """That we register with a trunk's carrier, and as whom. Servers as "host" or "host:port".

    version rises with each change: whoever keeps the registration then begins anew.
    """

    trunk = models.OneToOneField(
        Peer, primary_key=True, on_delete=models.CASCADE, related_name="registration"
    )
    enabled = models.BooleanField(default=True)
    registrar = models.CharField(max_length=262)
    outbound_proxy = models.CharField(max_length=262, blank=True, default="")
    username = models.CharField(max_length=64)
    auth_username = models.CharField(max_length=64, blank=True, default="", help_text="Empty: the user name.")
    contact_user = models.CharField(
        max_length=64, blank=True, default="", help_text="The user part it calls. Empty: the user name."
    )
    expires_s = models.PositiveIntegerField(default=3600)
    sealed_password = models.TextField()
    version = models.PositiveBigIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(expires_s__range=(SHORTEST_EXPIRES_S, LONGEST_EXPIRES_S)),
                name="trunk_registration_expires_bounds",
                violation_error_message=EXPIRES_BOUNDS,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.username}@{self.registrar}"


class TrunkRegistrationState(models.Model):
    """How a registration stands, as its keeper last wrote it. version: of what was asked for then."""

    registration = models.OneToOneField(
        TrunkRegistration, primary_key=True, on_delete=models.CASCADE, related_name="standing"
    )
    version = models.PositiveBigIntegerField()
    state = models.CharField(max_length=16, choices=[(state.value, state.value) for state in UplinkState])
    reason = models.CharField(
        max_length=24, choices=[(reason.value, reason.value) for reason in UplinkReason], blank=True
    )
    since = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    phrase = models.CharField(max_length=64, blank=True)
    server = models.CharField(max_length=64, blank=True, help_text="Host and port of who answered last.")
    contact = models.CharField(max_length=512, blank=True)
    registered_until = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.state


class TrunkProbe(models.Model):
    """What OPTIONS say of one server of a trunk. rtt_avg_ms is smoothed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    trunk = models.ForeignKey(Peer, on_delete=models.CASCADE, related_name="probes")
    host = models.GenericIPAddressField()
    port = models.PositiveIntegerField()
    state = models.CharField(max_length=12, help_text="reachable, lagging, unreachable; unknown at first.")
    since = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    rtt_ms = models.FloatField(null=True)
    rtt_avg_ms = models.FloatField(null=True)
    lost = models.PositiveIntegerField(default=0, help_text="In a row.")

    class Meta:
        ordering: ClassVar[list[str]] = ["host", "port"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["trunk", "host", "port"], name="trunk_probe_once_per_server"),
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class TrunkCallsRefused(models.Model):
    """Calls that went out and that the carrier refused since it last took one; status, phrase and proven are of the
    last, as of calls.values.CarrierAnswer."""

    trunk = models.OneToOneField(
        Peer, primary_key=True, on_delete=models.CASCADE, related_name="calls_refused"
    )
    since = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField(null=True)
    phrase = models.CharField(max_length=64, blank=True)
    proven = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.count} refused"


class UplinkLease(models.Model):
    """Which call process keeps the registrations now: one row at most."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    holder = models.CharField(max_length=64)
    until = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(id=1), name="uplink_lease_is_one"),
        ]

    def __str__(self) -> str:
        return self.holder
