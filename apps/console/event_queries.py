"""The ledger, newest first, a page at a time by key: page 1,000 costs what page 1 costs. Must not write."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Q

from apps.extensions.models import Peer
from apps.registrar.models import RegistrationEvent
from apps.registrar.outcomes import END_EVENTS, EventKind
from apps.registrar.overview.listing import extensions_found, peers_found

# In an address -> the word on the page, and the kinds it means ("" all).
EVENT_KINDS: Final[dict[str, tuple[str, frozenset[EventKind]]]] = {
    "": ("All", frozenset()),
    "registered": ("Registered", frozenset({EventKind.REGISTERED, EventKind.MOVED, EventKind.SHORTENED})),
    "refused": ("Refused", frozenset({EventKind.REFUSED, EventKind.UNANSWERED})),
    "ended": ("Ended", frozenset(END_EVENTS.values())),
    "reach": ("Reachability", frozenset({EventKind.UNREACHABLE, EventKind.REACHABLE, EventKind.LATE})),
}
PAGE_SIZE: Final = 50
MOST_NAMED: Final = 50
MOST_PEERS: Final = 500
MOST_LOOKED_AT: Final = 10_000
MOST_WORDS: Final = 5


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event with the names of its peer and extension, where they still exist."""

    event: RegistrationEvent
    peer: Peer | None


@dataclass(frozen=True, slots=True)
class EventPage:
    """named: of how many extensions these are, 0: of all. searches_on: only looked_at events were looked through."""

    lines: Sequence[EventLine]
    older: str
    searches_on: bool = False
    named: int = 0
    looked_at: str = f"{MOST_LOOKED_AT:,}"


def kind_filter(name: str) -> dict[str, object]:
    """What a page needs to draw the filter; a name nobody knows means all."""
    return {
        "event_kind": name if name in EVENT_KINDS else "",
        "event_kinds": [(each, words) for each, (words, _) in EVENT_KINDS.items()],
    }


def kinds_named(name: str) -> frozenset[EventKind]:
    """The kinds a filter means; empty: all, also for a name nobody knows."""
    return EVENT_KINDS.get(name, EVENT_KINDS[""])[1]


def event_page(
    *, search: str, before: str, kinds: frozenset[EventKind] = frozenset(), in_text: bool = False
) -> EventPage:
    """`before` is the `older` of the page before; a wrong one means the newest.

    A search that names few extensions shows all their events; else, or `in_text`, so many of the ledger are looked
    through a page."""
    events = RegistrationEvent.objects.order_by("-at", "-event_id")
    if cursor := _cursor(before):
        at, event_id = cursor
        events = events.filter(Q(at__lt=at) | Q(at=at, event_id__lt=event_id), at__lte=at)
    named = None if in_text else _few_extensions(search)
    last: RegistrationEvent | None = None
    if named:
        events = events.filter(extension_id__in=named)
    elif search or kinds:
        last = next(iter(events.only("at", "event_id")[MOST_LOOKED_AT - 1 : MOST_LOOKED_AT]), None)
    if last is not None:
        events = events.filter(
            Q(at__gt=last.at) | Q(at=last.at, event_id__gte=last.event_id), at__gte=last.at
        )
    if kinds:
        events = events.filter(event__in=kinds)
    for word in [] if named else search.split()[:MOST_WORDS]:
        events = events.filter(_matches(word))
    found = list(events[: PAGE_SIZE + 1])
    end = found[PAGE_SIZE - 1] if len(found) > PAGE_SIZE else last
    return EventPage(
        lines=_lines(found[:PAGE_SIZE]),
        older=_cursor_text(end) if end is not None else "",
        searches_on=len(found) <= PAGE_SIZE and last is not None,
        named=len(named or ()),
    )


def _lines(events: Sequence[RegistrationEvent]) -> list[EventLine]:
    peers = _peers({event.peer_id for event in events if event.peer_id})
    return [EventLine(event, peers.get(event.peer_id) if event.peer_id else None) for event in events]


def _peers(peer_ids: set[UUID]) -> dict[UUID, Peer]:
    return Peer.objects.select_related("extension").in_bulk(list(peer_ids))


def _few_extensions(search: str) -> list[UUID] | None:
    """Whom a search by number or name means; None where that is nobody, or many."""
    found = extensions_found(search)
    return found if found and len(found) <= MOST_NAMED else None


def _matches(word: str) -> Q:
    text = Q(aor__icontains=word) | Q(user_agent__icontains=word) | Q(received_addr__startswith=word)
    peers = peers_found(word)
    return text | Q(peer_id__in=peers) if peers and len(peers) <= MOST_PEERS else text


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
