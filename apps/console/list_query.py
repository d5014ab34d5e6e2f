"""What a list's address says: search, filter, order, place. Whatever cannot be meant is the default."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

from apps.registrar.overview.buckets import ATTENTION
from apps.registrar.overview.orders import DEFAULT_ORDER, LONGEST_PLACE, is_order
from apps.registrar.states import PeerState

PAGE_SIZE: Final = 50
LONGEST_SEARCH: Final = 200
MOST_COUNTED: Final = 10_000
STATES: Final = (ATTENTION, *PeerState.values)


@dataclass(frozen=True, slots=True)
class ListQuery:
    search: str
    state: str
    order: str
    place: str


def list_query(parameters: Mapping[str, str]) -> ListQuery:
    """From ?q=&state=&sort=&page=."""
    state, order = parameters.get("state", ""), parameters.get("sort", "")
    return ListQuery(
        search=search_of(parameters),
        state=state if state in STATES else "",
        order=order if is_order(order) else DEFAULT_ORDER,
        place=place_of(parameters),
    )


def search_of(parameters: Mapping[str, str]) -> str:
    return parameters.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]


def place_of(parameters: Mapping[str, str]) -> str:
    """Where the page begins, as the page before said it; "" for the beginning of the list."""
    text = parameters.get("page", "")
    return text if len(text) <= LONGEST_PLACE and text.isascii() and text.isprintable() else ""


def counted(rows: QuerySet[Any]) -> str:
    """How many there are, in words: no more than MOST_COUNTED are counted."""
    number = rows.order_by()[: MOST_COUNTED + 1].count()
    return f"{MOST_COUNTED:,}+" if number > MOST_COUNTED else str(number)
