"""Found carriers against our trunks: which addresses would be trusted, and which not and why."""

import ipaddress
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.extensions.checks import check_sip_user, refuse_wide
from apps.extensions.fields import Network, parse_network
from apps.extensions.foreign.domains import Domains
from apps.extensions.foreign.values import Action, FoundAddress, FoundTrunk, Step
from apps.extensions.models import Domain, Extension, Peer, PeerKind, TrustedAddress
from apps.extensions.services import trunk_create, trusted_address_add


@dataclass(frozen=True, slots=True)
class Trunks:
    """One trunk after the other; with domains.apply it is written as it is decided."""

    domains: Domains

    @transaction.atomic
    def take_over(self, found: FoundTrunk) -> list[Step]:
        domain = self.domains.of(found.domain)
        if isinstance(domain, str):
            return [Step(Action.CONFLICT, "trunk", found.name, "", domain)]
        trunk = Peer.objects.filter(domain=domain.pk, name=found.name).first()
        if problem := _name_problem(found.name, domain, trunk):
            return [Step(Action.CONFLICT, "trunk", found.name, domain.name, problem)]
        decided = [self._decided(address, trunk) for address in found.addresses]
        addresses = [(address, *one) for address, one in zip(found.addresses, decided, strict=True)]
        steps = [Step(action, "address", found.name, domain.name, said) for _, action, said in addresses]
        new = [address for address, action, _ in addresses if action == Action.CREATE]
        if trunk is None and new:
            steps.insert(0, Step(Action.CREATE, "trunk", found.name, domain.name, ""))
        if self.domains.apply and new:
            trunk = trunk or trunk_create(domain=domain, name=found.name, actor=self.domains.actor)
            for address in new:
                trusted_address_add(
                    trunk=trunk,
                    network=_network(address),
                    port=address.port,
                    transport=address.transport,
                    actor=self.domains.actor,
                )
        return steps

    def _decided(self, address: FoundAddress, trunk: Peer | None) -> tuple[Action, str]:
        action, said = _decided(address, trunk)
        if action != Action.CREATE:
            return action, said
        trusted = TrustedAddress(
            peer=trunk or Peer(), network=_network(address), port=address.port, transport=address.transport
        )
        found = list(self.domains.conflicts(trusted))
        return (Action.CONFLICT, f"{said}: {' '.join(found)}") if found else (action, said)


def _name_problem(name: str, domain: Domain, trunk: Peer | None) -> str:
    try:
        check_sip_user("name", name)
    except ValidationError as error:
        return " ".join(error.messages)
    if trunk is not None and trunk.kind != PeerKind.TRUNK:
        return f"{name} is the name of a device here"
    if trunk is None and Extension.objects.filter(domain=domain.pk, number=name).exists():
        return f"{name} is an extension here"
    return ""


def _decided(address: FoundAddress, trunk: Peer | None) -> tuple[Action, str]:
    shown = _shown(address)
    if address.problem:
        return Action.CONFLICT, f"{shown}: {address.problem}"
    try:
        network = _network(address)
        refuse_wide(network, "trusts", "Add it by hand if all of them are the carrier's.")
    except ValidationError as error:
        return Action.CONFLICT, " ".join(error.messages)
    except ValueError:
        return Action.CONFLICT, f"{shown}: it is no address"
    if network.is_loopback or network.is_multicast or network.is_unspecified:
        return Action.CONFLICT, f"{shown}: no carrier calls from there"
    trusting = TrustedAddress.objects.filter(network=network, port=address.port, transport=address.transport)
    if trunk is not None and trusting.filter(peer=trunk).exists():
        return Action.SAME, shown
    other = TrustedAddress.objects.filter(network=network).exclude(peer=trunk).select_related("peer").first()
    if other is not None:
        return Action.CONFLICT, f"{shown}: the trunk {other.peer.name} is trusted from there"
    return Action.CREATE, shown


def _network(address: FoundAddress) -> Network:
    """Other products take an address with host bits for its network."""
    return parse_network(str(ipaddress.ip_network(address.network, strict=False)))


def _shown(address: FoundAddress) -> str:
    network = address.network[:100]
    port = f" port {address.port}" if address.port else ""
    return f"{network}{port}{'' if address.transport == 'any' else ' over ' + address.transport}"
