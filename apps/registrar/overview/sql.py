"""The statements of the lists. Must not execute anything: listing.py and the workers' rounds do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from apps.registrar.outcomes import END_EVENTS, EventKind
from apps.registrar.overview.orders import Run

# Parameters: most, passing, rest (migration 0107).
CATCH_UP: Final = "SELECT registrar_overview_catch_up(%(most)s, %(passing)s, %(rest)s::interval)"

COUNTS: Final = "SELECT bucket, peers, contacts FROM registrar_overviewcount"

GIVEN: Final = "SELECT id FROM unnest(%(ids)s::uuid[]) AS id"

IN_BUCKETS: Final = """
SELECT peer_id FROM registrar_overview WHERE bucket = ANY(%(buckets)s) LIMIT %(most)s
"""

GRAM: Final = 3

HISTORY_STEPS: Final = 96
_STEP: Final = "interval '15 minutes'"
_DELTA: Final = f"""
SELECT coalesce(sum(CASE WHEN event = '{EventKind.REGISTERED}' THEN count ELSE -count END), 0) AS delta
FROM registrar_registrationevent
WHERE {{only}} AND at >= moments.until - {_STEP} AND at < moments.until
  AND event IN ('{EventKind.REGISTERED}', {", ".join(f"'{kind}'" for kind in sorted(set(END_EVENTS.values())))})
"""  # noqa: S608 - our own constants
_MOMENTS: Final = f"""
SELECT date_bin({_STEP}, now(), 'epoch') + (n - {HISTORY_STEPS - 2}) * {_STEP} AS until
FROM generate_series(0, {HISTORY_STEPS - 1}) AS n
"""  # noqa: S608 - as above

# A quarter of an hour that is over is counted once, a minute later: what was under way then is committed.
CLOSE_STEPS: Final = f"""
WITH forgotten AS (DELETE FROM registrar_onlinestep WHERE until < now() - interval '25 hours')
INSERT INTO registrar_onlinestep (until, delta)
SELECT moments.until, d.delta FROM ({_MOMENTS}) AS moments CROSS JOIN LATERAL ({_DELTA.format(only="true")}) AS d
WHERE moments.until < now() - interval '1 minute'
  AND NOT EXISTS (SELECT FROM registrar_onlinestep s WHERE s.until = moments.until)
ON CONFLICT DO NOTHING
"""  # noqa: S608 - as above

# Of each quarter of an hour of the last 24 h, the earliest first; the last goes on.
DELTAS: Final = f"""
SELECT coalesce(s.delta, d.delta, 0) FROM ({_MOMENTS}) AS moments
LEFT JOIN registrar_onlinestep s ON s.until = moments.until
CROSS JOIN LATERAL ({_DELTA.format(only="s.until IS NULL")}) AS d
ORDER BY moments.until
"""  # noqa: S608 - as above


@dataclass(frozen=True, slots=True)
class Source:
    """What is listed. rows: its key, bucket, columns of orders. matches: whether the row `w` has the word {n},
    found `of` its key. found: up to `most` keys that have all words; a NULL if there may be more."""

    rows: str
    matches: str
    of: str
    found: str


PEERS: Final = Source(
    rows="registrar_overview",
    matches="strpos(t.text, lower(%(word{n})s)) > 0",
    of="registrar_overviewtext t WHERE t.peer_id = w.peer_id",
    # Every run of three characters of every word, then every word as it stands.
    found="""
SELECT t.peer_id AS id FROM registrar_overviewtext t
WHERE registrar_grams(t.text) @> ({grams}) AND {matches} LIMIT %(most)s
""",
)
EXTENSIONS: Final = Source(
    rows="(SELECT id AS extension_id, 0 AS bucket, length(number) AS number_length, number FROM extensions_extension)",
    matches="""(strpos(lower((e.number || ' ' || e.display_name) COLLATE "default"), lower(%(word{n})s)) > 0
    OR EXISTS (SELECT FROM extensions_peer p
               WHERE p.extension_id = e.id AND strpos(lower(p.name COLLATE "default"), lower(%(word{n})s)) > 0))""",
    of="extensions_extension e WHERE e.id = w.extension_id",
    # A word may be in the extension's own text, the next in the name of a device: the longest finds the candidates.
    found="""
WITH named AS MATERIALIZED (
    (SELECT id FROM extensions_extension
     WHERE registrar_grams(lower((number || ' ' || display_name) COLLATE "default") COLLATE "C")
           @> registrar_grams(lower(%(longest)s)) LIMIT %(most)s)
    UNION
    (SELECT extension_id FROM extensions_peer
     WHERE registrar_grams(lower(name COLLATE "default") COLLATE "C") @> registrar_grams(lower(%(longest)s))
       AND extension_id IS NOT NULL LIMIT %(most)s)
)
SELECT e.id FROM named n JOIN extensions_extension e ON e.id = n.id
WHERE (SELECT count(*) FROM named) < %(most)s AND {matches}
UNION ALL SELECT NULL WHERE (SELECT count(*) FROM named) >= %(most)s
""",
)

_CASTS: Final = {
    "number_length": "smallint",
    "number": "text",
    "name": "text",
    "peer_id": "uuid",
    "extension_id": "uuid",
    "received_addr": "inet",
    "online_since": "timestamptz",
    "first_expires_at": "timestamptz",
}


def found(source: Source, words: Sequence[str]) -> str:
    """Keys, as `id`. Parameters: word0…, longest, most. One word at least is as long as a gram."""
    grams = " || ".join(
        f"registrar_grams(lower(%(word{n})s))" for n, word in enumerate(words) if len(word) >= GRAM
    )
    return source.found.format(grams=grams, matches=_matches(source, len(words)))


def placed(source: Source, keys: str, columns: Sequence[str], key: str) -> str:
    """These columns of the rows whose keys the statement `keys` brings, as `id`; NULLs for one that is no more. Where
    there are `most` or more, one row of NULLs for all."""
    listed = ", ".join(columns)
    # OFFSET 0: a look-up for each, whatever the planner thinks of joining them all.
    each = f"SELECT {listed} FROM {source.rows} AS o WHERE o.{key} = f.id OFFSET 0"  # noqa: S608
    return f"""
WITH f AS MATERIALIZED ({keys}), n AS (SELECT count(*) >= %(most)s AS are_many FROM f)
SELECT {listed} FROM n CROSS JOIN f LEFT JOIN LATERAL ({each}) AS o ON true WHERE NOT n.are_many
UNION ALL SELECT {", ".join("NULL" for _ in columns)} FROM n WHERE n.are_many
"""  # noqa: S608 - our own constants


def window(source: Source, run: Run, *, beyond: bool) -> str:
    """The next rows of a run: columns_of(). Parameters: limit; with `beyond` a value for each column of the run."""
    each = [
        f"(SELECT {_columns(run)} FROM {source.rows} AS o WHERE bucket = {bucket:d}{_also(run, beyond)}"  # noqa: S608
        f" ORDER BY {_order(run)} LIMIT %(limit)s)"
        for bucket in run.buckets
    ]
    return f"SELECT * FROM ({' UNION ALL '.join(each)}) AS r ORDER BY {_order(run)} LIMIT %(limit)s"  # noqa: S608


def walk(source: Source, run: Run, *, beyond: bool, words: int) -> str:
    """As window(), then whether the row matches, and how many were looked at until it: those that match, and the last
    one looked at. Parameters: also word0…"""
    return f"""
SELECT * FROM (
    SELECT w.*, coalesce((SELECT {_matches(source, words)} FROM {source.of}), false) AS matches,
           row_number() OVER (ORDER BY {_order(run)}) AS looked_at, count(*) OVER () AS seen
    FROM ({window(source, run, beyond=beyond)}) AS w
) AS walked WHERE matches OR looked_at = seen ORDER BY looked_at
"""  # noqa: S608 - our own constants


def columns_of(run: Run) -> tuple[str, ...]:
    """The first columns of what window() and walk() bring."""
    return tuple(dict.fromkeys((run.key, "bucket", *_ordered_columns(run))))


def _matches(source: Source, words: int) -> str:
    return " AND ".join(source.matches.format(n=n) for n in range(words))


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
