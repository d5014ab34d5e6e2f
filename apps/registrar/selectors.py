"""Reads: which peer is in which state, with which bindings, and what happened to it.

Time is the database's (Now()), so an expired binding is offline for every reader at the same instant, swept or not.
Must not write, and must not query in a loop: lists are paged and joined in the database.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Length, Now

from apps.extensions.models import Extension, Peer, PeerKind
from apps.registrar.models import (
    Binding,
    PeerActivity,
    Probe,
    ProbeState,
    RegistrationEvent,
    WorkerHeartbeat,
)
from apps.registrar.outcomes import END_WORDS, REFUSALS, EndReason, EventKind
from apps.registrar.overview.buckets import ATTENTION, needs_attention, state_of
from apps.registrar.overview.listing import ListPage, counts, list_page
from apps.registrar.overview.orders import DEFAULT_ORDER
from apps.registrar.overview.sql import CLOSE_STEPS, DELTAS
from apps.registrar.peer_state import with_state
from apps.registrar.ringing import RingingKey, ringing_key
from apps.registrar.site import site_of
from apps.registrar.sites import sites_of
from apps.registrar.states import PeerState
from apps.registrar.worker import WEB_SOCKETS

HEARTBEAT_GOOD_FOR: Final = dt.timedelta(seconds=6)


@dataclass(frozen=True, slots=True)
class RegistrationRow:
    """Everything a row of the Registrations page says. `bindings` are live, in ringing order."""

    peer: Peer
    state: PeerState
    now: dt.datetime
    bindings: tuple[Binding, ...] = field(default=())
    site_is_down: bool = False

    @property
    def activity(self) -> PeerActivity | None:
        return getattr(self.peer, "activity", None)

    @property
    def first_binding(self) -> Binding | None:
        return self.bindings[0] if self.bindings else None

    @property
    def attention(self) -> str:
        """The code of what is wrong, "" for nothing (peer_state.py)."""
        return str(getattr(self.peer, "attention", ""))

    @property
    def needs_attention(self) -> bool:
        return bool(self.attention)

    @property
    def late_at(self) -> dt.datetime | None:
        """When the first of its contacts is, or was, overdue."""
        return min(
            (binding.late_at for binding in self.bindings if binding.late_at is not None), default=None
        )

    @property
    def online_since(self) -> dt.datetime | None:
        return min((binding.registered_at for binding in self.bindings), default=None)

    @property
    def offline_since(self) -> dt.datetime | None:
        """When it was last reachable: the end that was written down, or the expiry nobody has swept yet."""
        facts = [getattr(self.peer, "last_expiry", None), self.activity.ended_at if self.activity else None]
        return max((fact for fact in facts if fact is not None), default=None)

    @property
    def end_words(self) -> str:
        return END_WORDS[end_reason(self.peer)]

    @property
    def refused_words(self) -> str | None:
        """Why the latest attempt was refused, if it came after the latest success."""
        if not getattr(self.peer, "refused_since_success", False) or self.activity is None:
            return None
        outcome = REFUSALS.get(self.activity.refused_reason or "")
        return outcome.words if outcome else self.activity.refused_reason


@dataclass(frozen=True, slots=True)
class Counters:
    online: int
    attention: int
    offline: int
    never_registered: int
    disabled: int

    @property
    def total(self) -> int:
        return self.online + self.attention + self.offline + self.never_registered + self.disabled


def end_reason(peer: Peer) -> EndReason:
    """Why a peer of peers_with_state() was last reachable no longer. An expiry nobody has swept yet came last."""
    activity: PeerActivity | None = getattr(peer, "activity", None)
    expiry: dt.datetime | None = getattr(peer, "last_expiry", None)
    if activity is None or activity.ended_at is None or (expiry is not None and activity.ended_at < expiry):
        return EndReason.EXPIRED
    return EndReason(activity.end_reason or EndReason.EXPIRED)


def live_bindings() -> QuerySet[Binding]:
    """Bindings that are reachable now and whose peer may still register."""
    return Binding.objects.filter(
        Q(extension__isnull=True) | Q(extension__enabled=True), expires_at__gt=Now(), peer__enabled=True
    )


def peers_with_state() -> QuerySet[Peer]:
    """Devices with the annotations of peer_state.py."""
    devices = Peer.objects.filter(kind=PeerKind.DEVICE)
    return with_state(devices.select_related("extension", "domain", "activity"))


@dataclass(frozen=True, slots=True)
class RegistrationPage:
    """A page of the Registrations list, and what overview.listing.ListPage says of it."""

    rows: list[RegistrationRow]
    listed: ListPage


def registration_page(
    *,
    search: str = "",
    state: str = "",
    order: str = DEFAULT_ORDER,
    place: str = "",
    size: int = 50,
    only: Iterable[UUID] | None = None,
) -> RegistrationPage:
    """Order and filter are the overview's, what a row says is the truth: who is not in `state` any more is left out.

    Unknown states, orders and places mean the default: they come from a URL.
    """
    listed = list_page(search=search, state=state, order=order, place=place, size=size, only=only)
    found = {peer.pk: peer for peer in peers_with_state().filter(pk__in=listed.ids)}
    peers = [found[peer_id] for peer_id in listed.ids if peer_id in found]
    rows = registration_rows(peer for peer in peers if _is_in(peer, state))
    return RegistrationPage(rows, listed)


def _is_in(peer: Peer, state: str) -> bool:
    if state == ATTENTION:
        return bool(_annotated(peer, "attention"))
    return state not in PeerState.values or _annotated(peer, "state") == state


def registration_rows(peers: Iterable[Peer]) -> list[RegistrationRow]:
    """Rows for peers that came from peers_with_state(), in their order; three queries however many."""
    page = list(peers)
    bindings: dict[UUID, list[Binding]] = defaultdict(list)
    for binding in ringing_order(live_bindings().filter(peer_id__in=[peer.pk for peer in page])):
        bindings[binding.peer_id].append(binding)
    now = database_now()
    silent = _silent_sites(page, bindings)
    return [
        RegistrationRow(
            peer=peer,
            state=PeerState(_annotated(peer, "state")),
            now=now,
            bindings=tuple(bindings[peer.pk]),
            site_is_down=peer.pk in silent,
        )
        for peer in page
    ]


def _silent_sites(peers: Iterable[Peer], bindings: Mapping[UUID, list[Binding]]) -> set[UUID]:
    """Those that are silent themselves, at a site that is."""
    places: dict[UUID, str] = {}
    for peer in peers:
        address = (
            bindings[peer.pk][0].received_addr if bindings[peer.pk] else _annotated(peer, "received_addr")
        )
        if address and _is_silent(peer):
            places[peer.pk] = address
    down = {site.address for site in sites_of(places.values()).values() if site.is_down}
    return {peer_id for peer_id, address in places.items() if site_of(address) in down}


def _is_silent(peer: Peer) -> bool:
    match PeerState(_annotated(peer, "state")):
        case PeerState.LATE | PeerState.UNREACHABLE:
            return True
        case PeerState.OFFLINE:
            return end_reason(peer) in (EndReason.EXPIRED, EndReason.FLOW_CLOSED)
        case _:
            return False


def rows_of(peer_ids: Iterable[UUID]) -> list[RegistrationRow]:
    """By extension, shorter numbers first: 999 comes before 1001 without parsing."""
    peers = peers_with_state().filter(pk__in=list(peer_ids))
    return registration_rows(peers.order_by(Length("extension__number"), "extension__number", "name", "pk"))


def counters() -> Counters:
    """How many peers are in each state, without counting them. A peer that needs attention is counted there alone."""
    peers = {bucket: number for bucket, (number, _) in counts().items() if number > 0}
    calm: dict[PeerState, int] = defaultdict(int)
    for bucket, number in peers.items():
        if not needs_attention(bucket):
            calm[state_of(bucket)] += number
    return Counters(
        online=calm[PeerState.ONLINE],
        attention=sum(number for bucket, number in peers.items() if needs_attention(bucket)),
        offline=calm[PeerState.OFFLINE],
        never_registered=calm[PeerState.NEVER_REGISTERED],
        disabled=calm[PeerState.DISABLED],
    )


def with_signal(bindings: QuerySet[Binding]) -> QuerySet[Binding]:
    """Annotated with what the probes say: probe_state, and rtt_ms, the smoothed round trip; None where none was."""
    probe = Probe.objects.filter(binding_id=OuterRef("binding_id"))
    return bindings.annotate(
        probe_state=Subquery(probe.values("state")), rtt_ms=Subquery(probe.values("rtt_avg_ms"))
    )


def ringing_order(bindings: QuerySet[Binding]) -> list[Binding]:
    """As a call tries them (ringing.py), with_signal() and the peer."""
    return sorted(with_signal(bindings.select_related("peer", "extension")), key=_ringing_key)


def _ringing_key(binding: Binding) -> RingingKey:
    is_lost = getattr(binding, "probe_state", None) == ProbeState.UNREACHABLE
    return ringing_key(binding.q, binding.refreshed_at, binding.binding_id, reachable=not is_lost)


def bindings_of_extension(extension: Extension) -> list[Binding]:
    """The live bindings of all its peers, under whichever AOR they registered, in ringing order."""
    return ringing_order(live_bindings().filter(extension=extension))


def recent_events(
    *,
    peer_id: UUID | None = None,
    extension_id: UUID | None = None,
    kinds: Iterable[EventKind] = (),
    limit: int = 50,
) -> Sequence[RegistrationEvent]:
    """`kinds`: none means all."""
    events = RegistrationEvent.objects.order_by("-at", "-event_id")
    if wanted := list(kinds):
        events = events.filter(event__in=wanted)
    if peer_id is not None:
        events = events.filter(peer_id=peer_id)
    if extension_id is not None:
        events = events.filter(extension_id=extension_id)
    return list(events[:limit])


def online_history() -> list[int]:
    """How many contacts were registered at the end of each quarter of an hour of the last 24 h; the last is now.

    Counted backwards from what is live now, so that a ledger that begins later still ends at today's figure."""
    with connection.cursor() as cursor:
        cursor.execute(CLOSE_STEPS)
        cursor.execute(DELTAS)
        deltas = [delta for (delta,) in cursor.fetchall()]
    online = sum(contacts for _, contacts in counts().values())
    return [max(0, online - later) for later in accumulate(reversed(deltas), initial=0)][-2::-1]


def sip_worker_is_well() -> bool:
    beating = WorkerHeartbeat.objects.filter(seen_at__gt=Now() - HEARTBEAT_GOOD_FOR)
    return beating.exclude(bind=WEB_SOCKETS).exists()


def sip_workers() -> list[WorkerHeartbeat]:
    """Those that are well, of the SIP server and of the web server's WebSockets."""
    return list(WorkerHeartbeat.objects.filter(seen_at__gt=Now() - HEARTBEAT_GOOD_FOR).order_by("started_at"))


def database_now() -> dt.datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: dt.datetime = cursor.fetchone()[0]
    return now


def _annotated(peer: Peer, name: str) -> Any:
    return getattr(peer, name)
