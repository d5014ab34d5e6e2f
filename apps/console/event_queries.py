"""The ledger, newest first, a page at a time by key: page 1,000 costs what page 1 costs. Must not write."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.extensions.models import Extension, Peer
from apps.registrar.models import RegistrationEvent
from apps.registrar.outcomes import END_EVENTS, EventKind

# In an address -> the word on the page, and the kinds it means ("" all).
EVENT_KINDS: Final[dict[str, tuple[str, frozenset[EventKind]]]] = {
    "": ("All", frozenset()),
    "registered": ("Registered", frozenset({EventKind.REGISTERED, EventKind.MOVED, EventKind.SHORTENED})),
    "refused": ("Refused", frozenset({EventKind.REFUSED, EventKind.UNANSWERED})),
    "ended": ("Ended", frozenset(END_EVENTS.values())),
    "reach": ("Reachability", frozenset({EventKind.UNREACHABLE, EventKind.REACHABLE, EventKind.LATE})),
}
PAGE_SIZE: Final = 50
MOST_NAMED: Final = 500


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event with the names of its peer and extension, where they still exist."""

    event: RegistrationEvent
    peer: Peer | None


@dataclass(frozen=True, slots=True)
class EventPage:
    lines: Sequence[EventLine]
    older: str


def kind_filter(name: str) -> dict[str, object]:
    """What a page needs to draw the filter; a name nobody knows means all."""
    return {
        "event_kind": name if name in EVENT_KINDS else "",
        "event_kinds": [(each, words) for each, (words, _) in EVENT_KINDS.items()],
    }


def kinds_named(name: str) -> frozenset[EventKind]:
    """The kinds a filter means; empty: all, also for a name nobody knows."""
    return EVENT_KINDS.get(name, EVENT_KINDS[""])[1]


def event_page(*, search: str, before: str, kinds: frozenset[EventKind] = frozenset()) -> EventPage:
    """`before` is the `older` of the page before; a wrong one means the newest."""
    events = RegistrationEvent.objects.order_by("-at", "-event_id")
    if kinds:
        events = events.filter(event__in=kinds)
    for word in search.split()[:5]:
        events = events.filter(_matches(word))
    if cursor := _cursor(before):
        at, event_id = cursor
        events = events.filter(Q(at__lt=at) | Q(at=at, event_id__lt=event_id), at__lte=at)
    found = list(events[: PAGE_SIZE + 1])
    older = _cursor_text(found[PAGE_SIZE - 1]) if len(found) > PAGE_SIZE else ""
    return EventPage(lines=_lines(found[:PAGE_SIZE]), older=older)


def _lines(events: Sequence[RegistrationEvent]) -> list[EventLine]:
    peers = _peers({event.peer_id for event in events if event.peer_id})
    return [EventLine(event, peers.get(event.peer_id) if event.peer_id else None) for event in events]


def _peers(peer_ids: set[UUID]) -> dict[UUID, Peer]:
    return Peer.objects.select_related("extension").in_bulk(list(peer_ids))


def _matches(word: str) -> Q:
    text = Q(aor__icontains=word) | Q(user_agent__icontains=word) | Q(received_addr__startswith=word)
    return text | Q(peer_id__in=_named_peers(word)) | Q(extension_id__in=_named_extensions(word))


def _named_peers(word: str) -> QuerySet[Peer, UUID]:
    return Peer.objects.filter(name__icontains=word).values_list("pk", flat=True)[:MOST_NAMED]


def _named_extensions(word: str) -> QuerySet[Extension, UUID]:
    named = Q(number__icontains=word) | Q(display_name__icontains=word)
    return Extension.objects.filter(named).values_list("pk", flat=True)[:MOST_NAMED]


def _cursor(text: str) -> tuple[dt.datetime, int] | None:
    at, _, event_id = text.partition("~")
    try:
        moment = dt.datetime.fromisoformat(at)
        number = int(event_id)
    except ValueError:
        return None
    return (moment, number) if moment.tzinfo and abs(number) < 2**63 else None


def _cursor_text(event: RegistrationEvent) -> str:
    return f"{event.at.isoformat()}~{event.event_id}"
