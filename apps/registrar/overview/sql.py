"""The statements of the overview. Must not execute anything: listing.py and the workers' rounds do."""

from collections.abc import Sequence
from typing import Final

from apps.registrar.overview.orders import Run

# Parameters: most, passing, rest (migration 0107).
CATCH_UP: Final = "SELECT registrar_overview_catch_up(%(most)s, %(passing)s, %(rest)s::interval)"

GRAM: Final = 3

WAIT_BRIEFLY: Final = "SET LOCAL lock_timeout = '200ms'"

COUNTS: Final = "SELECT bucket, peers, contacts FROM registrar_overviewcount"

BUCKETS: Final = "SELECT peer_id, bucket FROM registrar_overview WHERE peer_id = ANY(%(ids)s)"

_CASTS: Final = {
    "number_length": "smallint",
    "number": "text",
    "name": "text",
    "peer_id": "uuid",
    "received_addr": "inet",
    "online_since": "timestamptz",
    "first_expires_at": "timestamptz",
}
_MATCHES: Final = "strpos(t.text, lower(%(word{n})s)) > 0"

# The texts that have every run of three characters of every word, then every word as it stands.
_FOUND: Final = """
SELECT o.peer_id, o.bucket FROM (
    SELECT t.peer_id FROM registrar_overviewtext t
    WHERE registrar_grams(t.text) @> ({grams}) AND {matches}
    LIMIT %(most)s
) AS found JOIN registrar_overview o ON o.peer_id = found.peer_id
"""


def found(words: Sequence[str]) -> str:
    """Parameters: word0…, most. One word at least is as long as a gram."""
    grams = " || ".join(
        f"registrar_grams(lower(%(word{n})s))" for n, word in enumerate(words) if len(word) >= GRAM
    )
    return _FOUND.format(grams=grams, matches=_matches(len(words)))


def window(run: Run, *, beyond: bool) -> str:
    """The next rows of a run, as many per bucket as are wanted and so many in all: peer_id, bucket and its columns.
    Parameters: limit; with `beyond` those of place_params()."""
    each = [
        f"(SELECT {_columns(run)} FROM registrar_overview WHERE bucket = {bucket:d}{_also(run, beyond)}"  # noqa: S608
        f" ORDER BY {_order(run)} LIMIT %(limit)s)"
        for bucket in run.buckets
    ]
    return f"SELECT * FROM ({' UNION ALL '.join(each)}) AS o ORDER BY {_order(run)} LIMIT %(limit)s"  # noqa: S608


def chosen(run: Run, *, beyond: bool) -> str:
    """As window(), of the peers `ids` alone."""
    return (
        f"SELECT {_columns(run)} FROM registrar_overview "  # noqa: S608
        f"WHERE peer_id = ANY(%(ids)s) AND bucket = ANY(%(buckets)s){_also(run, beyond)} "
        f"ORDER BY {_order(run)} LIMIT %(limit)s"
    )


def walk(run: Run, *, beyond: bool, words: int) -> str:
    """As window(), then whether the row matches, and how many were looked at until it: those that match, and the last
    one looked at. Parameters: also word0…"""
    return f"""
SELECT * FROM (
    SELECT w.*,
           coalesce((SELECT {_matches(words)} FROM registrar_overviewtext t WHERE t.peer_id = w.peer_id),
                    false) AS matches,
           row_number() OVER (ORDER BY {_order(run)}) AS looked_at, count(*) OVER () AS seen
    FROM ({window(run, beyond=beyond)}) AS w
) AS walked WHERE matches OR looked_at = seen ORDER BY looked_at
"""  # noqa: S608 - our own constants


def _matches(words: int) -> str:
    return " AND ".join(_MATCHES.format(n=n) for n in range(words))


def columns_of(run: Run) -> tuple[str, ...]:
    """The first columns of what window(), chosen() and walk() bring."""
    return tuple(dict.fromkeys(("peer_id", "bucket", *_ordered_columns(run))))


def _columns(run: Run) -> str:
    return ", ".join(columns_of(run))


def _ordered_columns(run: Run) -> tuple[str, ...]:
    """With the address's column also where it is empty: the index has the rest in order behind it."""
    return ("received_addr", *run.columns) if run.has_address is False else run.columns


def _order(run: Run) -> str:
    return ", ".join(f"{column} DESC" if run.descending else column for column in _ordered_columns(run))


def _also(run: Run, beyond: bool) -> str:
    text = {None: "", True: " AND received_addr IS NOT NULL", False: " AND received_addr IS NULL"}[
        run.has_address
    ]
    if beyond:
        values = ", ".join(f"%({column})s::{_CASTS[column]}" for column in run.columns)
        text += f" AND ({', '.join(run.columns)}) {'<' if run.descending else '>'} ({values})"
    return text
