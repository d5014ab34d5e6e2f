"""Pages of peers out of the overview: by keys, so that a page reads as many rows as it shows; searched within bounds.

Must not say what a peer's state is: that is read from the truth, for the peers of the page.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.utils import OperationalError

from apps.registrar.overview import sql
from apps.registrar.overview.buckets import buckets_of
from apps.registrar.overview.orders import Place, Run, place_of, place_text, runs

# A search that finds more than this looks through the list in its order instead, so many rows a page.
MOST_FOUND: Final = 5_000
MOST_LOOKED_AT: Final = 10_000
MOST_WORDS: Final = 5
MOST_CAUGHT_UP: Final = 200

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ListPage:
    """after and before: where the next and the previous page are, "" where there is none. found: how many match the
    search, None where they were not counted. searches_on: only the next looked_at rows were looked through."""

    peer_ids: list[UUID]
    after: str = ""
    before: str = ""
    found: int | None = None
    searches_on: bool = False
    looked_at: int = MOST_LOOKED_AT


@dataclass(slots=True)
class _Reading:
    """What is being read: rows of `order` beyond `place`, each with the number of its run."""

    order: list[Run]
    words: list[str]
    wanted: int
    rows: list[tuple[int, Row]] = field(default_factory=list)
    left: int = MOST_LOOKED_AT
    stopped_at: tuple[int, Row] | None = None


def words_of(search: str) -> list[str]:
    return search.split()[:MOST_WORDS]


def catch_up() -> None:
    """Brings the overview up to date with what is not in it yet, within bounds. Where another is at it for long, it
    stays as it is: a page may be a moment behind, but is not late."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql.WAIT_BRIEFLY)
            cursor.execute(sql.CATCH_UP, {"most": MOST_CAUGHT_UP, "passing": 0, "rest": "0"})
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":
            raise


def counts() -> dict[int, tuple[int, int]]:
    """Of each bucket: peers, live contacts."""
    with connection.cursor() as cursor:
        cursor.execute(sql.COUNTS)
        return {bucket: (peers, contacts) for bucket, peers, contacts in cursor.fetchall()}


def list_page(
    *,
    search: str = "",
    state: str = "",
    order: str = "",
    place: str = "",
    size: int,
    only: Iterable[UUID] | None = None,
) -> ListPage:
    """`only`: of these peers alone. A place that is none in this list means its beginning."""
    words, ordered = words_of(search), runs(order, buckets_of(state))
    start = place_of(place, ordered)
    there = {
        bucket: peers for bucket, (peers, _) in counts().items() if peers > 0 and bucket in buckets_of(state)
    }
    chosen = _chosen(words, sum(there.values()), only)
    if chosen is not None:
        chosen = {peer_id: bucket for peer_id, bucket in chosen.items() if bucket in there}
    reading = _Reading([_cut(run, there) for run in ordered], words, size + 1)
    _read(reading, start, chosen)
    return _page(reading, start, size, None if chosen is None or not words else len(chosen))


def _chosen(words: Sequence[str], peers: int, only: Iterable[UUID] | None) -> dict[UUID, int] | None:
    """The peers that may be on the list, with their bucket; None where the list is to be looked through."""
    if only is not None:
        return _rows_of(sql.BUCKETS, {"ids": list(only)})
    if not any(len(word) >= sql.GRAM for word in words) or peers <= MOST_FOUND:
        return None
    found = _rows_of(sql.found(words), {**_word_params(words), "most": MOST_FOUND + 1})
    return found if len(found) <= MOST_FOUND else None


def _word_params(words: Sequence[str]) -> dict[str, Any]:
    return {f"word{n}": word for n, word in enumerate(words)}


def _rows_of(statement: str, params: dict[str, Any]) -> dict[UUID, int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return dict(cursor.fetchall())


def _cut(run: Run, there: Container[int]) -> Run:
    """Without the buckets that are empty: their look-ups are saved."""
    return replace(run, buckets=tuple(bucket for bucket in run.buckets if bucket in there))


def _read(reading: _Reading, start: Place | None, chosen: dict[UUID, int] | None) -> None:
    back = start is not None and start.back
    numbers = list(range(len(reading.order)))
    if start is not None:
        numbers = numbers[: start.run + 1][::-1] if back else numbers[start.run :]
    for number in numbers:
        run = reading.order[number].backwards() if back else reading.order[number]
        if not run.buckets:
            continue
        place = start if start is not None and start.run == number else None
        if chosen is not None:
            _read_chosen(reading, number, run, place, chosen)
        elif reading.words:
            _walk(reading, number, run, place)
        else:
            _read_window(reading, number, run, place)
        if reading.stopped_at or len(reading.rows) >= reading.wanted:
            return


def _read_window(reading: _Reading, number: int, run: Run, place: Place | None) -> None:
    params = {"limit": reading.wanted - len(reading.rows), **_params(run, place)}
    reading.rows += _fetch(number, sql.window(run, beyond=place is not None), params)


def _read_chosen(
    reading: _Reading, number: int, run: Run, place: Place | None, chosen: dict[UUID, int]
) -> None:
    ids = [peer_id for peer_id, bucket in chosen.items() if bucket in run.buckets]
    if ids:
        params = {"limit": reading.wanted - len(reading.rows), "ids": ids, "buckets": list(run.buckets)}
        statement = sql.chosen(run, beyond=place is not None)
        reading.rows += _fetch(number, statement, params | _params(run, place))


def _walk(reading: _Reading, number: int, run: Run, place: Place | None) -> None:
    """Rows that match, until enough are found or enough are looked at."""
    params = {"limit": reading.left, **_params(run, place)}
    params |= _word_params(reading.words)
    found = _fetch(number, sql.walk(run, beyond=place is not None, words=len(reading.words)), params)
    matching = [(number, row) for number, row in found if row[-3]]
    reading.rows += matching[: reading.wanted - len(reading.rows)]
    if not found:
        return
    last = found[-1]
    reading.left -= last[1][-1]
    if reading.left <= 0 and len(reading.rows) < reading.wanted:
        reading.stopped_at = last


def _fetch(number: int, statement: str, params: dict[str, Any]) -> list[tuple[int, Row]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return [(number, row) for row in cursor.fetchall()]


def _params(run: Run, place: Place | None) -> dict[str, Any]:
    return dict(zip(run.columns, place.values, strict=True)) if place is not None else {}


def _page(reading: _Reading, start: Place | None, size: int, found: int | None) -> ListPage:
    back = start is not None and start.back
    more = len(reading.rows) > size
    shown = reading.rows[:size][::-1] if back else reading.rows[:size]
    beyond = shown[0 if back else -1] if more else reading.stopped_at
    onwards = _place_text(reading.order, beyond, back=back)
    returning = _place_text(reading.order, shown[-1 if back else 0], back=not back) if start and shown else ""
    return ListPage(
        peer_ids=[row[0] for _, row in shown],
        after=returning if back else onwards,
        before=onwards if back else returning,
        found=found,
        searches_on=reading.stopped_at is not None,
    )


def _place_text(order: list[Run], at: tuple[int, Row] | None, *, back: bool) -> str:
    if at is None:
        return ""
    number, row = at
    values = dict(zip(sql.columns_of(order[number]), row, strict=False))
    return place_text(Place(number, tuple(values[column] for column in order[number].columns), back))
