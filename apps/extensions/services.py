"""Every write to the directory: one transaction with its audit row and its NOTIFY inside.

A wrong value is a django ValidationError keyed by field, in words for the person who typed it. Must not touch bindings:
what has to happen to them is in apps.registrar.services, which wraps the ones that switch a phone off.
"""

import datetime as dt
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone

from apps.extensions.audit import Actor, record
from apps.extensions.checks import (
    check_display_name,
    check_domain_name,
    check_line,
    check_realm,
    check_sip_user,
    refuse_wide,
)
from apps.extensions.fields import Network
from apps.extensions.models import (
    BlockedSource,
    Credential,
    Domain,
    Extension,
    Peer,
    PeerKind,
    TrunkSettings,
    TrustedAddress,
    TrustedTransport,
)
from apps.extensions.notices import notify_directory_changed, notify_everything_changed
from apps.extensions.passwords import check_password, generate_password, new_credential
from apps.extensions.registration_string import RegistrationString, registration_string
from apps.extensions.routes import normal_networks, normal_routes

# They are read with every batch of packets.
MOST_BLOCKED: Final = 1000
# Each process that carries calls knows them all by heart.
MOST_TRUNKS: Final = 1000
MOST_TRUSTED: Final = 10_000
EXTENSION_FIELDS: Final = frozenset({"display_name", "enabled"})
PEER_FIELDS: Final = frozenset(
    {
        "enabled",
        "max_contacts",
        "when_full",
        "min_expires_s",
        "max_expires_s",
        "accepts_no_qop",
        "may_watch",
        "qualify",
        "qualify_interval_s",
    }
)
DOMAIN_FIELDS: Final = frozenset(
    {
        "digest_order",
        "min_expires_s",
        "default_expires_s",
        "max_expires_s",
        "expires_spread_percent",
        "raise_brief",
        "strict_cseq",
        "outbound",
        "any_contact",
        "edge_proxies",
        "service_routes",
        "call_mode",
    }
)


Entity = TypeVar("Entity", Domain, Extension, Peer)


@dataclass(frozen=True, slots=True)
class NewPeer:
    """A peer just made (or given a new password) with the clear password, which exists nowhere else."""

    peer: Peer
    credential: Credential
    registration_string: RegistrationString


@transaction.atomic
def domain_create(*, name: str, actor: Actor, realm: str | None = None) -> Domain:
    """realm is what HA1s are hashed over, for ever; the name unless passwords come from elsewhere."""
    name = name.strip().lower().rstrip(".")
    domain = Domain(name=name, realm=realm or name)
    check_domain_name(name)
    check_realm(domain.realm)
    _validate(domain)
    domain.save(force_insert=True)
    record(actor, "domain_create", domain)
    return domain


def domain_ensure(*, name: str, actor: Actor) -> Domain:
    """The first domain if there is one, else a new one of this name."""
    return Domain.objects.first() or domain_create(name=name, actor=actor)


@transaction.atomic
def domain_update(*, domain: Domain, actor: Actor, **fields: Any) -> Domain:
    """Changes how the domain registers phones. The realm stays: it is hashed into every HA1."""
    if "edge_proxies" in fields:
        fields["edge_proxies"] = "\n".join(normal_networks("edge_proxies", fields["edge_proxies"]))
    if "service_routes" in fields:
        fields["service_routes"] = "\n".join(normal_routes("service_routes", fields["service_routes"]))
    return _update(domain, actor, "domain_update", fields, DOMAIN_FIELDS, peer_ids=[])


@transaction.atomic
def extension_create(
    *,
    domain: Domain,
    number: str,
    actor: Actor,
    display_name: str = "",
    enabled: bool = True,
    username: str | None = None,
    password: str | None = None,
) -> NewPeer:
    """The extension with its first peer, named like it, and that peer's credential."""
    _lock(domain)
    extension = Extension(
        domain=domain, number=number.strip(), display_name=display_name.strip(), enabled=enabled
    )
    check_sip_user("number", extension.number)
    check_display_name(extension.display_name)
    _refuse_taken_number(domain, extension.number)
    _validate(extension)
    extension.save(force_insert=True)
    record(actor, "extension_create", extension, {"display_name": extension.display_name, "enabled": enabled})
    return _device_create(extension, extension.number, username, password, actor)


@transaction.atomic
def extension_update(*, extension: Extension, actor: Actor, **fields: Any) -> Extension:
    """Changes display_name or enabled. The number stays: it is the phone's address and part of what it stores."""
    check_display_name(fields.get("display_name", ""))
    peer_ids = list(extension.peers.values_list("pk", flat=True))
    return _update(extension, actor, "extension_update", fields, EXTENSION_FIELDS, peer_ids=peer_ids)


@transaction.atomic
def extension_delete(*, extension: Extension, actor: Actor) -> None:
    """Removes the extension, its peers and their credentials. Their history is kept (no foreign key points here)."""
    peer_ids = list(extension.peers.values_list("pk", flat=True))
    record(actor, "extension_delete", extension, {"display_name": extension.display_name})
    extension.delete()
    notify_directory_changed(peer_ids)


@transaction.atomic
def peer_create(
    *,
    extension: Extension,
    name: str,
    actor: Actor,
    username: str | None = None,
    password: str | None = None,
) -> NewPeer:
    """One more device of an extension, with its own name and credential."""
    _lock(extension.domain)
    check_sip_user("name", name.strip())
    return _device_create(extension, name.strip(), username, password, actor)


@transaction.atomic
def peer_update(*, peer: Peer, actor: Actor, **fields: Any) -> Peer:
    return _update(peer, actor, "peer_update", fields, PEER_FIELDS, peer_ids=[peer.pk])


@transaction.atomic
def peer_delete(*, peer: Peer, actor: Actor) -> None:
    """Removes a device or a trunk with its credentials and trusted addresses."""
    peer_ids = [peer.pk]
    record(actor, f"{'trunk' if peer.kind == PeerKind.TRUNK else 'peer'}_delete", peer)
    peer.delete()
    notify_directory_changed(peer_ids)


@transaction.atomic
def credential_rotate(
    *, peer: Peer, actor: Actor, password: str | None = None, overlap: dt.timedelta = dt.timedelta(0)
) -> NewPeer:
    """A new password for the peer. The old one stays good for `overlap`, so that phones can be moved one by one."""
    if overlap < dt.timedelta(0) or overlap > dt.timedelta(days=90):
        raise ValidationError({"overlap_s": "Give an overlap of 0 seconds to 90 days."})
    _lock(peer.domain)
    current = peer.credentials.filter(valid_until__isnull=True).first()
    until = timezone.now() + overlap
    # Also those of an earlier rotation, so that a rotation without overlap leaves no old password good.
    peer.credentials.exclude(valid_until__lte=until).update(valid_until=until)
    new = _credential_create(peer, current.username if current else peer.name, password)
    record(actor, "credential_rotate", peer, {"overlap_s": int(overlap.total_seconds())})
    notify_directory_changed([peer.pk])
    return new


@transaction.atomic
def trunk_create(*, domain: Domain, name: str, actor: Actor) -> Peer:
    """A trunk with no address yet: trusted from nowhere."""
    _lock(domain)
    trunk = Peer(domain=domain, kind=PeerKind.TRUNK, name=name.strip())
    check_sip_user("name", trunk.name)
    _refuse_taken_peer_name(domain, trunk.name, extension=None)
    if Peer.objects.filter(kind=PeerKind.TRUNK).count() >= MOST_TRUNKS:
        raise ValidationError({"name": f"There can be at most {MOST_TRUNKS} trunks. Remove one first."})
    _validate(trunk)
    trunk.save(force_insert=True)
    TrunkSettings.objects.create(peer=trunk)
    record(actor, "trunk_create", trunk)
    notify_directory_changed([trunk.pk])
    return trunk


@transaction.atomic
def trusted_address_add(
    *,
    trunk: Peer,
    network: Network | str,
    actor: Actor,
    port: int | None = None,
    transport: str = TrustedTransport.ANY,
    wide_confirmed: bool = False,
) -> TrustedAddress:
    """Trusts the trunk from a network. One wider than /24 (IPv6 /48) needs wide_confirmed (C118).

    For who has looked at what else is there (apps.trunks.services, the import of other products)."""
    if trunk.kind != PeerKind.TRUNK:
        raise ValidationError(
            {"network": "Only a trunk is trusted by its address; a device needs its password."}
        )
    address = TrustedAddress(peer=trunk, network=network, port=port, transport=transport)
    _validate(address)
    trusted = ipaddress.ip_network(str(address.network))
    if not wide_confirmed:
        refuse_wide(trusted, "trusts", "Confirm that all of them are the carrier's.")
    if TrustedAddress.objects.count() >= MOST_TRUSTED:
        raise ValidationError(
            {"network": f"At most {MOST_TRUSTED} addresses can be trusted. Remove one first."}
        )
    address.save(force_insert=True)
    record(
        actor, "trusted_address_add", trunk, {"network": str(trusted), "port": port, "transport": transport}
    )
    notify_directory_changed([trunk.pk])
    return address


@transaction.atomic
def trusted_address_remove(*, address: TrustedAddress, actor: Actor) -> None:
    trunk = address.peer
    record(actor, "trusted_address_remove", trunk, {"network": str(address.network), "port": address.port})
    address.delete()
    notify_directory_changed([trunk.pk])


@transaction.atomic
def source_block(
    *, network: Network | str, actor: Actor, note: str = "", wide_confirmed: bool = False
) -> BlockedSource:
    """From now on no packet from the network is answered; what is registered there stays until it expires. One wider
    than /24 (IPv6 /48) needs wide_confirmed."""
    source = BlockedSource(network=network, note=note.strip())
    check_line("note", source.note)
    source.clean_fields()
    if BlockedSource.objects.filter(network=source.network).exists():
        raise ValidationError({"network": ValidationError("This network is blocked already.", code="unique")})
    blocked = ipaddress.ip_network(str(source.network))
    if not wide_confirmed:
        refuse_wide(blocked, "blocks", "Confirm that no phone of yours is there.")
    if BlockedSource.objects.count() >= MOST_BLOCKED:
        raise ValidationError(
            {"network": f"At most {MOST_BLOCKED} networks can be blocked. Remove one first."}
        )
    source.save(force_insert=True)
    record(actor, "source_block", source, {"note": source.note})
    notify_everything_changed()
    return source


@transaction.atomic
def source_unblock(*, source: BlockedSource, actor: Actor) -> None:
    record(actor, "source_unblock", source, {"note": source.note})
    source.delete()
    notify_everything_changed()


def _device_create(
    extension: Extension, name: str, username: str | None, password: str | None, actor: Actor
) -> NewPeer:
    _refuse_taken_peer_name(extension.domain, name, extension=extension)
    peer = Peer(domain=extension.domain, extension=extension, kind=PeerKind.DEVICE, name=name)
    _validate(peer)
    peer.save(force_insert=True)
    new = _credential_create(peer, (username or "").strip() or name, password)
    record(actor, "peer_create", peer, {"username": new.credential.username})
    notify_directory_changed([peer.pk])
    return new


def _credential_create(peer: Peer, username: str, password: str | None) -> NewPeer:
    check_sip_user("username", username)
    if password:
        check_password(password, username)
    else:
        password = generate_password()
    credential = new_credential(domain=peer.domain, peer_id=peer.pk, username=username, password=password)
    _refuse_taken_username(credential)
    credential.save(force_insert=True)
    card = registration_string(
        username=username, password=password, address_user=peer.name, domain=peer.domain.name
    )
    return NewPeer(peer=peer, credential=credential, registration_string=card)


def _lock(domain: Domain) -> None:
    """Makes changes of names in a domain take turns, so that the checks below stay true until commit."""
    Domain.objects.select_for_update().get(pk=domain.pk)


def _refuse_taken_number(domain: Domain, number: str) -> None:
    if Extension.objects.filter(domain=domain, number=number).exists():
        problem = f"Extension {number} exists already in {domain.name}."
        raise ValidationError({"number": ValidationError(problem, code="number_taken")})
    owner = Peer.objects.filter(domain=domain, name=number).first()
    if owner is not None:
        problem = (
            f"{number} is the name of a SIP peer of {owner.extension or 'a trunk'}; calls would reach either."
        )
        raise ValidationError({"number": ValidationError(problem, code="number_taken")})


def _refuse_taken_peer_name(domain: Domain, name: str, extension: Extension | None) -> None:
    taken = Peer.objects.filter(domain=domain, name=name).exists()
    other = Extension.objects.filter(domain=domain, number=name)
    if extension is not None:
        other = other.exclude(pk=extension.pk)
    if taken or other.exists():
        problem = f"{name} is taken by another SIP peer or extension of {domain.name}. Choose another name."
        raise ValidationError({"name": ValidationError(problem, code="name_taken")})


def _refuse_taken_username(credential: Credential) -> None:
    others = Credential.objects.filter(domain=credential.domain, username=credential.username)
    if others.exclude(peer=credential.peer_id).exists():
        problem = f"User name {credential.username} belongs to another SIP peer of {credential.domain.name}."
        raise ValidationError({"username": ValidationError(problem, code="username_taken")})


def _update(
    entity: Entity,
    actor: Actor,
    action: str,
    fields: dict[str, Any],
    allowed: frozenset[str],
    peer_ids: Iterable[UUID],
) -> Entity:
    """Sets what differs; nothing is written when nothing does. Raises DoesNotExist if it was deleted meanwhile."""
    if unknown := set(fields) - allowed:
        raise TypeError(f"{action} does not change {sorted(unknown)}")
    # The row as it is now, held until commit: what another admin changed meanwhile is not written back.
    entity.refresh_from_db(fields=sorted(allowed), from_queryset=type(entity).objects.select_for_update())
    changes: dict[str, list[Any]] = {name: [getattr(entity, name), value] for name, value in fields.items()}
    changes = {name: pair for name, pair in changes.items() if pair[0] != pair[1]}
    if not changes:
        return entity
    for name, (_, value) in changes.items():
        setattr(entity, name, value)
    _validate(entity)
    entity.save(update_fields=[*changes, *_stamps(entity)])
    record(actor, action, entity, changes)
    notify_directory_changed(peer_ids)
    return entity


def _stamps(entity: models.Model) -> list[str]:
    return [column.name for column in entity._meta.concrete_fields if column.name == "updated_at"]


def _validate(entity: Domain | Extension | Peer | TrustedAddress) -> None:
    entity.full_clean(validate_unique=True)
