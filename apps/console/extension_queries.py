"""Reads for the Extensions pages. Must not write."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Length

from apps.extensions.models import Domain, Extension, Peer, PeerKind
from apps.registrar import selectors
from apps.registrar.selectors import RegistrationRow

FIRST_NUMBER = "1001"


def extension_list(search: str) -> QuerySet[Extension]:
    """In the order of their numbers (999 before 1001)."""
    devices = Peer.objects.filter(extension=OuterRef("pk"))
    extensions = Extension.objects.select_related("domain")
    for word in search.split()[:5]:
        named = Q(number__icontains=word) | Q(display_name__icontains=word)
        extensions = extensions.filter(named | Exists(devices.filter(name__icontains=word)))
    return extensions.order_by(Length("number"), "number", "pk")


def next_free_number(domain: Domain | None) -> str:
    """The number after the highest that is all digits and of the commonest length, skipping taken names."""
    if domain is None:
        return FIRST_NUMBER
    digits = Extension.objects.filter(domain=domain, number__regex=r"^[1-9][0-9]{1,9}$")
    shape = digits.values(length=Length("number")).annotate(found=Count("pk")).order_by("-found", "-length")
    commonest = shape.first()
    if commonest is None:
        return FIRST_NUMBER
    highest = digits.filter(number__length=commonest["length"]).order_by("-number").first()
    number = int(highest.number) + 1 if highest else int(FIRST_NUMBER)
    taken = set(Peer.objects.filter(domain=domain, name__regex=r"^[0-9]+$").values_list("name", flat=True))
    while str(number) in taken:
        number += 1
    return str(number)


def next_device_name(extension: Extension) -> str:
    """ "1001-2", "1001-3", …: the first that is free."""
    taken = set(Peer.objects.filter(domain=extension.domain).values_list("name", flat=True))
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
        .select_related("domain")
        .prefetch_related("trusted_addresses")
        .order_by(F("name").asc(), "pk")
    )
