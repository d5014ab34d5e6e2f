"""The last day or week of some peers, read for a timeline: three queries however many peers. Must not write."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from apps.diagnosis.timeline import Band, LiveBinding, Moment, bands
from apps.extensions.models import Peer
from apps.registrar.models import Binding, Probe, ProbeState, RegistrationEvent
from apps.registrar.selectors import database_now, live_bindings

SPANS: Final = {"24h": dt.timedelta(hours=24), "7d": dt.timedelta(days=7)}
# A phone in trouble writes a row a minute at most; what is older than these is left out, and said to be.
MOMENTS_READ: Final = 3000


@dataclass(frozen=True, slots=True)
class History:
    """`start` is later than asked for when there was more than could be read."""

    start: dt.datetime
    now: dt.datetime
    bands: Sequence[Band]
    moments: Sequence[Moment]
    is_cut: bool


def history_of(peers: Iterable[Peer], span: dt.timedelta) -> History:
    """All of the peers as one: online while any of them was. `moments` are the oldest first."""
    found = list(peers)
    ids = [peer.pk for peer in found]
    now = database_now()
    start = now - span
    moments = _moments(ids, start)
    is_cut = len(moments) == MOMENTS_READ
    if is_cut:
        start = moments[0].at
    born = min((peer.created_at for peer in found), default=start)
    start = min(max(start, born), now - dt.timedelta(seconds=1))
    return History(start, now, bands(moments, _live(ids), start, now), moments, is_cut)


def _moments(ids: Sequence[UUID], start: dt.datetime) -> list[Moment]:
    rows = RegistrationEvent.objects.filter(peer_id__in=ids, at__gte=start).order_by("-at", "-event_id")
    newest = [
        Moment(row.event, row.reason, row.at, row.last_at, row.binding_id, row.count)
        for row in rows[:MOMENTS_READ]
    ]
    return newest[::-1]


def _live(ids: Sequence[UUID]) -> list[LiveBinding]:
    live: list[Binding] = list(live_bindings().filter(peer_id__in=ids))
    probes = Probe.objects.in_bulk([binding.binding_id for binding in live])
    return [
        LiveBinding(
            binding.binding_id,
            binding.registered_at,
            binding.late_at,
            _unreachable_since(probes.get(binding.binding_id)),
        )
        for binding in live
    ]


def _unreachable_since(probe: Probe | None) -> dt.datetime | None:
    return probe.state_since if probe and probe.state == ProbeState.UNREACHABLE else None
