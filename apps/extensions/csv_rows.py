"""Reads the extensions of a CSV file: bytes -> rows, with every fault named by its line and field.

Pure: no database. Must not hold more than the file itself, whatever is in it: size, rows, line and cell lengths are
limited before anything is split. Each line is one row (no field of ours can hold a line break), so an unbalanced quote
is reported where it stands and not at the end of the file.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

COLUMNS: Final = ("extension", "display_name", "username", "password", "domain", "enabled")
MAX_BYTES: Final = 20_000_000
MAX_ROWS: Final = 50_000
MAX_LINE: Final = 4_000
MAX_CELL: Final = 256
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
YES: Final = frozenset({"", "true", "yes", "1", "on"})
NO: Final = frozenset({"false", "no", "0", "off"})


@dataclass(frozen=True, slots=True)
class RowFault:
    """One thing to correct. line counts from 1, the header's; field is a column's name or "" for the whole line."""

    line: int
    field: str
    problem: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.field + ': ' if self.field else ''}{self.problem}"


class UnreadableFile(ValueError):  # noqa: N818 - it is the file that is at fault
    """The file as a whole cannot be read; the text says why, with a line where there is one."""


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One line's cells without surrounding spaces; empty cells are ""."""

    line: int
    extension: str
    display_name: str
    username: str
    password: str
    domain: str
    enabled: bool


def read_rows(data: bytes) -> tuple[list[CsvRow], list[RowFault]]:
    """The good rows and every fault found. Raises UnreadableFile when there is no sense in looking at rows."""
    lines = _lines(_text(data))
    columns = _header(next(lines, None))
    rows: list[CsvRow] = []
    faults: list[RowFault] = []
    for number, line in lines:
        if not line.strip():
            continue
        if len(rows) + len(faults) >= MAX_ROWS:
            raise UnreadableFile(f"line {number}: the file has more than {MAX_ROWS:,} rows. Split it.")
        read = _row(number, line, columns)
        if isinstance(read, CsvRow):
            rows.append(read)
        else:
            faults.append(read)
    return rows, faults


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise UnreadableFile(f"The file is larger than {MAX_BYTES // 1_000_000} MB. Split it.")
    if data.startswith((b"PK\x03\x04", b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b")):
        raise UnreadableFile("This is not a text file in UTF-8. Save it as CSV UTF-8, not zipped.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(f"line {line}: is not UTF-8. Save the file as CSV UTF-8.") from None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if len(line) > MAX_LINE:
            raise UnreadableFile(f"line {number}: is longer than {MAX_LINE:,} characters.")
        yield number, line.rstrip("\n")


def _header(first: tuple[int, str] | None) -> list[str]:
    if first is None or not first[1].strip():
        raise UnreadableFile(f"line 1: the header is missing. It is: {','.join(COLUMNS)}")
    cells = _cells(first[1])
    if isinstance(cells, str):
        raise UnreadableFile(f"line 1: {cells}")
    columns = [cell.lower() for cell in cells]
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown:
        hint = " Separate the columns by commas." if len(columns) == 1 else ""
        shown = ", ".join(repr(column[:40]) for column in unknown[:5])
        raise UnreadableFile(f"line 1: unknown column {shown}; known are {', '.join(COLUMNS)}.{hint}")
    if len(set(columns)) < len(columns):
        raise UnreadableFile("line 1: a column stands there twice.")
    if "extension" not in columns:
        raise UnreadableFile("line 1: the column extension is missing.")
    return columns


def _row(number: int, line: str, columns: list[str]) -> CsvRow | RowFault:
    cells = _cells(line)
    if isinstance(cells, str):
        return RowFault(number, "", cells)
    if len(cells) != len(columns):
        return RowFault(number, "", f"has {len(cells)} cells, the header has {len(columns)}.")
    named = dict(zip(columns, cells, strict=True))
    if (fault := _cell_fault(named)) is not None:
        return RowFault(number, *fault)
    return CsvRow(
        line=number,
        extension=named["extension"],
        display_name=named.get("display_name", ""),
        username=named.get("username", ""),
        password=named.get("password", ""),
        domain=named.get("domain", "").lower().rstrip("."),
        enabled=named.get("enabled", "").lower() in YES,
    )


def _cells(line: str) -> list[str] | str:
    """The cells, or what is wrong with the line."""
    try:
        cells = next(csv.reader([line], strict=True), [])
    except csv.Error:
        return "a quote is opened and not closed, or stands inside a cell without being doubled."
    return [cell.strip() for cell in cells]


def _cell_fault(named: dict[str, str]) -> tuple[str, str] | None:
    for column, cell in named.items():
        if len(cell) > MAX_CELL:
            return column, f"is longer than {MAX_CELL} characters."
        if CONTROL.search(cell):
            return column, "holds a tab, NUL or other control character."
    if named.get("enabled", "").lower() not in YES | NO:
        return "enabled", f"{named['enabled'][:40]!r} is neither true nor false."
    return None
