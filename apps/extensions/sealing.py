"""Brings what is sealed under the newest key of the site, every HA1 first, and says which keys are missing.

Must not change what a password is: a phone notices nothing.
"""

from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Model, Q, QuerySet
from django.db.models.functions import Now, Substr

from apps.extensions.audit import Actor, record
from apps.extensions.ha1s import COLUMNS, CannotOpen, Ha1Keys, place_of
from apps.extensions.models import Credential, Domain
from apps.extensions.site_keys import KEY_ID_DIGITS, SCHEME, SecretKeys, Unreadable

BATCH: Final = 500

Row = TypeVar("Row", bound=Model)


@dataclass(slots=True)
class Sealed:
    """How many credentials were sealed, and how many were left because they cannot be opened."""

    sealed: int = 0
    unreadable: int = 0


def credentials_seal(*, ha1_keys: Ha1Keys, actor: Actor) -> Sealed:
    """Seals under the newest key what is in the clear or under an older one, also of passwords that are over.

    A transaction for each batch, so that it may be stopped and run again; nobody is notified, for no page shows it."""
    total = Sealed()
    for domain in Domain.objects.all():
        after: UUID | None = UUID(int=0)
        while after is not None:
            after = _seal_batch(domain, after, ha1_keys, actor, total)
    return total


def missing_keys(ha1_keys: Ha1Keys) -> dict[str, int]:
    """{key id: how many passwords in use are sealed under it} for the keys the site does not have."""
    in_use = Credential.objects.filter(Q(valid_until__isnull=True) | Q(valid_until__gt=Now()))
    sealed = in_use.filter(ha1_md5__startswith=SCHEME).order_by()
    rows = sealed.values_list(Substr("ha1_md5", len(SCHEME) + 1, KEY_ID_DIGITS)).annotate(Count("pk"))
    return {key_id: count for key_id, count in rows if key_id not in ha1_keys}


def secrets_seal(rows: QuerySet[Row], column: str, keys: SecretKeys) -> tuple[list[Row], int]:
    """Seals under the newest key what is under an older one: the rows changed, and how many cannot be opened. In the
    transaction of its caller, who records it. What a row holds was sealed for its primary key."""
    sealed, unreadable = [], 0
    for row in rows.select_for_update().order_by("pk"):
        kept = getattr(row, column)
        if keys.is_newest(kept):
            continue
        try:
            setattr(row, column, keys.seal(keys.open(kept, row.pk), row.pk))
        except Unreadable:
            unreadable += 1
        else:
            sealed.append(row)
    rows.bulk_update(sealed, [column], batch_size=BATCH)
    return sealed, unreadable


@transaction.atomic
def _seal_batch(domain: Domain, after: UUID, ha1_keys: Ha1Keys, actor: Actor, total: Sealed) -> UUID | None:
    """The last credential looked at; None after the last batch."""
    Domain.objects.select_for_update().get(pk=domain.pk)
    current = {f"{column}__startswith": f"{SCHEME}{ha1_keys.newest}." for column in COLUMNS.values()}
    rows = Credential.objects.select_for_update().filter(domain=domain, pk__gt=after).exclude(**current)
    credentials = list(rows.order_by("pk")[:BATCH])
    sealed = [credential for credential in credentials if _seal(credential, ha1_keys)]
    total.sealed += len(sealed)
    total.unreadable += len(credentials) - len(sealed)
    if sealed:
        Credential.objects.bulk_update(sealed, list(COLUMNS.values()))
        record(actor, "credentials_seal", domain, {"count": len(sealed), "key": ha1_keys.newest})
    return credentials[-1].pk if len(credentials) == BATCH else None


def _seal(credential: Credential, ha1_keys: Ha1Keys) -> bool:
    place = place_of(credential.pk, credential.peer_id, credential.username)
    try:
        for algorithm, column in COLUMNS.items():
            clear = ha1_keys.open(getattr(credential, column), algorithm, place)
            setattr(credential, column, ha1_keys.seal(clear, algorithm, place))
    except CannotOpen:
        return False
    return True
