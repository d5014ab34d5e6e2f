"""Pages of peers and of extensions: by keys, so that a page reads as many rows as it shows; searched within bounds.

Must not say what a peer's state is: that is read from the truth, for the peers of the page.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.registrar.overview import sql
from apps.registrar.overview.buckets import buckets_of
from apps.registrar.overview.orders import EXTENSION_RUNS, Place, Run, place_of, place_text, runs

# A search that finds more than this looks through the list in its order instead, so many rows a page.
MOST_FOUND: Final = 3_000
MOST_LOOKED_AT: Final = 10_000
# The first rows looked at are often enough.
STEPS: Final = (500, 1_500, 3_000, 5_000)
MOST_WORDS: Final = 5
LONGEST_SEARCH: Final = 200
MOST_CAUGHT_UP: Final = 200

Row = tuple[Any, ...]
# A row with the number of its run.
Numbered = tuple[int, Row]


@dataclass(frozen=True, slots=True)
class ListPage:
    """The keys of its rows. after and before: where the next and the previous page are, "" where there is none. found:
    how many match the search, None where they were not counted. searches_on: only the next looked_at rows were looked
    through."""

    ids: list[UUID]
    after: str = ""
    before: str = ""
    found: int | None = None
    searches_on: bool = False
    looked_at: str = f"{MOST_LOOKED_AT:,}"


def catch_up() -> None:
    """Brings the overview up to date with what is not in it yet, within bounds. Where another is at it for long, it
    stays as it is: a page may be a moment behind, but is not late."""
    _fetch(sql.CATCH_UP, {"most": MOST_CAUGHT_UP, "passing": 0, "rest": "0"})


def counts() -> dict[int, tuple[int, int]]:
    """Of each bucket: peers, live contacts."""
    return {bucket: (peers, contacts) for bucket, peers, contacts in _fetch(sql.COUNTS)}


def list_page(
    *,
    search: str = "",
    state: str = "",
    order: str = "",
    place: str = "",
    size: int,
    only: Iterable[UUID] | None = None,
) -> ListPage:
    """Peers; `only`: of these alone. A place that is none in this list means its beginning."""
    ordered = runs(order, buckets_of(state))
    there = {bucket: peers for bucket, (peers, _) in counts().items() if peers > 0}
    words = _words(search)
    reading = _Reading(sql.PEERS, [_cut(run, there) for run in ordered], words, size)
    if only is not None:
        reading.choose(sql.GIVEN, {"ids": list(only), "most": MOST_FOUND + 1})
    else:
        reading.search()
    return reading.page(place_of(place, ordered))


def extension_list_page(*, search: str, place: str, size: int) -> ListPage:
    """Extensions, shorter numbers first."""
    reading = _Reading(sql.EXTENSIONS, EXTENSION_RUNS, _words(search), size)
    reading.search()
    return reading.page(place_of(place, EXTENSION_RUNS))


def peers_found(search: str) -> list[UUID] | None:
    """The peers whose text has all words of a search; None where there are too many, or the words are too short."""
    return _found(sql.PEERS, _words(search))


def extensions_found(search: str) -> list[UUID] | None:
    """As peers_found(): extensions by number, display name and the names of their devices."""
    return _found(sql.EXTENSIONS, _words(search))


def peers_in(state: str) -> list[UUID] | None:
    """The peers in a state, by the overview; None where there are too many to name."""
    wanted = buckets_of(state)
    peers = counts()
    if sum(peers.get(bucket, (0, 0))[0] for bucket in wanted) > MOST_FOUND:
        return None
    return [row[0] for row in _fetch(sql.IN_BUCKETS, {"buckets": list(wanted), "most": MOST_FOUND})]


def _words(search: str) -> list[str]:
    return search[:LONGEST_SEARCH].replace("\0", "").split()[:MOST_WORDS]


def _found(source: sql.Source, words: Sequence[str]) -> list[UUID] | None:
    if not _are_indexed(words):
        return None
    found = [row[0] for row in _fetch(sql.found(source, words), _search_params(words))]
    return None if None in found or len(found) > MOST_FOUND else found


def _are_indexed(words: Sequence[str]) -> bool:
    return any(len(word) >= sql.GRAM for word in words)


def _search_params(words: Sequence[str]) -> dict[str, Any]:
    return {**_word_params(words), "longest": max(words, key=len), "most": MOST_FOUND + 1}


def _word_params(words: Sequence[str]) -> dict[str, Any]:
    return {f"word{n}": word for n, word in enumerate(words)}


def _cut(run: Run, there: Container[int]) -> Run:
    """Without the buckets that are empty: their look-ups are saved."""
    return replace(run, buckets=tuple(bucket for bucket in run.buckets if bucket in there))


def _fetch(statement: str, params: dict[str, Any] | None = None) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows: list[Row] = cursor.fetchall()
    return rows


@dataclass(slots=True)
class _Reading:
    """What is being read: the rows of `order` that are chosen or, if none are, match the words; size + 1 of them.

    chosen: by column."""

    source: sql.Source
    order: list[Run]
    words: list[str]
    size: int
    chosen: list[dict[str, Any]] | None = None
    rows: list[Numbered] = field(default_factory=list)
    left: int = MOST_LOOKED_AT
    stopped_at: Numbered | None = None

    def search(self) -> None:
        """Chooses what has the words, if an index tells; not where that is too much."""
        if _are_indexed(self.words):
            self.choose(sql.found(self.source, self.words), _search_params(self.words))
            if {} in (self.chosen or ()):
                self.chosen = None

    def choose(self, keys: str, params: dict[str, Any]) -> None:
        if not self.order:
            self.chosen = []
            return
        columns = list(dict.fromkeys(column for run in self.order for column in sql.columns_of(run)))
        statement = sql.placed(self.source, keys, columns, self.order[0].key)
        rows = _fetch(statement, params)
        self.chosen = [dict(zip(columns, row, strict=True)) if row[0] is not None else {} for row in rows]

    def page(self, start: Place | None) -> ListPage:
        back = start is not None and start.back
        for number in self._numbers(start):
            run = self.order[number].backwards() if back else self.order[number]
            if run.buckets:
                self._read(number, run, start.values if start is not None and start.run == number else None)
            if self._is_done:
                break
        shown = self.rows[: self.size]
        beyond = shown[-1] if shown and len(self.rows) > self.size else self.stopped_at
        onwards = self._place_text(beyond, back=back)
        returning = self._place_text(shown[0], back=not back) if start and shown else ""
        ids = [row[0] for _, row in shown]
        return ListPage(
            ids=ids[::-1] if back else ids,
            after=returning if back else onwards,
            before=onwards if back else returning,
            found=self._found if start or onwards or not self.words else len(ids),
            searches_on=self.stopped_at is not None,
        )

    def _numbers(self, start: Place | None) -> Sequence[int]:
        if start is None:
            return range(len(self.order))
        return range(start.run, -1, -1) if start.back else range(start.run, len(self.order))

    @property
    def _wanted(self) -> int:
        return self.size + 1 - len(self.rows)

    @property
    def _is_done(self) -> bool:
        return self._wanted <= 0 or self.stopped_at is not None

    def _read(self, number: int, run: Run, after: Row | None) -> None:
        if self.chosen is not None:
            self._read_chosen(number, run, after, self.chosen)
        elif self.words:
            self._walk(number, run, after)
        else:
            statement = sql.window(self.source, run, beyond=after is not None)
            found = _fetch(statement, {"limit": self._wanted, **_params(run, after)})
            self.rows += [(number, row) for row in found]

    @property
    def _found(self) -> int | None:
        if self.chosen is None or not self.words:
            return None
        listed = {bucket for run in self.order for bucket in run.buckets}
        return sum(row.get("bucket") in listed for row in self.chosen)

    def _read_chosen(self, number: int, run: Run, after: Row | None, chosen: list[dict[str, Any]]) -> None:
        """As the database would: code points, addresses by family."""
        rows = [row for row in chosen if row and run.has(row)]
        rows.sort(key=run.sort_key, reverse=run.descending)
        if after is not None:
            place = run.sort_key(dict(zip(run.columns, after, strict=True)))
            rows = [
                row
                for row in rows
                if (run.sort_key(row) < place if run.descending else run.sort_key(row) > place)
            ]
        columns = sql.columns_of(run)
        self.rows += [(number, tuple(row[column] for column in columns)) for row in rows[: self._wanted]]

    def _walk(self, number: int, run: Run, after: Row | None) -> None:
        """Rows that match, until enough are found or enough are looked at."""
        for step in STEPS:
            limit = min(step, self.left)
            statement = sql.walk(self.source, run, beyond=after is not None, words=len(self.words))
            params = {"limit": limit, **_params(run, after), **_word_params(self.words)}
            found = _fetch(statement, params)
            self.rows += [(number, row) for row in found if row[-3]][: self._wanted]
            seen = found[-1][-1] if found else 0
            self.left -= seen
            if self._wanted <= 0 or seen < limit:
                return
            after = _values(run, found[-1])
            if self.left <= 0:
                self.stopped_at = (number, found[-1])
                return

    def _place_text(self, at: Numbered | None, *, back: bool) -> str:
        if at is None:
            return ""
        number, row = at
        return place_text(Place(number, _values(self.order[number], row), back))


def _params(run: Run, after: Row | None) -> dict[str, Any]:
    return dict(zip(run.columns, after, strict=True)) if after is not None else {}


def _values(run: Run, row: Row) -> Row:
    """Of the run's own columns."""
    values = dict(zip(sql.columns_of(run), row, strict=False))
    return tuple(values[column] for column in run.columns)
