"""Tells every process, by PostgreSQL NOTIFY, which peers changed.

A notice is delivered when the transaction commits, or not at all. Must not carry anything but ids: whoever
hears re-reads the rows.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID

from django.db import connection

DIRECTORY_CHANGED: Final = "directory_changed"
REGISTRATIONS_CHANGED: Final = "registrations_changed"
EVERYTHING: Final = "*"

# A NOTIFY payload must stay under 8,000 bytes; an id is 32 hex digits, two quotes and a comma.
MOST_IDS_PER_NOTICE: Final = 220
MOST_NOTICES: Final = 10


def payloads(peer_ids: Iterable[UUID]) -> Iterator[str]:
    """The ids as payloads under PostgreSQL's limit; past MOST_NOTICES of them one that says everything changed."""
    ids = [peer_id.hex for peer_id in peer_ids]
    if len(ids) > MOST_IDS_PER_NOTICE * MOST_NOTICES:
        yield EVERYTHING
        return
    for start in range(0, len(ids), MOST_IDS_PER_NOTICE):
        yield json.dumps(ids[start : start + MOST_IDS_PER_NOTICE], separators=(",", ":"))


def parse_payload(payload: str) -> frozenset[UUID] | None:
    """The peer ids, or None for "everything"; what cannot be read also means everything."""
    if payload == EVERYTHING:
        return None
    try:
        return frozenset(UUID(hex=peer_id) for peer_id in json.loads(payload))
    except (ValueError, TypeError, AttributeError):
        return None


def notify_directory_changed(peer_ids: Iterable[UUID]) -> None:
    _notify(payloads(peer_ids))


def notify_everything_changed() -> None:
    """For what may concern any peer."""
    _notify([EVERYTHING])


def _notify(texts: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for payload in texts:
            cursor.execute("SELECT pg_notify(%s, %s)", [DIRECTORY_CHANGED, payload])
