"""Who may register: domains, extensions, SIP peers, their credentials, trusted addresses, and who changed what.

Must not know where anyone is right now: that is apps.registrar. Rows are written by services.py alone.
"""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Length, Lower

from apps.extensions import ha1s
from apps.extensions.fields import CidrField
from apps.extensions.look_alike import LOOK_ALIKE
from apps.extensions.trunk_models import ResolvedName as ResolvedName
from apps.extensions.trunk_models import TrunkCallMode as TrunkCallMode
from apps.extensions.trunk_models import TrunkNumber as TrunkNumber
from apps.extensions.trunk_models import TrunkSettings as TrunkSettings
from apps.extensions.trunk_models import TrunkSighting as TrunkSighting
from apps.extensions.trunk_models import TrunkTransport as TrunkTransport
from apps.extensions.trunk_models import TrunkVersion as TrunkVersion
from apps.extensions.trunk_models import TrustedHost as TrustedHost
from apps.extensions.trunk_models import TrustedTransport as TrustedTransport
from apps.sip.uri import aor_of

models.CharField.register_lookup(Length)

MOST_SPREAD_PERCENT = 50
SPREAD_BOUNDS = f"Registrations end at most {MOST_SPREAD_PERCENT} % earlier."
EXPIRES_IN_ORDER = "Minimum, default and maximum expiry must rise in that order, from 1 second to 7 days."


class DigestOrder(models.TextChoices):
    """Which digest algorithms a challenge offers, and in which order (RFC 8760 §2.4).

    SHA-512-256 is not in the default: baresip stops at a challenge it does not know instead of trying the next.
    """

    SHA512_256_FIRST = "sha512_256_first", "SHA-512-256, SHA-256, then MD5"
    STRONGEST_FIRST = "strongest_first", "SHA-256, then MD5"
    MD5_FIRST = "md5_first", "MD5, then SHA-256"
    MD5_ONLY = "md5_only", "MD5 only"
    SHA256_ONLY = "sha256_only", "SHA-256 only"


class DomainCallMode(models.TextChoices):
    """How a call of a phone to an extension goes on."""

    PROXY = "proxy", "Relay it to the phones"
    REDIRECT = "redirect", "Send the caller to the phones (302)"


class PeerKind(models.TextChoices):
    DEVICE = "device", "Device"
    TRUNK = "trunk", "Trunk"


class WhenFull(models.TextChoices):
    """What a new contact meets when the peer already has max_contacts."""

    REPLACE = "replace", "Replace the same device, else the oldest"
    REJECT = "reject", "Refuse the new one"


def _folded(column: str, name: str) -> models.Index:
    """An index over look_alike.fold() of the column."""
    return models.Index(Func(Lower(column), *map(Value, LOOK_ALIKE), function="translate"), name=name)


class Domain(models.Model):
    """A SIP domain we serve: the host part of an AOR."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=253, unique=True)
    realm = models.CharField(max_length=128, help_text="What HA1 hashes; a change would void every password.")
    digest_order = models.CharField(
        max_length=20, choices=DigestOrder.choices, default=DigestOrder.STRONGEST_FIRST
    )
    min_expires_s = models.PositiveIntegerField(default=60)
    default_expires_s = models.PositiveIntegerField(default=3600)
    max_expires_s = models.PositiveIntegerField(default=3600)
    expires_spread_percent = models.PositiveSmallIntegerField(default=10, db_default=10)
    raise_brief = models.BooleanField(default=False, db_default=False)
    strict_cseq = models.BooleanField(default=False, db_default=False)
    outbound = models.BooleanField(default=True, db_default=True)
    any_contact = models.BooleanField(default=False, db_default=False)
    edge_proxies = models.TextField(
        blank=True, default="", db_default="", help_text="Networks, one per line: who may add a Path."
    )
    service_routes = models.TextField(
        blank=True, default="", db_default="", help_text="Service-Route values in order, one per line."
    )
    call_mode = models.CharField(
        max_length=8,
        choices=DomainCallMode.choices,
        default=DomainCallMode.PROXY,
        db_default=DomainCallMode.PROXY,
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["created_at", "name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(name=Lower("name"), name__length__gt=0), name="domain_name_lower_case"
            ),
            models.CheckConstraint(condition=Q(realm__length__gt=0), name="domain_realm_not_empty"),
            models.CheckConstraint(
                condition=Q(min_expires_s__gte=1)
                & Q(min_expires_s__lte=F("default_expires_s"))
                & Q(default_expires_s__lte=F("max_expires_s"))
                & Q(max_expires_s__lte=604_800),
                name="domain_expires_in_order",
                violation_error_message=EXPIRES_IN_ORDER,
            ),
            models.CheckConstraint(
                condition=Q(expires_spread_percent__lte=MOST_SPREAD_PERCENT),
                name="domain_expires_spread_known",
                violation_error_message=SPREAD_BOUNDS,
            ),
            models.CheckConstraint(
                condition=Q(digest_order__in=DigestOrder.values), name="domain_digest_order_known"
            ),
            models.CheckConstraint(
                condition=Q(call_mode__in=DomainCallMode.values), name="domain_call_mode_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


# A SIP user part (RFC 3261 §25.1) that needs escaping neither in a SIP URI nor in a URL, and that phones can type.
SIP_USER_PATTERN = r"^[A-Za-z0-9*+._~!-]{1,64}$"


class Extension(models.Model):
    """A short internal number that rings the devices of one person or place."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    domain = models.ForeignKey(Domain, on_delete=models.PROTECT, related_name="extensions")
    number = models.CharField(max_length=64, db_collation="C")
    display_name = models.CharField(max_length=128, blank=True, default="")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["number"]
        indexes: ClassVar[list[models.Index]] = [
            _folded("number", "extension_by_folded_number"),
            models.Index(Length("number"), "number", "id", name="extension_by_length_and_number"),
            models.Index(fields=["number", "id"], name="extension_by_number"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["domain", "number"],
                name="extension_number_once_per_domain",
                violation_error_message="This extension exists already.",
            ),
            models.CheckConstraint(
                condition=Q(number__regex=SIP_USER_PATTERN), name="extension_number_sip_user"
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def aor(self) -> str:
        return aor_of(self.number, self.domain.name)


class Peer(models.Model):
    """A SIP peer: one device of an extension, or one trunk, with its own name, credentials and settings."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    domain = models.ForeignKey(Domain, on_delete=models.PROTECT, related_name="peers")
    extension = models.ForeignKey(
        Extension, null=True, blank=True, on_delete=models.CASCADE, related_name="peers"
    )
    kind = models.CharField(max_length=8, choices=PeerKind.choices, default=PeerKind.DEVICE)
    name = models.CharField(max_length=64, db_collation="C")
    enabled = models.BooleanField(default=True)
    max_contacts = models.PositiveSmallIntegerField(default=5)
    when_full = models.CharField(max_length=8, choices=WhenFull.choices, default=WhenFull.REPLACE)
    min_expires_s = models.PositiveIntegerField(null=True, blank=True)
    max_expires_s = models.PositiveIntegerField(null=True, blank=True)
    accepts_no_qop = models.BooleanField(
        default=False, db_default=False, help_text="Digest as in RFC 2069, each nonce good once."
    )
    qualify = models.BooleanField(
        default=True, db_default=True, help_text="Ask its phones whether they hear us."
    )
    qualify_interval_s = models.PositiveIntegerField(default=60, db_default=60)
    may_watch = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Subscribes to any registration state of its domain (RFC 3680).",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        indexes: ClassVar[list[models.Index]] = [
            _folded("name", "peer_by_folded_name"),
            models.Index(fields=["kind", "name", "id"], name="peer_by_kind_and_name"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["domain", "name"],
                name="peer_name_once_per_domain",
                violation_error_message="This name is taken in this domain.",
            ),
            models.CheckConstraint(condition=Q(name__regex=SIP_USER_PATTERN), name="peer_name_sip_user"),
            models.CheckConstraint(
                condition=Q(kind=PeerKind.DEVICE, extension__isnull=False)
                | Q(kind=PeerKind.TRUNK, extension__isnull=True),
                name="peer_device_has_extension_trunk_has_none",
            ),
            models.CheckConstraint(
                condition=Q(max_contacts__gte=1, max_contacts__lte=20),
                name="peer_max_contacts_1_to_20",
                violation_error_message="A SIP peer may have 1 to 20 contacts.",
            ),
            models.CheckConstraint(condition=Q(when_full__in=WhenFull.values), name="peer_when_full_known"),
            models.CheckConstraint(
                condition=Q(qualify_interval_s__range=(2, 3600)),
                name="peer_qualify_interval_2_to_3600",
                violation_error_message="Give an interval of 2 to 3600 seconds.",
            ),
            models.CheckConstraint(
                condition=(Q(min_expires_s__isnull=True) | Q(min_expires_s__gte=1))
                & (Q(max_expires_s__isnull=True) | Q(max_expires_s__range=(1, 604_800)))
                & (
                    Q(min_expires_s__isnull=True)
                    | Q(max_expires_s__isnull=True)
                    | Q(min_expires_s__lte=F("max_expires_s"))
                ),
                name="peer_expires_in_order",
                violation_error_message="Minimum and maximum expiry must rise in that order, from 1 second to 7 days.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Credential(models.Model):
    """A digest user name and its HA1 per algorithm, as ha1s.py keeps them; the clear password is never stored (RFC
    7616 §5.2)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    domain = models.ForeignKey(Domain, on_delete=models.PROTECT, related_name="credentials")
    peer = models.ForeignKey(Peer, on_delete=models.CASCADE, related_name="credentials")
    username = models.CharField(max_length=64, db_collation="C")
    ha1_md5 = models.CharField(max_length=ha1s.LONGEST)
    ha1_sha256 = models.CharField(max_length=ha1s.LONGEST)
    ha1_sha512_256 = models.CharField(max_length=ha1s.LONGEST)
    valid_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["domain", "username"],
                condition=Q(valid_until__isnull=True),
                name="credential_one_current_per_username",
            ),
            models.CheckConstraint(
                condition=Q(username__regex=SIP_USER_PATTERN), name="credential_username_sip_user"
            ),
            models.CheckConstraint(
                condition=Q(ha1_md5__regex=ha1s.MD5_PATTERN)
                & Q(ha1_sha256__regex=ha1s.SHA_PATTERN)
                & Q(ha1_sha512_256__regex=ha1s.SHA_PATTERN),
                name="credential_ha1_hex_or_sealed",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["domain", "username"], name="credential_by_username"),
            _folded("username", "credential_by_folded_username"),
        ]

    def __str__(self) -> str:
        return self.username


class TrustedAddress(models.Model):
    """An address a trunk is trusted from, by the packet's source alone (IP authentication)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    peer = models.ForeignKey(Peer, on_delete=models.CASCADE, related_name="trusted_addresses")
    network = CidrField()
    port = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: any port.")
    transport = models.CharField(max_length=4, choices=TrustedTransport.choices, default=TrustedTransport.ANY)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["network", "port"]
        verbose_name_plural = "trusted addresses"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["peer", "network", "port", "transport"],
                nulls_distinct=False,
                name="trusted_address_once_per_trunk",
                violation_error_message="This trunk trusts this address already.",
            ),
            models.CheckConstraint(
                condition=Q(port__isnull=True) | Q(port__range=(1, 65_535)),
                name="trusted_address_port",
                violation_error_message="Give a port from 1 to 65535, or none for any.",
            ),
            models.CheckConstraint(
                condition=Q(transport__in=TrustedTransport.values), name="trusted_address_transport_known"
            ),
        ]

    def __str__(self) -> str:
        return str(self.network)


class BlockedSource(models.Model):
    """A network whose packets the registrar does not answer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    network = CidrField(unique=True)
    note = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["network"]

    def __str__(self) -> str:
        return str(self.network)


class AuditEntry(models.Model):
    """Who changed what, written in the transaction of the change itself; never updated."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_constraint=False
    )
    actor_name = models.CharField(max_length=150)
    via = models.CharField(max_length=16)
    action = models.CharField(max_length=64)
    target_kind = models.CharField(max_length=32)
    target_id = models.UUIDField(null=True)
    target_label = models.CharField(max_length=256)
    changes = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        verbose_name_plural = "audit entries"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["target_id", "-id"], name="audit_by_target")
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_label}"
