"""How a phone was over the last day or week: bands of one state each, and the events between them. Pure.

Rests on the ledger and on what is registered now; what happened before the ledger's first row is not known and is not
drawn.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final
from uuid import UUID

from apps.registrar.outcomes import END_EVENTS, EventKind

ENDS: Final = frozenset(END_EVENTS.values())


class BandState(StrEnum):
    """The best there was at a moment, over all contacts."""

    ONLINE = "online"
    LATE = "late"
    UNREACHABLE = "unreachable"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Moment:
    """What the timeline needs of a row of the ledger."""

    event: str
    reason: str
    at: dt.datetime
    last_at: dt.datetime
    binding_id: UUID | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class LiveBinding:
    binding_id: UUID
    registered_at: dt.datetime
    late_at: dt.datetime | None = None
    unreachable_since: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Band:
    state: BandState
    start: dt.datetime
    end: dt.datetime


@dataclass(frozen=True, slots=True)
class _Span:
    """A contact was there from start to end; `spoiled` are the parts in which it was late or unreachable."""

    start: dt.datetime
    end: dt.datetime
    late: tuple[tuple[dt.datetime, dt.datetime], ...] = ()
    unreachable: tuple[tuple[dt.datetime, dt.datetime], ...] = ()

    def state(self, at: dt.datetime) -> BandState:
        if not self.start <= at < self.end:
            return BandState.OFFLINE
        if _covers(self.unreachable, at):
            return BandState.UNREACHABLE
        return BandState.LATE if _covers(self.late, at) else BandState.ONLINE

    def edges(self) -> Iterable[dt.datetime]:
        yield from (self.start, self.end)
        for part in (*self.late, *self.unreachable):
            yield from part


def bands(
    moments: Iterable[Moment], live: Iterable[LiveBinding], start: dt.datetime, now: dt.datetime
) -> list[Band]:
    """From `start` to `now` without a gap, neighbours of different states. `moments` in any order, none before `start`
    needed: a contact that ended within had begun before, if its beginning is not among them."""
    spans = _spans(sorted(moments, key=lambda moment: moment.at), list(live), start, now)
    edges = {start, now} | {edge for span in spans for edge in span.edges() if start < edge < now}
    found: list[Band] = []
    for since, until in pairwise(sorted(edges)):
        state = _best(span.state(since) for span in spans)
        if found and found[-1].state is state:
            found[-1] = Band(state, found[-1].start, until)
        else:
            found.append(Band(state, since, until))
    return found


def _best(states: Iterable[BandState]) -> BandState:
    order = list(BandState)
    return min(states, key=order.index, default=BandState.OFFLINE)


def _spans(
    moments: Sequence[Moment], live: Sequence[LiveBinding], start: dt.datetime, now: dt.datetime
) -> list[_Span]:
    of_binding: dict[UUID, list[Moment]] = {}
    for moment in moments:
        if moment.binding_id is not None:
            of_binding.setdefault(moment.binding_id, []).append(moment)
    living = {binding.binding_id: binding for binding in live}
    return [
        _span(of_binding.get(binding_id, []), living.get(binding_id), start, now)
        for binding_id in {*of_binding, *living}
    ]


def _span(moments: Sequence[Moment], live: LiveBinding | None, start: dt.datetime, now: dt.datetime) -> _Span:
    begins = [moment.at for moment in moments if moment.event == EventKind.REGISTERED]
    ends = [moment.at for moment in moments if moment.event in ENDS]
    begin = live.registered_at if live else min(begins, default=start)
    # Neither live nor ended: its end was not written down yet, so nothing later than its last event is known.
    end = now if live else max(ends, default=max((moment.last_at for moment in moments), default=start))
    late = [(moment.at, moment.last_at) for moment in moments if moment.event == EventKind.LATE]
    if live and live.late_at is not None and live.late_at < now:
        late.append((live.late_at, now))
    return _Span(begin, end, tuple(late), tuple(_unreachable(moments, live, end)))


def _unreachable(
    moments: Sequence[Moment], live: LiveBinding | None, end: dt.datetime
) -> Iterable[tuple[dt.datetime, dt.datetime]]:
    since: dt.datetime | None = None
    for moment in moments:
        if moment.event == EventKind.UNREACHABLE and since is None:
            since = moment.at
        elif moment.event == EventKind.REACHABLE and since is not None:
            yield since, moment.at
            since = None
    if since is None and live is not None:
        since = live.unreachable_since
    if since is not None:
        yield since, end


def _covers(parts: Iterable[tuple[dt.datetime, dt.datetime]], at: dt.datetime) -> bool:
    return any(since <= at < until for since, until in parts)
