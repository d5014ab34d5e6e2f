"""Registrations as CSV, streamed. A cell that a spreadsheet would take for a formula begins with ' (OWASP)."""

import csv
import datetime as dt
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final
from uuid import UUID

from channels.db import database_sync_to_async
from django.db.models import QuerySet

from apps.console.phone_models import phone_model
from apps.extensions.models import Peer
from apps.registrar import selectors
from apps.registrar.selectors import RegistrationRow

CHUNK: Final = 500
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
HEADINGS: Final = (
    "extension",
    "display_name",
    "peer",
    "state",
    "received_addr",
    "received_port",
    "transport",
    "contact",
    "user_agent",
    "phone",
    "registered_at",
    "expires_at",
)


async def registrations_csv(peers: QuerySet[Peer], chosen: Sequence[UUID]) -> AsyncIterator[str]:
    """One line per binding, one for a peer without; in the order of `peers`, only the chosen ones if any are."""
    yield csv_text([HEADINGS])
    peer_ids = await _peer_ids(peers.filter(pk__in=chosen) if chosen else peers)
    for start in range(0, len(peer_ids), CHUNK):
        yield await _chunk(peer_ids[start : start + CHUNK])


def safe_cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([safe_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


@database_sync_to_async
def _peer_ids(peers: QuerySet[Peer]) -> list[UUID]:
    return list(peers.values_list("pk", flat=True))


@database_sync_to_async
def _chunk(peer_ids: list[UUID]) -> str:
    place = {peer_id: index for index, peer_id in enumerate(peer_ids)}
    rows = sorted(selectors.rows_of(peer_ids), key=lambda row: place[row.peer.pk])
    return csv_text(cells for row in rows for cells in _lines(row))


def _lines(row: RegistrationRow) -> list[list[object]]:
    extension, activity = row.peer.extension, row.activity
    start: list[object] = [extension.number, extension.display_name] if extension else ["", ""]
    start += [row.peer.name, row.state.label]
    if not row.bindings:
        user_agent = activity.user_agent if activity else ""
        return [[*start, "", "", "", "", user_agent, phone_model(user_agent), "", ""]]
    return [
        [
            *start,
            binding.received_addr,
            binding.received_port,
            binding.transport,
            binding.contact,
            binding.user_agent,
            phone_model(binding.user_agent),
            _iso(binding.registered_at),
            _iso(binding.expires_at),
        ]
        for binding in row.bindings
    ]


def _iso(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="seconds")
