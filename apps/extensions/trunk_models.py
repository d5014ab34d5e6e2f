"""What a trunk is beyond a SIP peer: how its calls go, its numbers, the host names it is trusted by, what was heard.

Rows of the first three are written by services.py alone; resolved names and sightings by apps.trunks, which has
nothing to say of who may register. Triggers (migration 0011) change TrunkVersion with whatever calls depend on.
"""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

PORTS = (1, 65_535)
# A number as a carrier writes it, without what only people need.
NUMBER_PATTERN = r"^\+?[0-9*#]{1,32}$"
ADDED_PATTERN = r"^(\+?[0-9*#]{0,32})$"


class TrustedTransport(models.TextChoices):
    ANY = "any", "Any"
    UDP = "udp", "UDP"
    TCP = "tcp", "TCP"
    TLS = "tls", "TLS"


class TrunkTransport(models.TextChoices):
    """How the carrier's servers are spoken to."""

    UDP = "udp", "UDP"
    TCP = "tcp", "TCP"
    TLS = "tls", "TLS"
    TLS_ANY = "tls_any", "TLS, whatever its certificate says"


class TrunkCallMode(models.TextChoices):
    """How the calls it brings go on; as apps.trunks.values.CallMode."""

    PROXY = "proxy", "Relay them to the phones"
    REDIRECT = "redirect", "Tell it the phones' addresses (302)"


class TrunkSettings(models.Model):
    """Where calls to a trunk go, and what becomes of numbers on the way in and out. Every trunk has one."""

    peer = models.OneToOneField(
        "extensions.Peer", primary_key=True, on_delete=models.CASCADE, related_name="trunk_settings"
    )
    server = models.CharField(max_length=262, blank=True, default="", help_text="host or host:port.")
    transport = models.CharField(
        max_length=8,
        choices=TrunkTransport.choices,
        default=TrunkTransport.UDP,
        db_default=TrunkTransport.UDP,
        help_text="Over TLS the certificate must be the server's.",
    )
    call_mode = models.CharField(max_length=8, choices=TrunkCallMode.choices, default=TrunkCallMode.PROXY)
    inbound_strip = models.PositiveSmallIntegerField(default=0)
    inbound_add = models.CharField(max_length=33, blank=True, default="")
    outbound_prefixes = models.CharField(max_length=300, blank=True, default="")
    outbound_strip = models.PositiveSmallIntegerField(default=0)
    outbound_add = models.CharField(max_length=33, blank=True, default="")
    priority = models.PositiveSmallIntegerField(default=100, help_text="The lowest is tried first.")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(call_mode__in=TrunkCallMode.values), name="trunk_call_mode_known"
            ),
            models.CheckConstraint(
                condition=Q(transport__in=TrunkTransport.values), name="trunk_transport_known"
            ),
            models.CheckConstraint(
                condition=Q(inbound_strip__lte=32) & Q(outbound_strip__lte=32),
                name="trunk_strip_to_32",
                violation_error_message="At most 32 digits can be taken off.",
            ),
            models.CheckConstraint(
                condition=Q(inbound_add__regex=ADDED_PATTERN) & Q(outbound_add__regex=ADDED_PATTERN),
                name="trunk_added_is_a_number",
                violation_error_message="What is put in front is digits, * or #, with or without a + first.",
            ),
        ]

    def __str__(self) -> str:
        return str(self.peer_id)


class TrustedHost(models.Model):
    """A host name a trunk is trusted by: by the addresses it resolves to (ResolvedName)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    peer = models.ForeignKey("extensions.Peer", on_delete=models.CASCADE, related_name="trusted_hosts")
    name = models.CharField(max_length=253, db_collation="C")
    port = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: any port.")
    transport = models.CharField(max_length=4, choices=TrustedTransport.choices, default=TrustedTransport.ANY)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name", "port"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["peer", "name", "port", "transport"],
                nulls_distinct=False,
                name="trusted_host_once_per_trunk",
                violation_error_message="This trunk trusts this name already.",
            ),
            models.CheckConstraint(
                condition=Q(port__isnull=True) | Q(port__range=PORTS),
                name="trusted_host_port",
                violation_error_message="Give a port from 1 to 65535, or none for any.",
            ),
            models.CheckConstraint(
                condition=Q(transport__in=TrustedTransport.values), name="trusted_host_transport_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TrunkNumber(models.Model):
    """A number that a trunk brings calls for, and the extension it means (DID)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    peer = models.ForeignKey("extensions.Peer", on_delete=models.CASCADE, related_name="trunk_numbers")
    number = models.CharField(max_length=33, db_collation="C")
    extension = models.ForeignKey(
        "extensions.Extension", on_delete=models.CASCADE, related_name="trunk_numbers"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["number"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["peer", "number"],
                name="trunk_number_once_per_trunk",
                violation_error_message="This trunk has this number already.",
            ),
            models.CheckConstraint(
                condition=Q(number__regex=NUMBER_PATTERN),
                name="trunk_number_is_a_number",
                violation_error_message="A number is digits, * or #, with or without a + first.",
            ),
        ]

    def __str__(self) -> str:
        return self.number


class ResolvedName(models.Model):
    """What a host name led to when it was last asked for successfully, and what went wrong since."""

    name = models.CharField(max_length=253, primary_key=True, db_collation="C")
    addresses = ArrayField(models.GenericIPAddressField(), default=list)
    resolved_at = models.DateTimeField(null=True, help_text="When it last led somewhere.")
    tried_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=200, default="", help_text="Of the last try; empty: none.")

    def __str__(self) -> str:
        return self.name


class TrunkVersion(models.Model):
    """One row that differs after each change of what calls depend on; no row before the first."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    version = models.BigIntegerField(help_text="The transaction that changed something last.")

    def __str__(self) -> str:
        return str(self.version)


class TrunkSighting(models.Model):
    """The last packet a trunk sent us."""

    peer = models.OneToOneField(
        "extensions.Peer",
        primary_key=True,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="sighting",
    )
    at = models.DateTimeField()
    received_addr = models.GenericIPAddressField()
    received_port = models.PositiveIntegerField()
    transport = models.CharField(max_length=4)
    method = models.CharField(max_length=32)

    def __str__(self) -> str:
        return str(self.peer_id)
