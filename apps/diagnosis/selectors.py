"""What is known of peers, read for a verdict: the same few queries however many peers. Must not judge, nor write."""

import datetime as dt
import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, OuterRef, Q, Subquery, Window
from django.db.models.functions import RowNumber

from apps.diagnosis.explain import HARM, explain
from apps.diagnosis.facts import (
    BindingFacts,
    EventFacts,
    Facts,
    Finding,
    Severity,
    StrangerFacts,
)
from apps.extensions.models import Credential, Extension, Peer, WhenFull
from apps.registrar.models import Binding, PeerActivity, Probe, RegistrationEvent, Stranger
from apps.registrar.selectors import database_now, live_bindings, ringing_order
from apps.registrar.site import Site, site_of
from apps.registrar.sites import sites_of
from apps.registrar.testphone.dialogue import USER_AGENT as TEST_PHONE

EVENTS_READ: Final = 200
EVENTS_OF: Final = dt.timedelta(days=30)
STRANGERS_READ: Final = 20
STRANGERS_OF: Final = dt.timedelta(days=1)
FINE_FIRST: Final = (Severity.FINE, Severity.BROKEN, Severity.ATTENTION, Severity.NOTE)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why this peer's phone does not ring: the facts, and the findings, the most certain and harmful first."""

    peer: Peer
    facts: Facts
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Finding:
        return self.findings[0]


@dataclass(frozen=True, slots=True)
class Said:
    """One finding, and about which peer."""

    peer: Peer
    finding: Finding


def diagnoses(peers: Iterable[Peer]) -> list[Diagnosis]:
    """Of peers with `domain` and `extension` joined, in their order."""
    found = list(peers)
    facts = facts_of(found)
    return [Diagnosis(peer, facts[peer.pk], explain(facts[peer.pk])) for peer in found]


def diagnoses_of_extension(extension: Extension) -> list[Diagnosis]:
    return diagnoses(extension.peers.select_related("domain", "extension").order_by("name"))


def said_together(found: Iterable[Diagnosis]) -> list[Said]:
    """The findings about all devices of an extension, the one that answers for it first: an extension rings where one
    of its devices is fine, so that is said before what is wrong with others."""
    all_said = [Said(each.peer, finding) for each in found for finding in each.findings]
    rings = any(said.finding.severity is Severity.FINE for said in all_said)
    order = FINE_FIRST if rings else HARM
    return sorted(all_said, key=lambda said: order.index(said.finding.severity))


def facts_of(peers: Sequence[Peer]) -> Mapping[UUID, Facts]:
    ids = [peer.pk for peer in peers]
    activities = PeerActivity.objects.in_bulk(ids)
    bindings, events, strangers = _bindings(ids), _events(ids), _strangers(ids)
    credentials = _credentials(ids)
    places = {peer_id: _places(activities.get(peer_id), bindings[peer_id]) for peer_id in ids}
    blocked = _blocked(
        {*(address for each in places.values() for address in each)}
        | {stranger.received[0] for each in strangers.values() for stranger in each}
    )
    sites = sites_of({each[0] for each in places.values() if each})
    now = database_now()
    return {
        peer.pk: _facts(
            peer,
            now,
            activity=activities.get(peer.pk),
            bindings=bindings[peer.pk],
            events=events[peer.pk],
            strangers=strangers[peer.pk],
            credentials=credentials[peer.pk],
            blocked=[blocked[at] for at in _seen_at(places[peer.pk], strangers[peer.pk]) if at in blocked],
            site=sites.get(site_of(places[peer.pk][0])) if places[peer.pk] else None,
        )
        for peer in peers
    }


def _facts(
    peer: Peer,
    now: dt.datetime,
    *,
    activity: PeerActivity | None,
    bindings: Sequence[BindingFacts],
    events: Sequence[EventFacts],
    strangers: Sequence[StrangerFacts],
    credentials: Sequence[Credential],
    blocked: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network],
    site: Site | None,
) -> Facts:
    activity = activity or PeerActivity(peer=peer)
    current = [credential for credential in credentials if credential.valid_until is None]
    ends = [credential.valid_until for credential in credentials if credential.valid_until is not None]
    first = min((credential.created_at for credential in credentials), default=None)
    changed = max((credential.created_at for credential in current), default=None)
    return Facts(
        now=now,
        peer=peer.name,
        domain=peer.domain.name,
        created_at=peer.created_at,
        extension=peer.extension.number if peer.extension else None,
        usernames=tuple(dict.fromkeys(credential.username for credential in current)),
        peer_enabled=peer.enabled,
        extension_enabled=peer.extension.enabled if peer.extension else True,
        max_contacts=peer.max_contacts,
        replaces_when_full=peer.when_full == WhenFull.REPLACE,
        min_expires_s=peer.min_expires_s or peer.domain.min_expires_s,
        qualified=peer.qualify,
        bindings=tuple(bindings),
        events=tuple(events),
        strangers=tuple(strangers),
        registered_at=activity.registered_at,
        ended_at=activity.ended_at,
        end_reason=activity.end_reason,
        refused_at=activity.refused_at,
        refused_reason=activity.refused_reason,
        unanswered_at=activity.unanswered_at,
        unanswered_reason=activity.unanswered_reason,
        last_received=(activity.received_addr, activity.received_port or 0)
        if activity.received_addr
        else None,
        last_user_agent=activity.user_agent,
        heard_at=activity.heard_at,
        networks=tuple(activity.networks),
        new_network_at=activity.new_network_at,
        password_changed_at=changed if changed != first else None,
        old_password_until=max(ends, default=None),
        blocked=blocked[0] if blocked else None,
        site=site,
    )


def _places(activity: PeerActivity | None, bindings: Sequence[BindingFacts]) -> list[str]:
    """Where its phones are, the first to ring first, or where the last one was."""
    if bindings:
        return list(dict.fromkeys(binding.received[0] for binding in bindings))
    return [activity.received_addr] if activity and activity.received_addr else []


def _seen_at(places: Iterable[str], strangers: Iterable[StrangerFacts]) -> list[str]:
    blocked = (stranger.received[0] for stranger in strangers if stranger.reason == "blocked_source")
    return [*places, *blocked]


def _credentials(ids: Sequence[UUID]) -> Mapping[UUID, list[Credential]]:
    found: dict[UUID, list[Credential]] = {peer_id: [] for peer_id in ids}
    for credential in Credential.objects.filter(peer__in=ids).order_by("-created_at"):
        found[credential.peer_id].append(credential)
    return found


def _bindings(ids: Sequence[UUID]) -> Mapping[UUID, list[BindingFacts]]:
    live = ringing_order(live_bindings().filter(peer_id__in=ids))
    probes = Probe.objects.in_bulk([binding.binding_id for binding in live])
    found: dict[UUID, list[BindingFacts]] = {peer_id: [] for peer_id in ids}
    for binding in live:
        found[binding.peer_id].append(_binding(binding, probes.get(binding.binding_id)))
    return found


def _binding(binding: Binding, probe: Probe | None) -> BindingFacts:
    probe = probe or Probe(binding_id=binding.binding_id)
    return BindingFacts(
        contact=binding.contact,
        received=(binding.received_addr, binding.received_port),
        transport=binding.transport,
        user_agent=binding.user_agent,
        registered_at=binding.registered_at,
        refreshed_at=binding.refreshed_at,
        expires_at=binding.expires_at,
        refresh_count=binding.refresh_count,
        renewal_gap_s=binding.renewal_gap_s,
        late_at=binding.late_at,
        path=binding.path,
        rewritten=binding.rewritten,
        probe_state=probe.state,
        probe_since=probe.state_since,
        probe_answered_at=probe.answered_at,
        probes_lost=probe.lost,
        rtt_ms=probe.rtt_ms,
        rtt_avg_ms=probe.rtt_avg_ms,
    )


def _events(ids: Sequence[UUID]) -> Mapping[UUID, list[EventFacts]]:
    """The newest EVENTS_READ of each peer, without our own test phone's; bounded in time, so that old partitions are
    not read."""
    newest = Window(RowNumber(), partition_by=F("peer_id"), order_by=[F("at").desc(), F("event_id").desc()])
    recent = RegistrationEvent.objects.filter(peer_id__in=ids, at__gt=database_now() - EVENTS_OF)
    recent = recent.exclude(user_agent=TEST_PHONE)
    found: dict[UUID, list[EventFacts]] = {peer_id: [] for peer_id in ids}
    rows = recent.annotate(row=newest).filter(row__lte=EVENTS_READ).order_by("-last_at", "-event_id")
    for row in rows:
        if row.peer_id is not None:
            found[row.peer_id].append(_event(row))
    return found


def _event(row: RegistrationEvent) -> EventFacts:
    return EventFacts(
        event=row.event,
        reason=row.reason,
        at=row.at,
        last_at=row.last_at,
        count=row.count,
        contact=row.contact,
        received=_address(row.received_addr, row.received_port),
        old_received=_address(row.old_received_addr, row.old_received_port),
        user_agent=row.user_agent,
    )


def _address(host: str | None, port: int | None) -> tuple[str, int] | None:
    return (host, port or 0) if host else None


def _strangers(ids: Sequence[UUID]) -> Mapping[UUID, list[StrangerFacts]]:
    same_place = Stranger.objects.filter(received_addr=OuterRef("received_addr")).order_by()
    names = same_place.values("received_addr").annotate(names=Count("username", distinct=True))
    newest = Window(RowNumber(), partition_by=F("meant_peer_id"), order_by=F("last_at").desc())
    rows = (
        Stranger.objects.filter(Q(meant_peer_id__in=ids), last_at__gt=database_now() - STRANGERS_OF)
        .annotate(row=newest, names=Subquery(names.values("names")))
        .filter(row__lte=STRANGERS_READ)
        .order_by("-last_at")
    )
    found: dict[UUID, list[StrangerFacts]] = defaultdict(list)
    for row in rows:
        if row.meant_peer_id is not None:
            found[row.meant_peer_id].append(_stranger(row))
    return found


def _stranger(row: Stranger) -> StrangerFacts:
    names: int = getattr(row, "names")  # noqa: B009 - an annotation
    return StrangerFacts(
        reason=row.reason,
        username=row.username,
        domain=row.domain,
        received=(row.received_addr, row.received_port),
        user_agent=row.user_agent,
        count=row.count,
        first_at=row.first_at,
        last_at=row.last_at,
        names_from_there=names,
    )


def _blocked(addresses: Iterable[str]) -> Mapping[str, ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Which of the addresses are in a blocked network, and in which."""
    with connection.cursor() as cursor:
        cursor.execute(_BLOCKED, {"addresses": list(addresses)})
        return {address: ipaddress.ip_network(network) for address, network in cursor.fetchall()}


_BLOCKED: Final = """
SELECT host(address), min(b.network::text)
FROM unnest(%(addresses)s::inet[]) AS address JOIN extensions_blockedsource b ON address <<= b.network
GROUP BY 1
"""
