"""Creates many extensions from a CSV file in one transaction: all of them or none.

Must not differ from services.extension_create in what it makes (extension, peer, credential, two audit rows) or
refuses; it only asks the database a few times for all rows instead of several times for each.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model

from apps.extensions.audit import Actor, audit_entry
from apps.extensions.checks import check_display_name, check_sip_user
from apps.extensions.csv_rows import CsvRow, RowFault, UnreadableFile, read_rows
from apps.extensions.models import AuditEntry, Credential, Domain, Extension, Peer, PeerKind
from apps.extensions.notices import notify_directory_changed
from apps.extensions.passwords import check_password, generate_password, new_credential

BATCH: Final = 1000
LONGEST_DISPLAY_NAME: Final = 128


class ImportRefused(Exception):  # noqa: N818 - the import is refused, nothing broke
    """Nothing was created. `faults` in the order of their lines."""

    def __init__(self, faults: list[RowFault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = sorted(faults, key=lambda fault: (fault.line, fault.field))


@dataclass(frozen=True, slots=True)
class ImportedExtension:
    """password is the clear one if it was generated, else None: the file's owner knows it."""

    extension: str
    username: str
    password: str | None
    domain: str


@dataclass(frozen=True, slots=True)
class NewExtension:
    """Unsaved rows of one extension with its first peer."""

    extension: Extension
    peer: Peer
    credential: Credential


@dataclass(frozen=True, slots=True)
class _Names:
    """What is taken in one domain, in the file and in the database alike: name -> where."""

    numbers: dict[str, str] = field(default_factory=dict)
    peers: dict[str, str] = field(default_factory=dict)
    usernames: dict[str, str] = field(default_factory=dict)


@transaction.atomic
def extensions_import(*, data: bytes, actor: Actor, dry_run: bool = False) -> list[ImportedExtension]:
    """What was created (or with dry_run would be, with no passwords), in the file's order.

    Raises ImportRefused with every bad row, or UnreadableFile.
    """
    rows, faults = read_rows(data)
    if not rows and not faults:
        raise UnreadableFile("The file has a header and no rows.")
    domains = {domain.name: domain for domain in Domain.objects.select_for_update().order_by("pk")}
    placed = _placed(rows, domains, faults)
    for domain in domains.values():
        own = [row for row, its_domain in placed if its_domain == domain]
        faults += _faults_in_domain(own, _taken(domain, own))
    if faults:
        raise ImportRefused(faults)
    if dry_run:
        return [ImportedExtension(row.extension, _username(row), None, domain.name) for row, domain in placed]
    return _create(placed, actor)


def _placed(
    rows: Iterable[CsvRow], domains: dict[str, Domain], faults: list[RowFault]
) -> list[tuple[CsvRow, Domain]]:
    """Each row with its domain; an empty cell means the only one there is."""
    only = next(iter(domains.values())) if len(domains) == 1 else None
    placed: list[tuple[CsvRow, Domain]] = []
    for row in rows:
        domain = domains.get(row.domain) if row.domain else only
        if domain is not None:
            placed.append((row, domain))
        elif row.domain:
            faults.append(RowFault(row.line, "domain", f"there is no domain {row.domain}."))
        else:
            faults.append(RowFault(row.line, "domain", f"is needed: {len(domains)} domains are served here."))
    return placed


def _taken(domain: Domain, rows: Collection[CsvRow]) -> _Names:
    """Which of the rows' names the database has already: three queries however many rows."""
    wanted = [row.extension for row in rows]
    usernames = [_username(row) for row in rows]
    extensions = Extension.objects.filter(domain=domain, number__in=wanted)
    peers = Peer.objects.filter(domain=domain, name__in=wanted)
    credentials = Credential.objects.filter(domain=domain, username__in=usernames)
    there = f"exists already in {domain.name}."
    return _Names(
        numbers=dict.fromkeys(extensions.values_list("number", flat=True), there),
        peers=dict.fromkeys(peers.values_list("name", flat=True), f"is a SIP peer's name in {domain.name}."),
        usernames=dict.fromkeys(
            credentials.values_list("username", flat=True), "belongs to another SIP peer."
        ),
    )


def _faults_in_domain(rows: Iterable[CsvRow], taken: _Names) -> list[RowFault]:
    faults: list[RowFault] = []
    for row in rows:
        faults += [RowFault(row.line, name, problem) for name, problem in _row_faults(row, taken)]
        here = f"stands already on line {row.line}."
        taken.numbers.setdefault(row.extension, here)
        taken.usernames.setdefault(_username(row), f"is the user name of line {row.line} already.")
    return faults


def _row_faults(row: CsvRow, taken: _Names) -> Iterable[tuple[str, str]]:
    yield from _said("extension", lambda: check_sip_user("extension", row.extension))
    yield from _said("display_name", lambda: check_display_name(row.display_name))
    if len(row.display_name) > LONGEST_DISPLAY_NAME:
        yield "display_name", f"is longer than {LONGEST_DISPLAY_NAME} characters."
    where = taken.numbers.get(row.extension) or taken.peers.get(row.extension)
    if where is not None:
        yield "extension", f"{row.extension} {where}"
    elif (where := taken.usernames.get(_username(row))) is not None:
        yield "username", f"{_username(row)} {where}"
    if row.username:
        yield from _said("username", lambda: check_sip_user("username", row.username))
    if row.password:
        yield from _said("password", lambda: check_password(row.password, _username(row)))


def _said(column: str, check: Callable[[], None]) -> Iterable[tuple[str, str]]:
    try:
        check()
    except ValidationError as error:
        yield column, " ".join(error.messages)


def _username(row: CsvRow) -> str:
    return row.username or row.extension


def _create(placed: Iterable[tuple[CsvRow, Domain]], actor: Actor) -> list[ImportedExtension]:
    made: list[NewExtension] = []
    imported: list[ImportedExtension] = []
    for row, domain in placed:
        password = row.password or generate_password()
        extension = Extension(
            domain=domain, number=row.extension, display_name=row.display_name, enabled=row.enabled
        )
        peer = Peer(domain=domain, extension=extension, kind=PeerKind.DEVICE, name=row.extension)
        credential = new_credential(
            domain=domain, peer_id=peer.pk, username=_username(row), password=password
        )
        made.append(NewExtension(extension, peer, credential))
        clear = None if row.password else password
        imported.append(ImportedExtension(row.extension, _username(row), clear, domain.name))
    extensions_insert(made=made, actor=actor)
    return imported


def extensions_insert(*, made: Sequence[NewExtension], actor: Actor, source: str | None = None) -> None:
    """Saves checked extensions with their audit rows and one notice, within the caller's transaction, which holds the
    domains' rows."""
    if not made:
        return
    _insert([new.extension for new in made])
    _insert([new.peer for new in made])
    _insert([new.credential for new in made])
    _insert([entry for new in made for entry in _entries(actor, new, source)])
    notify_directory_changed([new.peer.pk for new in made])


def _entries(actor: Actor, new: NewExtension, source: str | None) -> list[AuditEntry]:
    extension, imported = new.extension, source or True
    changes = {"display_name": extension.display_name, "enabled": extension.enabled, "imported": imported}
    return [
        audit_entry(actor, "extension_create", extension, changes),
        audit_entry(
            actor, "peer_create", new.peer, {"username": new.credential.username, "imported": imported}
        ),
    ]


def _insert(rows: Sequence[Model]) -> None:
    type(rows[0])._default_manager.bulk_create(rows, batch_size=BATCH)
