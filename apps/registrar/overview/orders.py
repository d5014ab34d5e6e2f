"""Orders of the overview, as runs of rows that an index has in order; and a place in them as text. Pure.

A run is one WHERE and one ORDER BY. A list is its runs one after the other; that makes "attention first" and "unknown
last" a matter of index look-ups, in both directions.
"""

import base64
import binascii
import datetime as dt
import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from apps.registrar.overview.buckets import is_live, rank_of

BY_NUMBER: Final = ("number_length", "number", "name", "peer_id")
LONGEST_PLACE: Final = 600

# Public name of an order; a leading "-" turns it round.
ORDERS: Final = ("attention", "state", "extension", "peer", "address", "registered", "expires")
DEFAULT_ORDER: Final = "attention"


@dataclass(frozen=True, slots=True)
class Run:
    """Rows of these buckets, by `columns`, the last of which is unique. has_address: only those with, or without."""

    buckets: tuple[int, ...]
    columns: tuple[str, ...]
    descending: bool = False
    has_address: bool | None = None

    @property
    def key(self) -> str:
        return self.columns[-1]

    def has(self, row: Mapping[str, Any]) -> bool:
        known = self.has_address is None or (row["received_addr"] is not None) == self.has_address
        return known and row["bucket"] in self.buckets

    def sort_key(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """Orders rows as the database does: text by code point, addresses by family."""
        return tuple(
            _address_key(row[each]) if each == "received_addr" else row[each] for each in self.columns
        )

    def backwards(self) -> "Run":
        return replace(self, descending=not self.descending)


@dataclass(frozen=True, slots=True)
class Place:
    """Just after the row with these values in the run of this number; or, going back, just before it."""

    run: int
    values: tuple[Any, ...]
    back: bool = False


def is_order(name: str) -> bool:
    return name.removeprefix("-") in ORDERS


def runs(order: str, buckets: Sequence[int]) -> list[Run]:
    """An order nobody knows means the default."""
    name, descending = order.removeprefix("-"), order.startswith("-")
    every = tuple(buckets)
    live = tuple(bucket for bucket in every if is_live(bucket))
    rest = tuple(bucket for bucket in every if not is_live(bucket))
    match name:
        case "extension":
            found = [Run(every, BY_NUMBER, descending)]
        case "peer":
            found = [Run(every, ("name", "peer_id"), descending)]
        case "address":
            known = Run(every, ("received_addr", *BY_NUMBER), descending, has_address=True)
            found = [known, Run(every, BY_NUMBER, descending, has_address=False)]
        case "registered" | "expires":
            column = "online_since" if name == "registered" else "first_expires_at"
            found = [Run(live, (column, "peer_id"), descending), Run(rest, BY_NUMBER, descending)]
        case _:
            found = _by_rank(every, descending)
    return [run for run in found if run.buckets]


def _by_rank(buckets: tuple[int, ...], descending: bool) -> list[Run]:
    ordered = sorted(buckets, key=rank_of, reverse=descending)
    return [Run(tuple(same), BY_NUMBER) for _, same in groupby(ordered, key=rank_of)]


# Of the Extensions page.
EXTENSION_RUNS: Final = [Run((0,), ("number_length", "number", "extension_id"))]


def place_text(place: Place) -> str:
    content = [int(place.back), place.run, *map(_plain, place.values)]
    return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")


def place_of(text: str, order: Sequence[Run]) -> Place | None:
    """None for what is no place in these runs: whoever makes one up may put anything in it."""
    if not text or len(text) > LONGEST_PLACE:
        return None
    try:
        content = json.loads(base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)))
        back, number, *values = content
        run = order[number] if type(number) is int and number >= 0 else None
        if run is None:
            return None
        read = tuple(_READ[column](value) for column, value in zip(run.columns, values, strict=True))
        return Place(number, read, bool(back))
    except (ValueError, TypeError, IndexError, RecursionError, binascii.Error):
        return None


def _address_key(text: str) -> tuple[int, int]:
    address = ipaddress.ip_address(text)
    return address.version, int(address)


def _plain(value: Any) -> Any:
    return (
        value
        if isinstance(value, int)
        else value.isoformat()
        if isinstance(value, dt.datetime)
        else str(value)
    )


def _small(value: Any) -> int:
    if type(value) is not int or abs(value) >= 2**15:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError
    return value


def _moment(value: Any) -> dt.datetime:
    moment = dt.datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError
    return moment


_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "number_length": _small,
    "number": _text,
    "name": _text,
    "peer_id": lambda value: UUID(_text(value)),
    "extension_id": lambda value: UUID(_text(value)),
    "received_addr": lambda value: str(ipaddress.ip_address(_text(value))),
    "online_since": _moment,
    "first_expires_at": _moment,
}
