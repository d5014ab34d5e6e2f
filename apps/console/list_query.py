"""What a list's address says: search, filter, order, page. Whatever cannot be meant is the default."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from apps.registrar.selectors import ORDERS
from apps.registrar.states import PeerState

PAGE_SIZE: Final = 50
LONGEST_SEARCH: Final = 200
STATES: Final = ("attention", *PeerState.values)


@dataclass(frozen=True, slots=True)
class ListQuery:
    search: str
    state: str
    order: str


def list_query(parameters: Mapping[str, str]) -> ListQuery:
    """From ?q=&state=&sort=."""
    state, order = parameters.get("state", ""), parameters.get("sort", "")
    return ListQuery(
        search=search_of(parameters),
        state=state if state in STATES else "",
        order=order if order.removeprefix("-") in ORDERS else "attention",
    )


def search_of(parameters: Mapping[str, str]) -> str:
    return parameters.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]
