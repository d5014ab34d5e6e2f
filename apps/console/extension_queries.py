"""Reads for the Extensions pages. Must not write."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Length

from apps.extensions.models import Domain, Extension, Peer, PeerKind
from apps.registrar import selectors
from apps.registrar.selectors import RegistrationRow

FIRST_NUMBER: Final = "1001"
LENGTHS: Final = range(2, 11)
MOST_COUNTED: Final = 1_000


def extensions_of(ids: Sequence[UUID]) -> list[Extension]:
    """In the order of their ids."""
    found = Extension.objects.select_related("domain").in_bulk(ids)
    return [found[each] for each in ids if each in found]


def next_free_number(domain: Domain | None) -> str:
    """The number after the highest that is all digits and of the commonest length, skipping taken names."""
    if domain is None:
        return FIRST_NUMBER
    digits = Extension.objects.filter(domain=domain, number__regex=r"^[1-9][0-9]{1,9}$")
    found = {length: digits.filter(number__length=length)[:MOST_COUNTED].count() for length in LENGTHS}
    commonest = max(reversed(LENGTHS), key=lambda length: found[length])
    if not found[commonest]:
        return FIRST_NUMBER
    highest = digits.filter(number__length=commonest).order_by(Length("number").desc(), "-number").first()
    number = int(highest.number) + 1 if highest else int(FIRST_NUMBER)
    while Peer.objects.filter(domain=domain, name=str(number)).exists():
        number += 1
    return str(number)


def next_device_name(extension: Extension) -> str:
    """ "1001-2", "1001-3", …: the first that is free."""
    of_number = Peer.objects.filter(domain=extension.domain, name__startswith=f"{extension.number}-")
    taken = set(of_number.values_list("name", flat=True))
    count = 2
    while f"{extension.number}-{count}" in taken:
        count += 1
    return f"{extension.number}-{count}"


def rows_by_extension(extensions: Iterable[Extension]) -> dict[UUID, list[RegistrationRow]]:
    """The rows of the extensions' devices, a few queries however many extensions."""
    found: dict[UUID, list[RegistrationRow]] = {extension.pk: [] for extension in extensions}
    peer_ids = Peer.objects.filter(extension__in=list(found)).values_list("pk", flat=True)
    for row in selectors.rows_of(list(peer_ids)):
        if row.peer.extension_id is not None:
            found[row.peer.extension_id].append(row)
    return found


def trunk_list() -> QuerySet[Peer]:
    return (
        Peer.objects.filter(kind=PeerKind.TRUNK)
        .select_related("domain", "trunk_settings", "sighting")
        .prefetch_related("trusted_addresses", "trusted_hosts")
        .order_by(F("name").asc(), "pk")
    )
