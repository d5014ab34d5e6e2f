"""The registration event package in PostgreSQL: NOTIFYs are queued in the transaction that causes them.

Knows rows, not SIP: what they say is decided in queue.py. Must not be asked where nothing changed: `cause_of` says so
without a look-up.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.backends.utils import CursorWrapper
from psycopg import AsyncConnection, AsyncCursor

from apps.registrar.bindings import StoredBinding
from apps.registrar.regevent import sql
from apps.registrar.regevent.queue import Cause, notifications
from apps.registrar.regevent.replies import Reply
from apps.registrar.regevent.values import EndOfSubscription, Subscribed, Subscription, Taken, Way
from apps.registrar.sql import BINDINGS_OF_AORS, LOCK_AORS, lock_keys, to_json

AnyConnection = AsyncConnection[Any]

MOST_PER_CLAIM: Final = 200
MOST_PER_SWEEP: Final = 200


@dataclass(frozen=True, slots=True)
class Due:
    """A NOTIFY to be sent now."""

    data: bytes
    way: Way


@dataclass(frozen=True, slots=True)
class Asked:
    """What a SUBSCRIBE asks about: the AOR, which is that user of that domain. username: who asks, unproven."""

    aor: str
    domain_id: UUID
    user: str | None
    username: str

    @property
    def lock_name(self) -> str:
        return sql.watcher_lock(self.domain_id, self.username)


@dataclass(frozen=True, slots=True)
class NotifyQueue:
    """Queues what a transaction causes. key and new_id make the branches."""

    key: bytes
    new_id: Callable[[], UUID]

    async def take(self, connection: AnyConnection, cause: Cause) -> AsyncCursor[Any] | None:
        """Asks for the subscriptions concerned, without waiting for them; None where nobody can be concerned."""
        if not cause:
            return None
        return await connection.execute(sql.TAKE_SUBSCRIPTIONS, sql.take_params(cause))

    async def write(
        self, connection: AnyConnection, cause: Cause, asked: AsyncCursor[Any] | None, now: dt.datetime
    ) -> bool:
        """Queues the NOTIFYs, after the change itself is written; whether there are any."""
        taken = [sql.taken_of(row) for row in await asked.fetchall()] if asked is not None else []
        if not taken and not cause.told:
            return False
        cursor = await connection.execute(BINDINGS_OF_AORS, {"aors": _aors(cause, taken)})
        bindings = _by_aor(await cursor.fetchall())
        queued = notifications(cause, taken, bindings, now, self.key, self.new_id)
        for statement, params in sql.notification_statements(queued, cause.told):
            await connection.execute(statement, params)
        return bool(queued)

    def write_in_django(self, cursor: CursorWrapper, cause: Cause, now: dt.datetime) -> None:
        """The same for the web, after the change is written and within its transaction and locks."""
        if not cause:
            return
        cursor.execute(sql.TAKE_SUBSCRIPTIONS, sql.take_params(cause))
        taken = [sql.taken_of(row) for row in cursor.fetchall()]
        if not taken:
            return
        cursor.execute(BINDINGS_OF_AORS, {"aors": _aors(cause, taken)})
        queued = notifications(cause, taken, _by_aor(cursor.fetchall()), now, self.key, self.new_id)
        for statement, params in sql.notification_statements(queued, ()):
            cursor.execute(statement, params)


async def subscriptions_of(
    connection: AnyConnection, aors: Iterable[str]
) -> dict[str, tuple[Subscription, ...]]:
    """The stored subscriptions of the AORs, whose locks the caller holds; asks nothing where there are none."""
    aors = list(aors)
    if not aors:
        return {}
    cursor = await connection.execute(sql.SUBSCRIPTIONS_OF_AORS, {"aors": aors})
    return by_aor(sql.subscription_of(row) for row in await cursor.fetchall())


async def served_aors(connection: AnyConnection, asked: Iterable[Asked]) -> frozenset[str]:
    """Those AORs that belong to an extension or a device; asks nothing where none are wanted."""
    rows = [{"aor": one.aor, "domain_id": one.domain_id, "name": one.user} for one in asked]
    if not rows:
        return frozenset()
    cursor = await connection.execute(sql.SERVED_AORS, {"rows": to_json(rows)})
    return frozenset(row[0] for row in await cursor.fetchall())


def by_aor(subscriptions: Iterable[Subscription]) -> dict[str, tuple[Subscription, ...]]:
    found: dict[str, tuple[Subscription, ...]] = {}
    for one in subscriptions:
        found[one.aor] = (*found.get(one.aor, ()), one)
    return found


async def end_expired(connection: AnyConnection, queue: NotifyQueue) -> bool:
    """Ends the subscriptions whose time is over, each with a last NOTIFY; whether there were any."""
    cursor = await connection.execute(sql.AORS_WITH_EXPIRED, {"limit": MOST_PER_SWEEP})
    aors = [row[0] for row in await cursor.fetchall()]
    if not aors:
        return False
    async with connection.transaction():
        await connection.execute(LOCK_AORS, {"keys": lock_keys(aors)})
        clock = await connection.execute("SELECT clock_timestamp()")
        now: dt.datetime = (await clock.fetchall())[0][0]
        stored = await subscriptions_of(connection, aors)
        over = [row for rows in stored.values() for row in rows if row.expires_at <= now]
        cause = Cause(told=[Subscribed(row, EndOfSubscription.TIMEOUT) for row in over])
        return await queue.write(connection, cause, await queue.take(connection, cause), now)


async def claim_due(connection: AnyConnection, worker: str, *, datagrams: bool) -> list[Due]:
    """The NOTIFYs this worker sends now, counted as sent. Their subscribers' next ones wait for the answer."""
    cursor = await connection.execute(
        sql.CLAIM_DUE, sql.claim_params(worker, datagrams=datagrams, limit=MOST_PER_CLAIM)
    )
    return [_due(row) for row in await cursor.fetchall()]


async def give_up(connection: AnyConnection) -> None:
    """Ends the subscriptions whose subscriber did not answer in 64*T1 (RFC 6665 §4.2.2)."""
    await connection.execute(sql.GIVE_UP)


async def answered(connection: AnyConnection, replies: Iterable[Reply]) -> None:
    for statement, params in sql.reply_statements(replies):
        await connection.execute(statement, params)


async def end_flows(connection: AnyConnection, flows: Iterable[str]) -> None:
    """Who subscribed over a connection that is gone cannot be told anything."""
    await connection.execute(sql.END_FLOWS, {"flows": list(flows)})


def _aors(cause: Cause, taken: Iterable[Taken]) -> list[str]:
    return sorted({one.subscription.aor for one in cause.told} | {one.subscription.aor for one in taken})


def _due(row: tuple[Any, ...]) -> Due:
    data, host, port, transport, flow, local = row
    return Due(bytes(data), Way(host, port, transport, flow, None if local is None else bytes(local)))


def _by_aor(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[StoredBinding]]:
    found: dict[str, list[StoredBinding]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(StoredBinding(*row))
    return found
