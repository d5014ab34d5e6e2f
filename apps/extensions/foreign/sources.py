"""From what a person names on the command line to tables: a PostgreSQL URL, a dump, or TABLE=FILE.csv.

Must only read: a database is asked in a read-only transaction, and its URL, which has a password, is never shown.
"""

import csv
import io
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

import psycopg
from psycopg.sql import SQL, Identifier

from apps.extensions.foreign.dumps import MAX_ROWS, read_dump
from apps.extensions.foreign.values import Row, Tables, UnreadableSource

MAX_BYTES: Final = 200_000_000
MAX_CELL: Final = 100_000
CONNECT_S: Final = 10
URLS: Final = ("postgresql://", "postgres://")


def read_sources(names: Iterable[str], wanted: Collection[str]) -> Tables:
    """The wanted tables that were found. Raises UnreadableSource, also if none was."""
    tables: dict[str, list[Row]] = {}
    for name in names:
        for table, rows in _read(name, wanted).items():
            if table in tables:
                raise UnreadableSource(f"the table {table} is there twice")
            tables[table] = rows
    if not tables:
        raise UnreadableSource(f"none of the tables is there: {', '.join(sorted(wanted))}")
    return tables


def read_csv(text: str, table: str) -> list[Row]:
    """A table as a database exports it: a header with the column names; NULL and \\N are NULL."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if len(set(header)) < len(header) or not all(header) or not header:
            raise UnreadableSource(f"{table}: the first line must name each column once")
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise UnreadableSource(
                    f"{table}: line {reader.line_num} has {len(cells)} cells, not {len(header)}"
                )
            if len(rows) >= MAX_ROWS or any(len(cell) > MAX_CELL for cell in cells):
                raise UnreadableSource(f"{table}: line {reader.line_num} is too much or too long")
            rows.append(
                {n: None if cell in ("NULL", "\\N") else cell for n, cell in zip(header, cells, strict=True)}
            )
    except csv.Error as error:
        raise UnreadableSource(f"{table}: line {reader.line_num} is no CSV: {error}") from None
    return rows


def _read(name: str, wanted: Collection[str]) -> Tables:
    if name.startswith(URLS):
        return _from_database(name, wanted)
    if "://" in name:
        raise UnreadableSource(
            "only postgresql:// can be read directly; of MySQL and MariaDB give a mysqldump"
        )
    table, is_csv, path = name.partition("=")
    if is_csv:
        if table.lower() not in wanted:
            raise UnreadableSource(f"{table[:40]!a} is none of its tables: {', '.join(sorted(wanted))}")
        return {table.lower(): read_csv(_text(path), table.lower())}
    if name.endswith(".csv"):
        raise UnreadableSource("say which table a CSV file is: TABLE=FILE.csv")
    return read_dump(_text(name), wanted)


def _text(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableSource(f"{path}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise UnreadableSource(f"{path} is larger than {MAX_BYTES // 1_000_000} MB: dump its tables alone")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableSource(f"{path} is not text in UTF-8: dump its tables alone, as plain text") from None


def _from_database(url: str, wanted: Collection[str]) -> Tables:
    tables: dict[str, list[Row]] = {}
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_S) as connection:
            connection.read_only = True
            for table in sorted(wanted):
                if connection.execute("SELECT to_regclass(%s)", [table]).fetchone() != (None,):
                    tables[table] = _rows(connection, table)
    except (psycopg.Error, UnicodeError) as error:
        said = str(error).strip().splitlines() or ["no reason given"]
        raise UnreadableSource(f"the database cannot be read: {said[0]}") from None
    return tables


def _rows(connection: "psycopg.Connection[tuple[object, ...]]", table: str) -> list[Row]:
    cursor = connection.execute(SQL("SELECT * FROM {} LIMIT %s").format(Identifier(table)), [MAX_ROWS + 1])
    names = [column.name for column in cursor.description or ()]
    rows = cursor.fetchall()
    if len(rows) > MAX_ROWS:
        raise UnreadableSource(f"{table} has more than {MAX_ROWS:,} rows")
    return [
        {n: None if value is None else str(value) for n, value in zip(names, row, strict=True)}
        for row in rows
    ]
