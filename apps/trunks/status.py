"""What pages and the API tell of a trunk: what was heard, what is in the way, where a number goes. Must not write."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.extensions.fields import Network, parse_network
from apps.extensions.models import (
    BlockedSource,
    Extension,
    Peer,
    ResolvedName,
    TrunkSighting,
    TrustedAddress,
)
from apps.registrar.selectors import database_now
from apps.trunks import sql
from apps.trunks.conflicts import Conflict, Surroundings, conflicts
from apps.trunks.directory import NAMES_GOOD_FOR
from apps.trunks.findings import (
    REFUSALS_OF,
    CallsRefused,
    Finding,
    Name,
    Packet,
    Refusal,
    TrunkFacts,
    findings,
    neighbourhood,
    state_of,
)
from apps.trunks.models import TrunkCallsRefused
from apps.trunks.numbers import Inbound, Mapped, Outbound, normal
from apps.trunks.servers import is_address, split_server
from apps.trunks.sightings import CallRefusal
from apps.trunks.trust import TRUSTABLE, Entry, TrustTable

MOST_REFUSALS: Final = 20
STATUS: Final = {CallRefusal.CHALLENGED: 407, CallRefusal.NOT_TRUSTED: 403}


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """What is known of a trunk at `now`; the findings' first is the verdict."""

    facts: TrunkFacts
    findings: Sequence[Finding]
    names: Mapping[str, Name]
    now: dt.datetime

    @property
    def version(self) -> str:
        """8 hex digits over what a page shows of it; a time that only runs on is no change."""
        facts = [self.facts.last_packet, *self.findings]
        return blake2b(repr(facts).encode(), digest_size=4).hexdigest()


@dataclass(frozen=True, slots=True)
class NumberTried:
    """Where a number leads: `becomes` None: nowhere. extension: whose number that is, None if nobody's."""

    number: str
    becomes: str | None
    extension: Extension | None = None
    by_table: bool = False


def status_of(trunk: Peer) -> TrunkStatus:
    """Expects `trunk_settings`, `trusted_addresses` and `trusted_hosts` read, or reads them."""
    now = database_now()
    names = _names(trunk, now)
    entries = [*map(_entry, trunk.trusted_addresses.all()), *_entries_of_hosts(trunk, names)]
    trusted, named = _trusted_by_enabled(neighbourhood(entry.network) for entry in entries)
    facts = TrunkFacts(
        enabled=trunk.enabled,
        entries=entries,
        names=list(names.values()),
        last_packet=_last_packet(trunk),
        refusals=_refusals(trunk, entries, trusted),
        conflicts=conflicts(entries, _around(trunk.pk, entries, trusted, named)),
        calls_refused=_calls_refused(trunk, now),
    )
    return TrunkStatus(facts, findings(facts), names, now)


def conflicts_of_network(address: TrustedAddress) -> list[Conflict]:
    """What else is where the trunk would be trusted from."""
    entries = [_entry(address)]
    trusted, named = _trusted_by_enabled(entry.network for entry in entries)
    return conflicts(entries, _around(address.peer_id, entries, trusted, named))


def number_in(trunk: Peer, text: str) -> NumberTried:
    """What becomes of a number that the trunk calls."""
    settings, number = trunk.trunk_settings, normal(text.strip())
    table = dict(_near_numbers(trunk, number)) if number else {}
    rule = Mapped(settings.inbound_strip, settings.inbound_add)
    becomes = Inbound(rule, table).extension_for(text.strip())
    found = Extension.objects.filter(domain=trunk.domain_id, number=becomes).first() if becomes else None
    return NumberTried(text.strip(), becomes, found, becomes in table.values())


def number_out(trunk: Peer, text: str) -> NumberTried:
    """What the trunk is told when somebody dials this; nothing where it does not take it."""
    settings, number = trunk.trunk_settings, normal(text.strip())
    rule = Mapped(settings.outbound_strip, settings.outbound_add)
    outbound = Outbound(tuple(settings.outbound_prefixes.split()), rule)
    fits = number is not None and outbound.fit(number) is not None
    return NumberTried(text.strip(), rule.apply(number) if fits and number else None)


def _near_numbers(trunk: Peer, number: str) -> Iterable[tuple[str, str]]:
    either = [number, number.removeprefix("+"), f"+{number}"]
    return trunk.trunk_numbers.filter(number__in=either).values_list("number", "extension__number")


def _entry(address: TrustedAddress) -> Entry:
    transport = "" if address.transport == "any" else address.transport.upper()
    return Entry(parse_network(str(address.network)), address.peer_id, address.port, transport)


def _entries_of_hosts(trunk: Peer, names: Mapping[str, Name]) -> Iterable[Entry]:
    for host in trunk.trusted_hosts.all():
        name = names[host.name]
        for address in name.addresses if name.is_good else ():
            transport = "" if host.transport == "any" else host.transport.upper()
            yield Entry(parse_network(address), trunk.pk, host.port, transport)


def _names(trunk: Peer, now: dt.datetime) -> dict[str, Name]:
    """Of its trusted hosts and its server."""
    server = split_server(trunk.trunk_settings.server)
    names = {host.name for host in trunk.trusted_hosts.all()}
    names |= {server[0]} if server and not is_address(server[0]) else set()
    found = ResolvedName.objects.in_bulk(sorted(names))
    return {name: _name(name, found.get(name), now) for name in sorted(names)}


def _name(name: str, found: ResolvedName | None, now: dt.datetime) -> Name:
    if found is None:
        return Name(name)
    is_good = found.resolved_at is not None and found.resolved_at >= now - NAMES_GOOD_FOR
    # Just claimed, the first answer not there yet.
    tried_at = found.tried_at if found.resolved_at or found.problem else None
    return Name(name, tuple(found.addresses), found.resolved_at, tried_at, found.problem, is_good)


def _last_packet(trunk: Peer) -> Packet | None:
    found = TrunkSighting.objects.filter(peer=trunk).first()
    if found is None:
        return None
    return Packet(found.at, found.received_addr, found.received_port, found.transport, found.method)


def _calls_refused(trunk: Peer, now: dt.datetime) -> CallsRefused | None:
    found = TrunkCallsRefused.objects.filter(trunk=trunk, last_at__gt=now - REFUSALS_OF).first()
    if found is None:
        return None
    return CallsRefused(found.since, found.last_at, found.count, found.status, found.phrase, found.proven)


def _refusals(trunk: Peer, entries: Sequence[Entry], trusted: Sequence[Entry]) -> list[Refusal]:
    networks = sorted({str(neighbourhood(entry.network)) for entry in entries})
    if not networks:
        return []
    wanted = {"reasons": list(STATUS), "networks": networks, "since": REFUSALS_OF, "most": MOST_REFUSALS}
    table, found = TrustTable(trusted), []
    for reason, host, port, count, first_at, last_at in _rows(sql.REFUSED_NEAR, wanted):
        owners = {table.trunk_at(host, port, transport) for transport in TRUSTABLE} - {None}
        state = state_of(host, entries, trunk.pk in owners, bool(owners - {trunk.pk}))
        found.append(Refusal(host, port, STATUS[CallRefusal(reason)], count, first_at, last_at, state))
    return found


def _around(
    trunk_id: UUID, entries: Sequence[Entry], trusted: Iterable[Entry], names: Mapping[UUID, str]
) -> Surroundings:
    networks = sorted({str(entry.network) for entry in entries})
    phones: dict[Network, list[str]] = defaultdict(list)
    for network, name in _rows(sql.PHONES_AT, {"networks": networks}):
        phones[parse_network(network)].append(name)
    return Surroundings(
        others=[entry for entry in trusted if entry.peer_id != trunk_id],
        names=names,
        phones=phones,
        blocked=[parse_network(str(source.network)) for source in BlockedSource.objects.all()],
    )


def _trusted_by_enabled(networks: Iterable[Network]) -> tuple[list[Entry], dict[UUID, str]]:
    """What enabled trunks trust that overlaps one of the networks, and their names."""
    entries, names = [], {}
    wanted = {"good_for": NAMES_GOOD_FOR, "networks": sorted({str(network) for network in networks})}
    for peer_id, network, port, transport, name in _rows(sql.TRUSTED_BY_ENABLED, wanted):
        named = "" if transport == "any" else transport.upper()
        entries.append(Entry(parse_network(network), peer_id, port, named))
        names[peer_id] = name
    return entries, names


def _rows(statement: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
