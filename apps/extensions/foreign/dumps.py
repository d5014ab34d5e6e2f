"""Reads rows of chosen tables out of a dump of mysqldump or pg_dump (plain format). Pure.

A scanner, not an interpreter: INSERT with literal values, COPY ... FROM stdin and the column names of CREATE TABLE are
understood, everything else is passed over by the quoting rules of its dialect, so that text in a value is never taken
for a statement. What it cannot follow raises UnreadableSource with the line.
"""

import re
from collections.abc import Collection, Iterator
from typing import Final

from apps.extensions.foreign.values import Row, Tables, UnreadableSource

MAX_ROWS: Final = 500_000

_BLANK: Final = re.compile(r"\s++|--[^\n]*+|/\*.*?\*/;?|\\[^\n]*+", re.DOTALL)
_DELIMITER: Final = re.compile(r"DELIMITER[ \t]++(\S++)[^\n]*+\n", re.IGNORECASE)
# With backslash escapes; and as PostgreSQL has it by default, with the doubled quote alone. A text that is not closed
# must not end at a doubled quote before.
_ESCAPING_TEXT: Final = r"'([^'\\]*+(?:(?:\\.|'')[^'\\]*+)*)'(?!')"
_STANDARD_TEXT: Final = r"'([^']*+(?:''[^']*+)*)'(?!')"
_QUOTED_NAME: Final = r'"[^"]*+(?:""[^"]*+)*"(?!")'
_COMMENT: Final = r"--[^\n]*+|/\*.*?\*/"
# What a statement is made of, up to and with its semicolon.
_PIECE: Final = {
    "mysql": re.compile(
        r"[^'\"`;/\-#]++|;|"
        + _ESCAPING_TEXT
        + r'|"[^"\\]*+(?:(?:\\.|"")[^"\\]*+)*"(?!")|`[^`]*+(?:``[^`]*+)*`(?!`)|'
        rf"{_COMMENT}|#[^\n]*+|-|/(?!\*)",
        re.DOTALL,
    ),
    "pg": re.compile(
        rf"[^'\"`;/\-$eE]++|;|[eE]{_ESCAPING_TEXT}|{_STANDARD_TEXT}|{_QUOTED_NAME}|\$(\w*+)\$.*?\$\3\$|"
        rf"{_COMMENT}|[-eE`]|/(?!\*)|\$(?!\w*+\$)",
        re.DOTALL,
    ),
}
_NAME: Final = r"(?:[`\"]?\w++[`\"]?\.)?[`\"]?(\w++)[`\"]?"
_COLUMNS: Final = r"\(([\w`\", \n]++)\)"
_INSERT: Final = re.compile(
    rf"(?:INSERT|REPLACE)\s++(?:IGNORE\s++)?INTO\s++{_NAME}\s*+(?:{_COLUMNS}\s*+)?VALUES\s*+", re.IGNORECASE
)
_COPY: Final = re.compile(rf"COPY\s++{_NAME}\s*+{_COLUMNS}\s*+FROM\s++stdin;", re.IGNORECASE)
_CREATE: Final = re.compile(rf"CREATE\s++TABLE\s++(?:IF\s++NOT\s++EXISTS\s++)?{_NAME}\s*+\(", re.IGNORECASE)
_COLUMN: Final = re.compile(r"^\s*+`([^`]++)`\s", re.MULTILINE)
_WORD: Final = re.compile(r"(?:NULL|true|false|[-+]?[0-9][0-9.eE+-]*+|0x[0-9A-Fa-f]++)", re.IGNORECASE)
_GAP: Final = re.compile(r"\s*+")
_ESCAPING: Final = re.compile(rf"(?:_\w++\s*+|[eE])?{_ESCAPING_TEXT}", re.DOTALL)
_STANDARD: Final = re.compile(_STANDARD_TEXT)
_ESCAPE: Final = re.compile(r"\\(.)|''", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "0": "\0", "Z": "\x1a", "f": "\f", "v": "\v"}
_COPY_ESCAPE: Final = re.compile(r"\\(.)")


def read_dump(text: str, wanted: Collection[str]) -> Tables:
    """The rows of the wanted tables that are in the dump, by table name in lower case."""
    dialect = _dialect(text)
    tables: dict[str, list[Row]] = {}
    columns: dict[str, list[str]] = {}
    count = 0
    for table, names, rows in _tables(text, dialect, frozenset(wanted), columns):
        found = tables.setdefault(table, [])
        for row in rows:
            if len(row) != len(names):
                raise UnreadableSource(f"a row of {table} has {len(row)} values for {len(names)} columns")
            if (count := count + 1) > MAX_ROWS:
                raise UnreadableSource(f"the dump has more than {MAX_ROWS:,} rows of these tables")
            found.append(dict(zip(names, row, strict=True)))
    for table in columns:
        tables.setdefault(table, [])
    return tables


def _dialect(text: str) -> str:
    head = text[:4000]
    if re.search(r"^-- (MySQL|MariaDB) dump|^/\*M?!", head, re.MULTILINE) or "`" in head:
        return "mysql"
    if "standard_conforming_strings = off" in head:
        raise UnreadableSource("dump it with standard_conforming_strings = on")
    if re.search(r"^-- PostgreSQL database dump|^COPY |^INSERT INTO |^SET ", head, re.MULTILINE):
        return "pg"
    raise UnreadableSource("this is no plain dump of mysqldump or pg_dump (for a .csv write TABLE=FILE.csv)")


def _tables(
    text: str, dialect: str, wanted: frozenset[str], columns: dict[str, list[str]]
) -> Iterator[tuple[str, list[str], Iterator[list[str | None]]]]:
    at = _after_blank(text, 0)
    while at < len(text):
        if dialect == "mysql" and (delimiter := _DELIMITER.match(text, at)) is not None:
            at = _after_blank(text, _after_routine(text, delimiter))
            continue
        end = _end_of_statement(text, at, dialect)
        if (copy := _COPY.match(text, at)) is not None:
            begin = text.find("\n", end) + 1
            stop = _end_of_copy(text, begin, at)
            if (table := copy[1].lower()) in wanted:
                yield table, _names(copy[2]), _copied(text[begin:stop])
            end = stop
        elif (insert := _INSERT.match(text, at)) is not None and insert[1].lower() in wanted:
            table = insert[1].lower()
            names = _names(insert[2]) if insert[2] else columns.get(table)
            if not names:
                raise UnreadableSource(
                    f"line {_line(text, at)}: no columns of {table} (pg_dump: --column-inserts)"
                )
            yield table, names, _values(text, insert.end(), end, dialect)
        elif (create := _CREATE.match(text, at)) is not None and create[1].lower() in wanted:
            named = _COLUMN.findall(text, create.end(), end)
            columns[create[1].lower()] = [name.lower() for name in named]
        at = _after_blank(text, end)


def _after_blank(text: str, at: int) -> int:
    """Past white space, comments and psql's own commands."""
    while (blank := _BLANK.match(text, at)) is not None:
        at = blank.end()
    return at


def _end_of_statement(text: str, begin: int, dialect: str) -> int:
    at, piece = begin, _PIECE[dialect]
    while (found := piece.match(text, at)) is not None:
        at = found.end()
        if found[0] == ";":
            return at
    raise UnreadableSource(f"line {_line(text, begin)}: this statement has no end; is the dump complete?")


def _after_routine(text: str, delimiter: "re.Match[str]") -> int:
    """Past what stands between DELIMITER ;; and DELIMITER ;."""
    if delimiter[1] == ";":
        return delimiter.end()
    again = re.compile(r"^DELIMITER[ \t]++;[^\n]*+(?:\n|\Z)", re.MULTILINE | re.IGNORECASE)
    found = again.search(text, delimiter.end())
    if found is None:
        raise UnreadableSource(f"line {_line(text, delimiter.start())}: DELIMITER is never set back")
    return found.end()


def _end_of_copy(text: str, begin: int, at: int) -> int:
    """Where the line \\. stands, which ends the rows of a COPY."""
    if text.startswith("\\.", begin):
        return begin
    found = text.find("\n\\.", begin)
    if found < 0:
        raise UnreadableSource(f"line {_line(text, at)}: this COPY has no end; is the dump complete?")
    return found + 1


def _names(text: str) -> list[str]:
    return [name.strip().strip('`"').lower() for name in text.split(",")]


def _copied(text: str) -> Iterator[list[str | None]]:
    for line in text.split("\n")[:-1]:
        yield [None if cell == "\\N" else _COPY_ESCAPE.sub(_unescaped, cell) for cell in line.split("\t")]


def _values(text: str, at: int, end: int, dialect: str) -> Iterator[list[str | None]]:
    """The tuples of an INSERT from `at` on."""
    while True:
        at = _expect(text, at, "(")
        row: list[str | None] = []
        while True:
            value, at = _value(text, _gap(text, at), end, dialect)
            row.append(value)
            at = _gap(text, at)
            if text[at] != ",":
                break
            at += 1
        at = _gap(text, _expect(text, at, ")"))
        yield row
        if text[at] != ",":
            break
        at = _gap(text, at + 1)


def _value(text: str, at: int, end: int, dialect: str) -> tuple[str | None, int]:
    if (word := _WORD.match(text, at, end)) is not None:
        return (None if word[0].upper() == "NULL" else word[0]), word.end()
    if dialect == "pg" and (plain := _STANDARD.match(text, at, end)) is not None:
        return plain[1].replace("''", "'"), plain.end()
    if (literal := _ESCAPING.match(text, at, end)) is not None:
        return _ESCAPE.sub(_unescaped, literal[1]), literal.end()
    raise UnreadableSource(f"line {_line(text, at)}: a value that is neither text, number nor NULL")


def _unescaped(match: "re.Match[str]") -> str:
    if match[0] == "''":
        return "'"
    return _ESCAPED.get(match[1], match[1])


def _gap(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    return gap.end() if gap is not None else at


def _expect(text: str, at: int, sign: str) -> int:
    if not text.startswith(sign, at):
        raise UnreadableSource(f"line {_line(text, at)}: expected {sign} in the values")
    return at + 1


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
