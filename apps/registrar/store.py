"""The location service in PostgreSQL, a whole batch at a time: two round trips, one transaction.

Knows rows, not SIP: what they mean is decided in rules.py. Must not use Django's ORM: its connections belong to
threads.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import Error
from psycopg_pool import AsyncConnectionPool

from apps.extensions.ha1s import CannotOpen, Ha1Keys, KeptHa1s, OpenedHa1s, place_of
from apps.registrar import sql
from apps.registrar.bindings import (
    Account,
    ChangeSet,
    DomainPolicy,
    Event,
    LastingCredential,
    NonceRecord,
    StoredBinding,
)
from apps.registrar.blocking import BlockedNetworks, blocked_networks
from apps.registrar.outcomes import SUMMED_EVENTS
from apps.registrar.regevent.queue import cause_of
from apps.registrar.regevent.store import Asked, NotifyQueue, served_aors, subscriptions_of
from apps.registrar.regevent.values import Subscribed, Subscription
from apps.sip.digest import Algorithm

logger = logging.getLogger(__name__)

DIGEST_ORDERS: Final[dict[str, tuple[Algorithm, ...]]] = {
    "sha512_256_first": (Algorithm.SHA512_256, Algorithm.SHA256, Algorithm.MD5),
    "strongest_first": (Algorithm.SHA256, Algorithm.MD5),
    "md5_first": (Algorithm.MD5, Algorithm.SHA256),
    "md5_only": (Algorithm.MD5,),
    "sha256_only": (Algorithm.SHA256,),
}
# Of one user name: each costs a hash at every attempt.
MOST_RETIRED: Final = 3
# A user name in a domain.
Claimed = tuple[UUID, str]

AnyConnection = AsyncConnection[Any]


class NonceCountTaken(Error):  # noqa: N818 - says what happened
    """Another worker accepted this nonce count, or a higher one, between our read and our write."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The domains we serve, by name, and whose packets get no answer, at the database's time `now`."""

    domains: Mapping[str, DomainPolicy]
    now: datetime
    blocked: BlockedNetworks


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a batch is decided from; true until commit, for the locks of its AORs are held. served: those of the AORs
    asked about that are an extension's or a device's."""

    now: datetime
    accounts: Mapping[Claimed, Account]
    bindings: Mapping[str, tuple[StoredBinding, ...]]
    nonces: Mapping[str, NonceRecord]
    subscriptions: Mapping[str, tuple[Subscription, ...]] = field(default_factory=dict)
    served: frozenset[str] = frozenset()


@dataclass(slots=True)
class Batch:
    """An open transaction. Add to `changes` and `subscribed`; written and committed, with the NOTIFYs that follow from
    them, when the context ends without an exception. `notifies` then says whether there are any."""

    snapshot: Snapshot
    changes: ChangeSet = field(default_factory=ChangeSet)
    subscribed: list[Subscribed] = field(default_factory=list)
    notifies: bool = False


class Store:
    """Without a queue nobody is told of changes. `ha1_keys` open the HA1s that are sealed."""

    def __init__(
        self, conninfo: str, queue: NotifyQueue | None = None, ha1_keys: Ha1Keys | None = None
    ) -> None:
        self.queue = queue
        self.ha1_keys = ha1_keys or Ha1Keys()
        self._told: set[str] = set()
        self.pool = _pool(conninfo)
        self.hot_pool = _pool(conninfo, _look_up_by_keys)

    async def open(self) -> None:
        """Raises psycopg_pool.PoolTimeout while there is no database."""
        for pool in (self.pool, self.hot_pool):
            await pool.open()
            await pool.wait(timeout=5)

    async def close(self) -> None:
        await asyncio.gather(self.pool.close(timeout=1), self.hot_pool.close(timeout=1))

    async def directory(self) -> Directory:
        async with self.hot_pool.connection() as connection:
            rows = await (await connection.execute(sql.DOMAINS)).fetchall()
        domains = [_domain_policy(row) for row in rows if row[1] is not None]
        blocked = blocked_networks(rows[0][-1] or "")
        return Directory({domain.name: domain for domain in domains}, rows[0][0], blocked)

    @asynccontextmanager
    async def batch(
        self,
        *,
        aors: Iterable[str],
        claims: Iterable[Claimed],
        nonces: Iterable[str],
        asked: Iterable[Asked] = (),
    ) -> AsyncIterator[Batch]:
        """Locks the AORs, reads all the batch needs in one round trip, and writes and commits in another.

        asked: what SUBSCRIBEs ask about, each of `aors`; their subscriptions are read, too."""
        aors, asked = list(aors), list(asked)
        locked = {*aors, *(one.lock_name for one in asked)}
        wanted = [{"domain_id": domain_id, "username": username} for domain_id, username in claims]
        async with self.hot_pool.connection() as connection, connection.pipeline(), connection.transaction():
            await connection.execute(sql.LOCK_AORS, {"keys": sql.lock_keys(locked)})
            # After the lock: times within an AOR never run backwards, whichever worker writes next.
            clock = await connection.execute(sql.CLOCK)
            accounts = await connection.execute(sql.ACCOUNTS, {"claims": sql.to_json(wanted)})
            bindings = await connection.execute(sql.BINDINGS_OF_AORS, {"aors": aors})
            records = await connection.execute(sql.NONCES, {"nonces": list(nonces)})
            batch = Batch(
                Snapshot(
                    now=(await clock.fetchall())[0][0],
                    accounts=self._accounts(await accounts.fetchall()),
                    bindings=_bindings_by_aor(await bindings.fetchall()),
                    nonces={row[0]: NonceRecord(*row) for row in await records.fetchall()},
                    subscriptions=await subscriptions_of(connection, [one.aor for one in asked]),
                    served=await served_aors(connection, asked),
                )
            )
            yield batch
            await _write(connection, batch, self.queue)

    async def aors_with_expired(self, limit: int) -> list[str]:
        """The AORs of at most `limit` expired bindings, the longest expired first."""
        return [row[0] for row in await self.fetch_by_keys(sql.AORS_WITH_EXPIRED, {"limit": limit})]

    async def put_off_due(self, limit: int) -> int:
        """Has the sweeper look at renewed bindings when they would expire now; how many, at most `limit`."""
        return len(await self.fetch_by_keys(sql.PUT_OFF_DUE, {"limit": limit}))

    async def aors_of_flows(self, flows: Iterable[str]) -> list[str]:
        async with self.pool.connection() as connection:
            rows = await (await connection.execute(sql.AORS_OF_FLOWS, {"flows": list(flows)})).fetchall()
        return [row[0] for row in rows]

    async def flows_of_dead_workers(self, good_for: timedelta, limit: int) -> list[str]:
        """Flows with bindings whose worker has not been seen for `good_for`."""
        params = {"good_for": good_for, "limit": limit}
        async with self.pool.connection() as connection:
            rows = await (await connection.execute(sql.FLOWS_OF_DEAD_WORKERS, params)).fetchall()
        return [row[0] for row in rows]

    async def flows_of_worker(self, worker: str) -> list[str]:
        """Flows of this worker with bindings or subscriptions."""
        async with self.pool.connection() as connection:
            rows = await (await connection.execute(sql.FLOWS_OF_WORKER, {"worker": worker})).fetchall()
        return [row[0] for row in rows]

    async def execute(self, statement: str, params: Mapping[str, Any] | None = None) -> None:
        """One of sql.py's statements in a transaction of its own."""
        async with self.pool.connection() as connection:
            await connection.execute(statement, params)

    async def fetch_by_keys(self, statement: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """As fetch, for what is looked up by keys alone."""
        async with self.hot_pool.connection() as connection:
            return await (await connection.execute(statement, params)).fetchall()

    async def fetch(self, statement: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of one of sql.py's statements."""
        async with self.pool.connection() as connection:
            return await (await connection.execute(statement, params)).fetchall()

    def opened(self, credentials: list[KeptHa1s]) -> OpenedHa1s:
        return OpenedHa1s(self.ha1_keys, credentials, self._tell)

    def _accounts(self, rows: Iterable[tuple[Any, ...]]) -> dict[Claimed, Account]:
        """One account per user name; during a rotation it has two credentials, both good, and then one that was."""
        by_claim: dict[Claimed, list[tuple[Any, ...]]] = defaultdict(list)
        for row in rows:
            by_claim[row[0], row[1]].append(row)
        return {claim: self._account(credentials) for claim, credentials in by_claim.items()}

    def _account(self, credentials: list[tuple[Any, ...]]) -> Account:
        good = [_kept_ha1s(row) for row in credentials if not row[-1]]
        retired = [_kept_ha1s(row) for row in credentials if row[-1]][:MOST_RETIRED]
        return _account(credentials[0], good, self.opened(good), self.opened(retired))

    def _tell(self, cannot: CannotOpen) -> None:
        """Once per key and process: every phone comes back each minute."""
        if str(cannot) not in self._told:
            self._told.add(str(cannot))
            logger.error("REGISTRAR_CREDENTIAL_KEYS: %s", cannot)


def _pool(
    conninfo: str, configure: Callable[[AnyConnection], Awaitable[None]] | None = None
) -> AsyncConnectionPool[AnyConnection]:
    return AsyncConnectionPool(
        conninfo,
        min_size=1,
        max_size=4,
        timeout=2,
        open=False,
        kwargs={"autocommit": True},
        configure=configure,
    )


async def _look_up_by_keys(connection: AnyConnection) -> None:
    await connection.execute(sql.BY_KEYS_ALONE)


async def _write(connection: AnyConnection, batch: Batch, queue: NotifyQueue | None) -> None:
    changes = batch.changes
    cause = cause_of(changes, batch.subscribed)
    # Asked before the rest is written, so that it costs no round trip of its own.
    asked = await queue.take(connection, cause) if queue is not None else None
    sums = [event for event in changes.events if event.event in SUMMED_EVENTS]
    await _write_sums(connection, sums, undone=False)
    await _write_sums(connection, changes.decoys, undone=True)
    others = [event for event in changes.events if event.event not in SUMMED_EVENTS]
    for statement, params in sql.write_statements(replace(changes, events=others)):
        cursor = await connection.execute(statement, params)
        if statement is sql.UPSERT_NONCES and len(await cursor.fetchall()) < len(changes.nonces):
            raise NonceCountTaken("a nonce count was taken meanwhile")
    if queue is not None and asked is not None:
        batch.notifies = await queue.write(connection, cause, asked, batch.snapshot.now)


async def _write_sums(connection: AnyConnection, events: list[Event], *, undone: bool) -> None:
    """Refusals of users who exist, or the like for those who do not, taken back: both cost the same."""
    if events:
        async with connection.transaction(force_rollback=undone):
            for statement, params in sql.write_statements(ChangeSet(events=events)):
                await connection.execute(statement, params)


def _domain_policy(row: tuple[Any, ...]) -> DomainPolicy:
    _, name, domain_id, realm, digest_order, least, default, most, *choices, _ = row
    spread, raise_brief, strict_cseq, outbound, any_contact, proxies, routes, version = choices
    return DomainPolicy(
        domain_id,
        name,
        realm,
        DIGEST_ORDERS[digest_order],
        least,
        default,
        most,
        expires_spread_percent=spread,
        raise_brief=raise_brief,
        strict_cseq=strict_cseq,
        outbound=outbound,
        any_contact=any_contact,
        edge_proxies=tuple(ip_network(network) for network in proxies.split()),
        service_routes=tuple(routes.splitlines()),
        version=version,
    )


def _bindings_by_aor(rows: Iterable[tuple[Any, ...]]) -> dict[str, tuple[StoredBinding, ...]]:
    by_aor: dict[str, list[StoredBinding]] = defaultdict(list)
    for row in rows:
        by_aor[row[0]].append(StoredBinding(*row))
    return {aor: tuple(bindings) for aor, bindings in by_aor.items()}


def _kept_ha1s(row: tuple[Any, ...]) -> KeptHa1s:
    _, username, credential_id, md5, sha256, sha512_256, peer_id = row[:7]
    return KeptHa1s(
        place_of(credential_id, peer_id, username),
        {Algorithm.MD5: md5, Algorithm.SHA256: sha256, Algorithm.SHA512_256: sha512_256},
    )


def _account(
    row: tuple[Any, ...], good: list[KeptHa1s], ha1s: OpenedHa1s, retired_ha1s: OpenedHa1s
) -> Account:
    peer_id, peer_name, extension_id, number, enabled, *limits, versions, _ = row[6:]
    max_contacts, when_full, least, most, accepts_no_qop, may_watch = limits
    return Account(
        peer_id=peer_id,
        peer_name=peer_name,
        extension_id=extension_id,
        extension_number=number,
        enabled=enabled,
        max_contacts=max_contacts,
        replace_when_full=when_full == "replace",
        min_expires_s=least,
        max_expires_s=most,
        ha1s=ha1s,
        accepts_no_qop=accepts_no_qop,
        retired_ha1s=retired_ha1s,
        may_watch=may_watch,
        lasting=LastingCredential(row[2], good[0].kept, versions) if versions and len(good) == 1 else None,
    )
