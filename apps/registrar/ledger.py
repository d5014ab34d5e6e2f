"""The ledger's months: each is one partition, begun ahead of time and dropped whole when it is too old.

Any number of workers may look after them at once. Must not know what the rows say.
"""

import datetime as dt
import logging
from typing import Final

from psycopg.errors import LockNotAvailable
from psycopg.sql import SQL, Identifier, Literal

from apps.registrar import ledger_sql
from apps.registrar.store import AnyConnection, Store

logger = logging.getLogger(__name__)

MONTHS_AHEAD: Final = 2
TABLE: Final = "registrar_registrationevent"
LOCK_KEY: Final = 0x6C6564676572  # "ledger"

Month = tuple[int, int]


async def keep_months(store: Store, keep: dt.timedelta) -> None:
    """Begins this month and the next two, and drops what is wholly older than `keep`. Raises DATABASE_TROUBLE.

    Where somebody reads the ledger at length, or another worker is at it, that is left to the next time.
    """
    for step in (_begin, _end):
        try:
            async with store.pool.connection() as connection, connection.transaction():
                await connection.execute(ledger_sql.WAIT_BRIEFLY)
                taken = await connection.execute(ledger_sql.TRY_LOCK, {"key": LOCK_KEY})
                if await taken.fetchone() == (True,):
                    await step(connection, keep)
        except LockNotAvailable as error:
            logger.warning("the ledger's months are left for later: %s", error)


def months_from(now: dt.datetime, ahead: int) -> list[Month]:
    """The month of `now` (UTC) and the next ones."""
    first = now.astimezone(dt.UTC)
    return [_later((first.year, first.month), n) for n in range(ahead + 1)]


def partition_of(month: Month) -> str:
    return f"{TABLE}_{month[0]:04}_{month[1]:02}"


def month_of(partition: str) -> Month | None:
    """None for a partition that is no month."""
    year, _, month = partition.removeprefix(f"{TABLE}_").partition("_")
    return (int(year), int(month)) if year.isdecimal() and month.isdecimal() else None


def beginning(month: Month) -> dt.datetime:
    return dt.datetime(*month, 1, tzinfo=dt.UTC)


async def _begin(connection: AnyConnection, keep: dt.timedelta) -> None:
    now, months = await _months(connection)
    for month in months_from(now, MONTHS_AHEAD):
        if month not in months:
            await _create(connection, month)


async def _end(connection: AnyConnection, keep: dt.timedelta) -> None:
    now, months = await _months(connection)
    for month in months:
        if beginning(_later(month, 1)) <= now - keep:
            await connection.execute(
                SQL(ledger_sql.DROP_MONTH).format(partition=Identifier(partition_of(month)))
            )
            logger.info("dropped the ledger's month %04d-%02d", *month)
    await connection.execute(ledger_sql.DELETE_OLD_REST, {"before": now - keep})


async def _create(connection: AnyConnection, month: Month) -> None:
    names = {
        "partition": Identifier(partition_of(month)),
        "since": Literal(beginning(month)),
        "until": Literal(beginning(_later(month, 1))),
    }
    for statement in ledger_sql.CREATE_MONTH:
        await connection.execute(SQL(statement).format(**names))


async def _months(connection: AnyConnection) -> tuple[dt.datetime, list[Month]]:
    """The database's time, and the months there are."""
    rows = await (await connection.execute(ledger_sql.LEDGER_PARTITIONS)).fetchall()
    months = [month_of(name) for _, name in rows]
    return rows[0][0], [month for month in months if month is not None]


def _later(month: Month, by: int) -> Month:
    years, index = divmod(month[1] - 1 + by, 12)
    return month[0] + years, index + 1
