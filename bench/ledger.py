"""What the database says after a run: bindings against what the loader was told, the ledger, and sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import psycopg

SIZES: Final = """
SELECT coalesce(sum(pg_relation_size(c.oid)) FILTER (WHERE c.relkind = 'r'), 0)::bigint,
       coalesce(sum(pg_relation_size(c.oid)) FILTER (WHERE c.relkind = 'i'), 0)::bigint
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')
  AND (c.relname LIKE 'registrar\\_%' OR c.oid IN (
      SELECT i.indexrelid FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
      WHERE t.relname LIKE 'registrar\\_%'))
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of acknowledged registrations. Later: a REGISTER whose 200 did not arrive was kept, which is fine."""

    acknowledged: int
    missing: int
    older: int
    later: int

    @property
    def lost(self) -> int:
        return self.missing + self.older


def compare(acknowledged: Mapping[str, int], stored: Mapping[str, int]) -> Kept:
    """The CSeq of the last 200 by user name, against that of the binding."""
    pairs = [(cseq, stored.get(user)) for user, cseq in acknowledged.items()]
    return Kept(
        acknowledged=len(pairs),
        missing=sum(kept is None for _, kept in pairs),
        older=sum(kept is not None and kept < cseq for cseq, kept in pairs),
        later=sum(kept is not None and kept > cseq for cseq, kept in pairs),
    )


def sizes(database_url: str) -> tuple[int, int]:
    """Bytes of all tables of registrations, and of all their indexes."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(SIZES).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
