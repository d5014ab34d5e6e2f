"""Every write to the readers: row, database role and what it may read, with the audit row in one transaction.

Must not keep a password: it is returned by the call that makes it, and PostgreSQL is given its SCRAM verifier.
"""

import re
from dataclasses import dataclass
from typing import Final
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import ProgrammingError, connection, transaction
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import Composed

from apps.extensions.audit import Actor, record
from apps.extensions.checks import check_line
from apps.extensions.passwords import generate_password
from apps.routing.models import ROLE_PATTERN, PbxKind, PbxReader
from apps.routing.pbx import sql

# What stands in one word of a PBX's configuration file.
WORD: Final = re.compile(r"[A-Za-z0-9_.,!-]+")
PROXY: Final = re.compile(r"sips?:[A-Za-z0-9.:;=\[\]_-]+")


@dataclass(frozen=True, slots=True)
class NewReader:
    """A reader with its clear password, which exists nowhere else; None if the role was made by somebody else."""

    reader: PbxReader
    password: str | None


@transaction.atomic
def pbx_reader_create(*, reader: PbxReader, actor: Actor, time_zone: str = "UTC") -> NewReader:
    """Saves the reader and makes its role, or lets a role read that is not ours.

    Raises ValidationError, also where the database lets us make no role.
    """
    _check(reader, time_zone)
    if _has_role(reader.role) == reader.role_is_ours:
        problem = "A role of this name exists already." if reader.role_is_ours else "There is no such role."
        raise ValidationError({"role": problem})
    reader.save(force_insert=True)
    password = _make_role(reader, time_zone) if reader.role_is_ours else None
    _allow(reader)
    record(actor, "pbx_reader_create", reader, _changes(reader))
    return NewReader(reader, password)


@transaction.atomic
def pbx_reader_rotate(*, reader: PbxReader, actor: Actor, time_zone: str = "UTC") -> NewReader:
    """A new password in place of the old one, if the role is ours; one that is not there (as after a restore)
    is made. What it may read is granted anew."""
    PbxReader.objects.select_for_update().get(pk=reader.pk)
    password = None
    if reader.role_is_ours and _has_role(reader.role):
        password = generate_password()
        _execute(sql.change_password(reader.role, _verifier(reader.role, password)))
    elif reader.role_is_ours:
        password = _make_role(reader, time_zone)
    _allow(reader)
    record(actor, "pbx_reader_rotate", reader)
    return NewReader(reader, password)


@transaction.atomic
def pbx_reader_delete(*, reader: PbxReader, actor: Actor) -> None:
    """The role reads nothing any more, and is dropped if it is ours. The index for Asterisk goes with the last one."""
    record(actor, "pbx_reader_delete", reader)
    kind = PbxKind(reader.kind)
    reader.delete()
    if _has_role(reader.role):
        _execute(*sql.revokes(reader.role, kind, _database()))
        if reader.role_is_ours:
            _execute(sql.drop_role(reader.role))
    if kind == PbxKind.ASTERISK and not PbxReader.objects.filter(kind=kind).exists():
        _execute(sql.DROP_CONTACT_INDEX)


def contact_index_exists() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql.CONTACT_INDEX_EXISTS)
        return bool(cursor.fetchone()[0])


def _check(reader: PbxReader, time_zone: str) -> None:
    if not re.fullmatch(ROLE_PATTERN, reader.role) or reader.role.startswith("pg_"):
        raise ValidationError({"role": "Use lower-case letters, digits and _, beginning with a letter."})
    if reader.kind == PbxKind.ASTERISK and reader.domain is None:
        raise ValidationError({"domain": "Asterisk needs one: its ids are bare numbers."})
    for field in ("device_context", "trunk_context", "codecs"):
        if not WORD.fullmatch(getattr(reader, field)):
            raise ValidationError({field: "Use letters, digits and . , _ - ! only."})
    if reader.outbound_proxy and not PROXY.fullmatch(reader.outbound_proxy):
        raise ValidationError({"outbound_proxy": "Give a SIP URI like sip:192.0.2.1:5060;lr."})
    check_line("outbound_proxy", reader.outbound_proxy)
    if time_zone not in available_timezones():
        raise ValidationError({"time_zone": f"{time_zone!r} is no time zone like Europe/Berlin."})
    reader.full_clean()


def _make_role(reader: PbxReader, time_zone: str) -> str:
    password = generate_password()
    _execute(
        sql.create_role(reader.role, _verifier(reader.role, password)),
        *sql.role_settings(reader.role, PbxKind(reader.kind), time_zone),
    )
    return password


def _allow(reader: PbxReader) -> None:
    _execute(*sql.grants(reader.role, PbxKind(reader.kind), _database()))
    if reader.kind == PbxKind.ASTERISK:
        _execute(sql.CREATE_CONTACT_INDEX)


def _execute(*statements: Composed | str) -> None:
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    except ProgrammingError as error:
        if isinstance(error.__cause__, InsufficientPrivilege):
            raise ValidationError(
                "The database account of this product may not do that. Let an administrator of the database "
                "make the role (docs/asterisk.md), then use --role-exists."
            ) from None
        raise


def _has_role(role: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql.ROLE_EXISTS, [role])
        return cursor.fetchone() is not None


def _verifier(role: str, password: str) -> str:
    """What PostgreSQL keeps for a password (RFC 5803), computed here."""
    connection.ensure_connection()
    raw = connection.connection.pgconn
    return bytes(raw.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")).decode()


def _database() -> str:
    return str(connection.settings_dict["NAME"])


def _changes(reader: PbxReader) -> dict[str, object]:
    return {
        "kind": reader.kind,
        "domain": reader.domain.name if reader.domain else "all",
        "sees_hashes": reader.sees_hashes,
    }
