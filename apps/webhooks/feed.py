"""The feed: brings what is new in the ledger into one order, and reads it from a cursor on.

Any process may bring it up to date; an advisory lock makes it one at a time. Must not know who is told.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction

from apps.webhooks import sql

REST: Final = "0.3 seconds"
FORGOTTEN_AT_ONCE: Final = 10_000
LOOKED_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events somebody wants: no types are all, an empty name is any."""

    types: tuple[str, ...] = ()
    domain: str = ""
    extension: str = ""

    def wants(self, event: dict[str, Any]) -> bool:
        return (
            (not self.types or event["type"] in self.types)
            and self.domain in ("", event["domain"])
            and self.extension in ("", event["extension"])
        )


@dataclass(frozen=True, slots=True)
class Read:
    """Events in order, and the cursor of the last one looked at, wanted or not."""

    events: list[dict[str, Any]]
    cursor: int


def feed_update(rest: str | None = None) -> None:
    """What was committed until now is in the feed afterwards, unless another process has just done so or is at it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.TRY_LOCK)
        if cursor.fetchone() != (True,):
            return
        cursor.execute(sql.FIRST)
        cursor.execute(sql.PROGRESS, {"rest": REST if rest is None else rest})
        begun, under_way, is_due, is_restored = cursor.fetchone()
        if is_restored:
            cursor.execute(sql.RECOUNT)
        elif is_due:
            cursor.execute(sql.FEED, {"begun": begun, "under_way": under_way})


def last_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql.LAST_ID)
        found: int = cursor.fetchone()[0]
    return found


def read(wanted: Wanted, after: int, until: int | None = None, most: int = LOOKED_AT_ONCE) -> Read:
    """What is wanted of the next `most` events after the cursor, up to `until`."""
    params: dict[str, Any] = {
        "types": list(wanted.types),
        "domain": wanted.domain,
        "extension": wanted.extension,
        "after": after,
        "until": 2**63 - 1 if until is None else until,
        "most": most,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql.READ, params)
        rows: Sequence[Any] = cursor.fetchall()
    return Read([_shown(event) for _, event in rows if event is not None], rows[-1][0] if rows else after)


def cursor_before(at: dt.datetime) -> int:
    """The cursor of the last event before a time."""
    with connection.cursor() as cursor:
        cursor.execute(sql.BEFORE, {"at": at})
        found: int | None = cursor.fetchone()[0]
    return last_id() if found is None else found


def forget_old() -> None:
    """What is older than a week, some at a time."""
    with connection.cursor() as cursor:
        cursor.execute(sql.FORGET, {"most": FORGOTTEN_AT_ONCE})


def _shown(text: str) -> dict[str, Any]:
    """What JSON says, in an order that people can read."""
    event: dict[str, Any] = json.loads(text)
    return {name: event.pop(name) for name in ("id", "type", "at")} | event
