"""What lists are ordered, filtered, counted and searched by: a stored extract of the truth, at most about a second old.

Written by the function registrar_overview_catch_up of migration 0107 alone, for the peers that something happened to.
Must not be shown: what a row says is read from the truth (peer_state.py).
"""

from typing import ClassVar

from django.db import models

from apps.extensions.models import Peer


class Overview(models.Model):
    """A device's place in the lists. bucket: its state and whether it needs attention (buckets.py)."""

    peer = models.OneToOneField(
        Peer, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="overview"
    )
    bucket = models.SmallIntegerField()
    number_length = models.SmallIntegerField()
    number = models.TextField(db_collation="C")
    name = models.TextField(db_collation="C")
    received_addr = models.GenericIPAddressField(null=True)
    online_since = models.DateTimeField(null=True)
    first_expires_at = models.DateTimeField(null=True, help_text="As of the last look; later by renewals.")
    contacts = models.SmallIntegerField()
    check_at = models.DateTimeField(null=True, help_text="When to look again though nothing happens.")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["bucket", "number_length", "number", "name", "peer"], name="overview_by_number"
            ),
            models.Index(fields=["bucket", "name", "peer"], name="overview_by_name"),
            models.Index(
                fields=["bucket", "received_addr", "number_length", "number", "name", "peer"],
                name="overview_by_address",
            ),
            models.Index(fields=["bucket", "online_since", "peer"], name="overview_by_online_since"),
            models.Index(fields=["bucket", "first_expires_at", "peer"], name="overview_by_expiry"),
            models.Index(
                fields=["check_at"], condition=models.Q(check_at__isnull=False), name="overview_by_check"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class OverviewText(models.Model):
    """What a search looks through, in lower case; a table of its own, for its index is dear to write."""

    peer = models.OneToOneField(
        Peer, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    text = models.TextField(db_collation="C")

    def __str__(self) -> str:
        return self.text


class OverviewCount(models.Model):
    """How many peers and live contacts a bucket has, changed in the transaction of each change of the overview."""

    bucket = models.SmallIntegerField(primary_key=True)
    peers = models.BigIntegerField()
    contacts = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.bucket)


class OverviewDue(models.Model):
    """A peer to look at: the directory changed it (triggers of migration 0107)."""

    id = models.BigAutoField(primary_key=True)
    peer_id = models.UUIDField()

    def __str__(self) -> str:
        return str(self.peer_id)


class OnlineStep(models.Model):
    """How many contacts more, or fewer, were registered at the end of a quarter of an hour than at its beginning."""

    until = models.DateTimeField(primary_key=True)
    delta = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.until} {self.delta:+}"


class OverviewSite(models.Model):
    """A site of several phones and its place on the Sites page: those that are down first, then the larger."""

    address = models.TextField(primary_key=True, db_collation="C", help_text="With its prefix length.")
    rank = models.SmallIntegerField(help_text="0: down.")
    fewer = models.IntegerField(help_text="Its phones, negative: all columns of the order rise.")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["rank", "fewer", "address"], name="site_by_place"),
        ]

    def __str__(self) -> str:
        return self.address


class SiteProgress(models.Model):
    """One row: when the sites were read last, and how long that took."""

    id = models.SmallIntegerField(primary_key=True)
    ran_at = models.DateTimeField()
    cost = models.DurationField()

    def __str__(self) -> str:
        return str(self.ran_at)


class OverviewProgress(models.Model):
    """One row: up to when the ledger and the strangers were read, until when every commit is through (which
    events since then were looked at, only SQL knows: `seen`, migration 0111), and how far the pass through the whole
    directory has come."""

    id = models.SmallIntegerField(primary_key=True)
    ran_at = models.DateTimeField()
    read_until = models.DateTimeField()
    settled_until = models.DateTimeField()
    passed = models.UUIDField(help_text="The last peer of the pass.")

    def __str__(self) -> str:
        return str(self.ran_at)
