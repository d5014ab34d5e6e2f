"""Reads: which traces are on, and what they brought. Must not write."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, QuerySet

from apps.extensions.models import Peer
from apps.registrar.selectors import database_now
from apps.registrar.trace.messages import MOST_MESSAGES, Direction, Message
from apps.registrar.trace.models import Trace, TracedMessage


@dataclass(frozen=True, slots=True)
class TraceStatus:
    """What to say about a peer's trace at `now`; without started_at there is none."""

    now: dt.datetime
    started_by: str = ""
    started_at: dt.datetime | None = None
    until: dt.datetime | None = None
    message_count: int = 0

    @property
    def is_on(self) -> bool:
        return self.until is not None and self.now < self.until


def trace_statuses(peer_ids: Iterable[UUID]) -> dict[UUID, TraceStatus]:
    """One for each peer, in one query."""
    now = database_now()
    wanted = list(peer_ids)
    traces = Trace.objects.filter(pk__in=wanted).annotate(count=Count("messages"))
    found = {
        trace.pk: TraceStatus(now, trace.started_by, trace.started_at, trace.until, _shown(trace.count))
        for trace in traces
    }
    return {peer_id: found.get(peer_id, TraceStatus(now)) for peer_id in wanted}


def trace_status(peer: Peer) -> TraceStatus:
    return trace_statuses([peer.pk])[peer.pk]


def traced_messages(peer: Peer) -> QuerySet[TracedMessage]:
    """The newest MOST_MESSAGES, oldest first."""
    newest = TracedMessage.objects.filter(trace_id=peer.pk).order_by("-at", "-id")[:MOST_MESSAGES]
    return TracedMessage.objects.filter(pk__in=newest.values("pk")).order_by("at", "id")


def messages_of(peer: Peer) -> list[Message]:
    return [message_of(row) for row in traced_messages(peer)]


def message_of(row: TracedMessage) -> Message:
    return Message(
        at=row.at,
        direction=Direction(row.direction),
        source=row.source,
        destination=row.destination,
        transport=row.transport,
        data=bytes(row.data),
        size=row.size,
        number=row.pk,
    )


def _shown(count: int) -> int:
    """Between two flushes of several workers there may be a few more."""
    return min(count, MOST_MESSAGES)
