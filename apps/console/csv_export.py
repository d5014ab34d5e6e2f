"""Registrations as CSV, streamed. A cell that a spreadsheet would take for a formula begins with ' (OWASP)."""

import csv
import datetime as dt
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final
from uuid import UUID

from channels.db import database_sync_to_async

from apps.console.list_query import ListQuery
from apps.console.phone_models import phone_model
from apps.registrar import selectors
from apps.registrar.overview.listing import catch_up
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


async def registrations_csv(query: ListQuery, chosen: Sequence[UUID]) -> AsyncIterator[str]:
    """One line per binding, one for a peer without; in the order of the list, only the chosen ones if any are.

    Read a page at a time, by keys: memory stays the same, and no transaction is open while a slow reader reads.
    """
    yield csv_text([HEADINGS])
    place = ""
    while True:
        text, place = await _chunk(query, chosen, place)
        yield text
        if not place:
            return


def safe_cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([safe_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


@database_sync_to_async
def _chunk(query: ListQuery, chosen: Sequence[UUID], place: str) -> tuple[str, str]:
    """Lines, and the place of the next."""
    if not place:
        catch_up()
    page = selectors.registration_page(
        search=query.search,
        state=query.state,
        order=query.order,
        place=place,
        size=CHUNK,
        only=chosen or None,
    )
    return csv_text(cells for row in page.rows for cells in _lines(row)), page.listed.after


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
