"""How registrations with carriers stand, for pages and the API. Must not write, and never gives a password away."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

from apps.extensions.models import Peer, PeerKind
from apps.registrar.selectors import database_now
from apps.trunks.models import TrunkProbe, TrunkRegistration, TrunkRegistrationState
from apps.trunks.status import TrunkStatus, status_of
from apps.trunks.uplink.values import UplinkReason, UplinkState, via_transport
from apps.trunks.uplink.words import STATES, sentence


@dataclass(frozen=True, slots=True)
class UplinkView:
    """A trunk's registration and its probes, as they stand now.

    registration None: the carrier wants none. standing None: nobody has taken it up yet, or not since it was changed.
    """

    trunk: Peer
    now: dt.datetime
    registration: TrunkRegistration | None
    standing: TrunkRegistrationState | None
    probes: tuple[TrunkProbe, ...]

    @property
    def state(self) -> UplinkState:
        return UplinkState(self.standing.state) if self.standing else UplinkState.UNREGISTERED

    @property
    def words(self) -> str:
        if self.registration is not None and self.standing is None and self.is_on:
            return "Waiting for the call process"
        return STATES[self.state] if self.is_on else "Switched off"

    @property
    def is_on(self) -> bool:
        return self.registration is not None and self.registration.enabled and self.trunk.enabled

    @property
    def reason(self) -> UplinkReason:
        return UplinkReason(self.standing.reason) if self.standing else UplinkReason.NONE

    @property
    def sentence(self) -> str:
        """Why, and what to do; empty where nothing is wrong."""
        if self.standing is None or self.registration is None:
            return ""
        return sentence(
            self.reason,
            status=self.standing.status,
            phrase=self.standing.phrase,
            server=self.standing.server,
            name=self.registration.outbound_proxy or self.registration.registrar,
            over=via_transport(self.registration.trunk.trunk_settings.transport),
        )

    @property
    def registered_until(self) -> dt.datetime | None:
        """None if the carrier does not have our contact any more."""
        until = self.standing.registered_until if self.standing else None
        return until if until is not None and until > self.now else None

    @property
    def version(self) -> str:
        """8 hex digits over what a page shows of it; a time that only runs on is no change."""
        standing, registration = self.standing, self.registration
        facts: list[object] = [self.words, self.trunk.enabled, self.registered_until is None]
        if registration is not None:
            facts.append(registration.version)
        if standing is not None:
            facts += [
                standing.reason,
                standing.status,
                standing.server,
                standing.since,
                standing.registered_until,
            ]
            facts.append(standing.next_attempt_at)
        facts += [(probe.pk, probe.state, round(probe.rtt_avg_ms or 0)) for probe in self.probes]
        return blake2b(repr(facts).encode(), digest_size=4).hexdigest()


def uplink_state(trunk: Peer) -> UplinkView:
    """Of one trunk: three queries at most."""
    return uplink_states([trunk])[trunk.pk]


def uplink_states(trunks: Collection[Peer]) -> dict[UUID, UplinkView]:
    now = database_now()
    registrations = TrunkRegistration.objects.filter(trunk__in=trunks).select_related(
        "standing", "trunk__trunk_settings"
    )
    found = {one.trunk_id: one for one in registrations}
    probes: dict[UUID, list[TrunkProbe]] = {trunk.pk: [] for trunk in trunks}
    for probe in TrunkProbe.objects.filter(trunk__in=trunks):
        probes[probe.trunk_id].append(probe)
    return {
        trunk.pk: UplinkView(
            trunk, now, found.get(trunk.pk), _standing(found.get(trunk.pk)), tuple(probes[trunk.pk])
        )
        for trunk in trunks
    }


def page_version(status: TrunkStatus, uplink: UplinkView) -> str:
    """What a trunk's page shows by itself, in one."""
    return f"{status.version}{uplink.version}"


def page_versions(trunk_ids: Collection[UUID]) -> dict[UUID, str]:
    """Of those ids that are trunks: some ten queries each, so ask for those that somebody looks at."""
    if not trunk_ids:
        return {}
    found = Peer.objects.filter(pk__in=trunk_ids, kind=PeerKind.TRUNK).select_related("trunk_settings")
    trunks = list(found.prefetch_related("trusted_addresses", "trusted_hosts"))
    uplinks = uplink_states(trunks)
    return {trunk.pk: page_version(status_of(trunk), uplinks[trunk.pk]) for trunk in trunks}


def _standing(registration: TrunkRegistration | None) -> TrunkRegistrationState | None:
    """Not of what was asked for before the last change."""
    standing = getattr(registration, "standing", None)
    if registration is None or not isinstance(standing, TrunkRegistrationState):
        return None
    return standing if standing.version == registration.version else None
