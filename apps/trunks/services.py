"""Every write to a trunk beyond being a SIP peer: one transaction with its audit row and its NOTIFY inside.

A wrong value is a django ValidationError keyed by field. The call process hears of it by the version that the tables'
triggers change.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.extensions import services as directory
from apps.extensions.audit import Actor, record
from apps.extensions.fields import Network
from apps.extensions.models import (
    Domain,
    Extension,
    Peer,
    PeerKind,
    TrunkNumber,
    TrunkSettings,
    TrustedAddress,
    TrustedHost,
    TrustedTransport,
)
from apps.extensions.notices import notify_directory_changed
from apps.trunks.numbers import ANY, is_number, normal
from apps.trunks.servers import is_host_name, split_server
from apps.trunks.status import conflicts_of_network

SETTINGS: Final = frozenset(
    {
        "server",
        "transport",
        "call_mode",
        "inbound_strip",
        "inbound_add",
        "outbound_prefixes",
        "outbound_strip",
        "outbound_add",
        "priority",
    }
)
MOST_HOSTS: Final = 32
MOST_PREFIXES: Final = 20
# Of all trunks: every call process knows them by heart.
MOST_NUMBERS: Final = 20_000
MOST_NAMED: Final = 5
_ADDED: Final = re.compile(r"\+?[0-9*#]{0,32}")


@transaction.atomic
def trunk_settings_update(*, trunk: Peer, actor: Actor, **fields: Any) -> TrunkSettings:
    """Sets what differs; nothing is written when nothing does."""
    if unknown := set(fields) - SETTINGS:
        raise TypeError(f"trunk_settings_update does not change {sorted(unknown)}")
    settings = TrunkSettings.objects.select_for_update().get(peer=trunk)
    fields = {name: _normal_setting(name, value) for name, value in fields.items()}
    changes = {name: [getattr(settings, name), value] for name, value in fields.items()}
    changes = {name: pair for name, pair in changes.items() if pair[0] != pair[1]}
    if not changes:
        return settings
    for name, (_, value) in changes.items():
        setattr(settings, name, value)
    settings.full_clean(validate_unique=False, exclude=["peer"])
    settings.save(update_fields=list(changes))
    record(actor, "trunk_settings_update", trunk, changes)
    notify_directory_changed([trunk.pk])
    return settings


@transaction.atomic
def trusted_address_add(
    *,
    trunk: Peer,
    network: Network | str,
    actor: Actor,
    port: int | None = None,
    transport: str = TrustedTransport.ANY,
    wide_confirmed: bool = False,
    conflicts_confirmed: bool = False,
) -> TrustedAddress:
    """As extensions.services. Where phones are registered from there, another trunk is trusted from there or it is
    blocked, that needs conflicts_confirmed."""
    address = directory.trusted_address_add(
        trunk=trunk,
        network=network,
        port=port,
        transport=transport,
        actor=actor,
        wide_confirmed=wide_confirmed,
    )
    if not conflicts_confirmed and (found := conflicts_of_network(address)):
        problem = " ".join(conflict.sentence for conflict in found[:MOST_NAMED])
        raise ValidationError({"network": ValidationError(problem, code="conflict")})
    return address


@transaction.atomic
def trusted_host_add(
    *,
    trunk: Peer,
    name: str,
    actor: Actor,
    port: int | None = None,
    transport: str = TrustedTransport.ANY,
) -> TrustedHost:
    """Trusts the trunk from the addresses the name has, as soon as it is resolved."""
    _refuse_device(trunk, "name")
    name = name.strip().lower().removesuffix(".")
    if not is_host_name(name):
        raise ValidationError({"name": "Give a host name like sip.carrier.example."})
    if trunk.trusted_hosts.count() >= MOST_HOSTS:
        raise ValidationError({"name": f"A trunk can be trusted by at most {MOST_HOSTS} names."})
    host = TrustedHost(peer=trunk, name=name, port=port, transport=transport)
    host.full_clean()
    host.save(force_insert=True)
    record(actor, "trusted_host_add", trunk, {"name": name, "port": port, "transport": transport})
    notify_directory_changed([trunk.pk])
    return host


@transaction.atomic
def trusted_host_remove(*, host: TrustedHost, actor: Actor) -> None:
    record(actor, "trusted_host_remove", host.peer, {"name": host.name, "port": host.port})
    host.delete()
    notify_directory_changed([host.peer_id])


@transaction.atomic
def trunk_numbers_put(*, trunk: Peer, numbers: Iterable[tuple[str, str]], actor: Actor) -> list[TrunkNumber]:
    """Numbers with the extensions they mean; one that the trunk has already means another extension from now on. All
    or none: the error names every line that is wrong."""
    _refuse_device(trunk, "number")
    Domain.objects.select_for_update().get(pk=trunk.domain_id)
    wanted = list(numbers)
    extensions = {
        extension.number: extension
        for extension in Extension.objects.filter(domain=trunk.domain_id, number__in={to for _, to in wanted})
    }
    read = {number: extensions[to] for number, to in _read_numbers(wanted, extensions).items()}
    kept = dict(trunk.trunk_numbers.filter(number__in=read).values_list("number", "extension__number"))
    if TrunkNumber.objects.count() + len(read) - len(kept) > MOST_NUMBERS:
        raise ValidationError({"numbers": f"All trunks together can have at most {MOST_NUMBERS:,} numbers."})
    changes = {number: to.number for number, to in read.items() if kept.get(number) != to.number}
    if changes:
        TrunkNumber.objects.bulk_create(
            [TrunkNumber(peer=trunk, number=number, extension=read[number]) for number in changes],
            update_conflicts=True,
            unique_fields=["peer", "number"],
            update_fields=["extension"],
        )
        record(actor, "trunk_numbers_put", trunk, {"numbers": dict(list(changes.items())[:1000])})
        notify_directory_changed([trunk.pk])
    return list(trunk.trunk_numbers.filter(number__in=read).select_related("extension"))


@transaction.atomic
def trunk_number_remove(*, number: TrunkNumber, actor: Actor) -> None:
    record(actor, "trunk_number_remove", number.peer, {"number": number.number})
    number.delete()
    notify_directory_changed([number.peer_id])


def _read_numbers(wanted: Sequence[tuple[str, str]], extensions: dict[str, Extension]) -> dict[str, str]:
    """Each number in its normal form. Raises ValidationError with all that is wrong."""
    read: dict[str, str] = {}
    problems = []
    for position, (text, to) in enumerate(wanted, start=1):
        number = normal(text.strip())
        if number is None or not is_number(number):
            problems.append(
                ValidationError(_said(wanted, position, f"{text[:40]} is no number."), code="number")
            )
        elif to not in extensions:
            missing = (
                f"There is no extension {to[:40]} in the trunk's domain."
                if to
                else f"{number} has no extension."
            )
            words = _said(wanted, position, missing)
            problems.append(ValidationError(words, code="unknown_extension"))
        elif read.setdefault(number, to) != to:
            words = _said(wanted, position, f"{number} stands there twice, for {read[number]} and {to}.")
            problems.append(ValidationError(words, code="twice"))
    if problems:
        raise ValidationError({"numbers": problems[:20]})
    return read


def _said(wanted: Sequence[object], position: int, problem: str) -> str:
    return problem if len(wanted) == 1 else f"Line {position}: {problem}"


def _normal_setting(name: str, value: Any) -> Any:
    if name == "server":
        return _normal_server(value.strip())
    if name == "outbound_prefixes":
        return _normal_prefixes(value)
    if name in ("inbound_add", "outbound_add"):
        return _normal_added(name, value.strip())
    return value


def _normal_server(text: str) -> str:
    if not text:
        return ""
    server = split_server(text)
    if server is None:
        raise ValidationError(
            {"server": "Give a host or host:port, like sip.carrier.example or 192.0.2.10:5060."}
        )
    return str(server)


def _normal_prefixes(text: str) -> str:
    prefixes = list(dict.fromkeys(text.replace(",", " ").split()))
    for prefix in prefixes:
        if prefix != ANY and not _ADDED.fullmatch(prefix):
            problem = f"{prefix[:40]} is no prefix: give digits, * or #, with or without a + first, or the word any."
            raise ValidationError({"outbound_prefixes": problem})
    if len(prefixes) > MOST_PREFIXES:
        raise ValidationError({"outbound_prefixes": f"Give at most {MOST_PREFIXES} prefixes."})
    return " ".join(prefixes)


def _normal_added(name: str, text: str) -> str:
    if not _ADDED.fullmatch(text):
        raise ValidationError({name: "Give digits, * or #, with or without a + first."})
    return text


def _refuse_device(trunk: Peer, field: str) -> None:
    if trunk.kind != PeerKind.TRUNK:
        raise ValidationError({field: "Only a trunk has numbers and host names; a device has a password."})
