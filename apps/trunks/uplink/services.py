"""Writes of registrations with carriers: each one transaction with its audit row and its NOTIFY. Passwords are in none
of them.
"""

from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.extensions.audit import Actor, record
from apps.extensions.checks import check_line
from apps.extensions.models import Peer, PeerKind, TrunkTransport
from apps.extensions.notices import notify_directory_changed
from apps.extensions.sealing import Sealed, secrets_seal
from apps.registrar.selectors import database_now
from apps.trunks.models import EXPIRES_BOUNDS, LONGEST_EXPIRES_S, SHORTEST_EXPIRES_S, TrunkRegistration
from apps.trunks.sealing import TrunkKeys
from apps.trunks.services import trunk_settings_update
from apps.trunks.uplink.strings import StringFault, parse_server, parse_string

LONGEST_NAME: Final = 64
LONGEST_PASSWORD: Final = 128
REGISTRATION_FIELDS: Final = frozenset(
    {
        "registrar",
        "username",
        "auth_username",
        "outbound_proxy",
        "contact_user",
        "expires_s",
        "enabled",
    }
)
_NAMES: Final = ("username", "auth_username", "contact_user")


def trunk_keys() -> TrunkKeys:
    return TrunkKeys(settings.CREDENTIAL_KEYS, settings.SECRET_KEY)


@transaction.atomic
def registration_set(
    *, trunk: Peer, actor: Actor, registration_string: str = "", password: str = "", **fields: Any
) -> TrunkRegistration:
    """From now on we register with the trunk's carrier so, and begin anew. What is not given stays as it was.

    What the registration string says stands before the fields. Raises ValidationError by field.
    """
    if unknown := set(fields) - REGISTRATION_FIELDS:
        raise TypeError(f"a registration has no {sorted(unknown)}")
    trunk = _locked(trunk)
    known = TrunkRegistration.objects.filter(trunk=trunk).first()
    if registration_string:
        said, password_said, transport = _said(registration_string)
        fields, password = fields | said, password_said or password
        _speak_over(trunk, transport, actor)
    registration = known or TrunkRegistration(trunk=trunk)
    changes = _apply(registration, fields)
    if password:
        _check_password(password)
        registration.sealed_password = trunk_keys().seal(password, trunk.pk)
    elif known is None:
        raise ValidationError({"password": "Give the password that belongs to the user name."})
    registration.full_clean(exclude=["trunk", "sealed_password"])
    _begin_anew(registration)
    record(actor, "registration_set", trunk, changes | ({"password": "changed"} if password else {}))
    notify_directory_changed([trunk.pk])
    return registration


@transaction.atomic
def registration_retry(*, trunk: Peer, actor: Actor) -> TrunkRegistration | None:
    """Tried again at once, whatever pause it was in; None where there is none."""
    registration = TrunkRegistration.objects.filter(trunk=_locked(trunk)).first()
    if registration is None:
        return None
    _begin_anew(registration)
    record(actor, "registration_retry", trunk)
    notify_directory_changed([trunk.pk])
    return registration


@transaction.atomic
def registration_remove(*, trunk: Peer, actor: Actor) -> bool:
    """We sign off at the carrier and forget the password; False where there was no registration."""
    registration = TrunkRegistration.objects.filter(trunk=_locked(trunk)).first()
    if registration is None:
        return False
    record(actor, "registration_remove", trunk, {"registrar": registration.registrar})
    registration.delete()
    notify_directory_changed([trunk.pk])
    return True


@transaction.atomic
def passwords_seal(*, keys: TrunkKeys, actor: Actor) -> Sealed:
    """Brings carriers' passwords under the newest key."""
    sealed, unreadable = secrets_seal(TrunkRegistration.objects.all(), "sealed_password", keys)
    for registration in sealed:
        record(actor, "registration_seal", registration.trunk, {"key": keys.newest})
    return Sealed(len(sealed), unreadable)


def _locked(trunk: Peer) -> Peer:
    """Its row, held until commit. Raises ValidationError for a device."""
    if trunk.kind != PeerKind.TRUNK:
        raise ValidationError("Only a trunk registers with a carrier; a device registers here.")
    return Peer.objects.select_for_update().get(pk=trunk.pk)


def _speak_over(trunk: Peer, transport: str, actor: Actor) -> None:
    """What a string says of TLS says nothing of certificates: whoever chose to take any keeps to that."""
    known = trunk.trunk_settings.transport
    if transport and not (transport == TrunkTransport.TLS and known == TrunkTransport.TLS_ANY):
        trunk_settings_update(trunk=trunk, transport=transport, actor=actor)


def _said(text: str) -> tuple[dict[str, Any], str, str]:
    """What a registration string sets, all fields of it, its password, and the transport it names."""
    try:
        said = parse_string(text)
    except StringFault as fault:
        raise ValidationError({"registration_string": str(fault)}) from None
    fields: dict[str, Any] = {
        "registrar": said.registrar,
        "username": said.username,
        "auth_username": said.auth_username,
        "outbound_proxy": said.outbound_proxy,
        "contact_user": said.contact_user,
    }
    return (
        fields | ({} if said.expires_s is None else {"expires_s": said.expires_s}),
        said.password,
        said.transport,
    )


def _apply(registration: TrunkRegistration, fields: dict[str, Any]) -> dict[str, Any]:
    """Sets the fields in their one form; what changed, for the audit row. Raises ValidationError."""
    changes: dict[str, Any] = {}
    for name, value in fields.items():
        value = _normal(name, value)
        before = getattr(registration, name)
        if value != before:
            setattr(registration, name, value)
            changes[name] = [before, value]
    for name in ("registrar", "username"):
        if not getattr(registration, name):
            raise ValidationError({name: "The carrier gives it to you with the password."})
    return changes


def _normal(name: str, value: Any) -> Any:
    if name in _NAMES:
        text = str(value).strip()
        check_line(name, text)
        if len(text) > LONGEST_NAME or " " in text or not text.isprintable():
            raise ValidationError({name: f"Use at most {LONGEST_NAME} characters and no spaces."})
        return text
    if name in ("registrar", "outbound_proxy") and value:
        try:
            return str(parse_server(str(value)))
        except StringFault as fault:
            raise ValidationError({name: str(fault)}) from None
    if name == "expires_s" and not SHORTEST_EXPIRES_S <= value <= LONGEST_EXPIRES_S:
        raise ValidationError({name: EXPIRES_BOUNDS})
    return value


def _check_password(password: str) -> None:
    if len(password) > LONGEST_PASSWORD or not password.isprintable():
        raise ValidationError({"password": f"Use one line of at most {LONGEST_PASSWORD} characters."})


def _begin_anew(registration: TrunkRegistration) -> None:
    """A version that no earlier registration of this trunk has had."""
    now_us = int(database_now().timestamp() * 1_000_000)
    registration.version = max(now_us, registration.version + 1)
    registration.save()
