"""Which PBX reads the registrar's database. Rows are written by pbx/services.py alone."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from apps.extensions.models import Domain

# A PostgreSQL name that needs no quotes anywhere, also not in a configuration file.
ROLE_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"


class PbxKind(models.TextChoices):
    """Whose tables the views look like; the schema's name too."""

    ASTERISK = "asterisk", "Asterisk"
    KAMAILIO = "kamailio", "Kamailio"
    OPENSIPS = "opensips", "OpenSIPS"


class PbxReader(models.Model):
    """A database role of a PBX. The views show what its row allows: the domain, and password hashes or none."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    role = models.CharField(max_length=63, unique=True)
    role_is_ours = models.BooleanField(default=True, help_text="Else an administrator made it.")
    kind = models.CharField(max_length=8, choices=PbxKind.choices)
    domain = models.ForeignKey(
        Domain,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Null: all of them.",
    )
    sees_hashes = models.BooleanField(default=False, help_text="HA1s: enough to register in a phone's place.")
    device_context = models.CharField(max_length=80, default="from-registrar")
    trunk_context = models.CharField(max_length=80, default="from-registrar-trunk")
    codecs = models.CharField(max_length=200, default="ulaw,alaw")
    outbound_proxy = models.CharField(max_length=256, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["role"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(role__regex=ROLE_PATTERN), name="pbx_reader_role_plain"),
            models.CheckConstraint(condition=Q(kind__in=PbxKind.values), name="pbx_reader_kind_known"),
            # An Asterisk id is a bare number, which two domains may both have.
            models.CheckConstraint(
                condition=~Q(kind=PbxKind.ASTERISK) | Q(domain__isnull=False),
                name="pbx_reader_asterisk_has_domain",
            ),
        ]

    def __str__(self) -> str:
        return self.role
