"""Keeps the overview up to date from a SIP worker's background: each worker tries, one at a time works.

Must not read what it writes: everything happens in the database, in short transactions. A worker that dies leaves
nothing undone that the next does not find.
"""

from typing import Final

from apps.registrar.overview import site_sql, sql
from apps.registrar.store import AnyConnection

MOST_AT_ONCE: Final = 1_000
# Of the pass through the whole directory, which finds what nobody told of: a million in under three hours.
PASSED_AT_ONCE: Final = 100
# Nothing is done so soon after the last time, whoever did it.
REST: Final = "0.8 seconds"
NO_REST: Final = "1 microsecond"


async def keep_overview(connection: AnyConnection, *, is_behind: bool) -> bool:
    """One step; whether there may be more to do at once, which `is_behind` then says at the next."""
    params = {
        "most": MOST_AT_ONCE,
        "passing": 0 if is_behind else PASSED_AT_ONCE,
        "rest": NO_REST if is_behind else REST,
    }
    row = await (await connection.execute(sql.CATCH_UP, params)).fetchone()
    return row is not None and row[0] >= MOST_AT_ONCE


async def keep_sites(connection: AnyConnection) -> None:
    """Reads all sites anew, if that is due."""
    async with connection.transaction():
        await connection.execute(site_sql.FIRST)
        due = await (await connection.execute(site_sql.IS_DUE, {"most": "1 hour"})).fetchone()
        if due is not None:
            await connection.execute(site_sql.KEEP, site_sql.CONSTANTS)
            await connection.execute(site_sql.DONE, {"began": due[0]})
