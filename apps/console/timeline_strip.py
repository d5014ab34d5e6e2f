"""A timeline as a strip: bands and marks in, places in a picture out. Pure.

Marks that would stand on one another are one mark that says all of theirs.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from apps.console import event_words
from apps.diagnosis.timeline import Band, Moment
from apps.registrar.outcomes import EventKind

WIDTH: Final = 1000
HEIGHT: Final = 28
MARK_WIDTH: Final = 8
SAID_PER_MARK: Final = 4
# Bands tell these.
_NO_MARKS: Final = frozenset({EventKind.LATE, EventKind.REACHABLE, EventKind.UNREACHABLE})
# The worse of several in one place gives the mark its look.
_WORST_FIRST: Final = ("refused", "unanswered", "ended", "moved", "registered")
_LOOKS: Final[dict[str, str]] = {
    EventKind.REFUSED: "refused",
    EventKind.UNANSWERED: "unanswered",
    EventKind.REGISTERED: "registered",
    EventKind.MOVED: "moved",
    EventKind.SHORTENED: "moved",
}


@dataclass(frozen=True, slots=True)
class StripBand:
    state: str
    x: str
    width: str
    start: dt.datetime
    end: dt.datetime

    @property
    def length(self) -> dt.timedelta:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class StripMark:
    """`lines`: what happened there, each with its time; `more` further things are not listed."""

    x: str
    look: str
    lines: Sequence[tuple[dt.datetime, str]]
    more: int


@dataclass(frozen=True, slots=True)
class Strip:
    bands: Sequence[StripBand]
    marks: Sequence[StripMark]
    ticks: Sequence[dt.datetime]
    width: int = WIDTH
    height: int = HEIGHT


def strip(bands: Sequence[Band], moments: Iterable[Moment], start: dt.datetime, now: dt.datetime) -> Strip:
    """`ticks` are five points in time at equal distances, from start to now."""
    length = now - start
    scale = WIDTH / length.total_seconds()

    def place(at: dt.datetime) -> float:
        return min(WIDTH, max(0.0, (at - start).total_seconds() * scale))

    return Strip(
        bands=[
            StripBand(
                band.state.value,
                f"{place(band.start):.1f}",
                f"{max(0.8, place(band.end) - place(band.start)):.1f}",
                band.start,
                band.end,
            )
            for band in bands
        ],
        marks=_marks((place(moment.at), moment) for moment in moments if moment.event not in _NO_MARKS),
        ticks=[start + length * quarter / 4 for quarter in range(5)],
    )


def _marks(placed: Iterable[tuple[float, Moment]]) -> list[StripMark]:
    columns: dict[int, list[Moment]] = {}
    for x, moment in placed:
        columns.setdefault(min(int(x) // MARK_WIDTH, WIDTH // MARK_WIDTH - 1), []).append(moment)
    return [_mark(column, columns[column]) for column in sorted(columns)]


def _mark(column: int, moments: Sequence[Moment]) -> StripMark:
    looks = {_LOOKS.get(moment.event, "ended") for moment in moments}
    counted: dict[str, list[Moment]] = {}
    for moment in moments:
        counted.setdefault(event_words.words(moment.event, moment.reason), []).append(moment)
    lines = [(same[-1].last_at, _line(words, same)) for words, same in counted.items()]
    return StripMark(
        x=f"{(column + 0.5) * MARK_WIDTH:.1f}",
        look=min(looks, key=_WORST_FIRST.index),
        lines=lines[:SAID_PER_MARK],
        more=max(0, len(lines) - SAID_PER_MARK),
    )


def _line(words: str, same: Sequence[Moment]) -> str:
    count = sum(moment.count for moment in same)
    return f"{words} × {count}" if count > 1 else words  # noqa: RUF001 - as the ledger writes it
