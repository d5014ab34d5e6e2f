"""All trunks as last read: whose a packet is, what a number means, which way a call goes out.

Re-reads a version, which costs one short query, and the rest only when it differs. Trusts nobody before the first read,
and nobody once the last good one is too old. Must not write.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from apps.registrar.blocking import BlockedNetworks, blocked_networks
from apps.sipserver.events import Address, Origin
from apps.trunks import sql
from apps.trunks.numbers import Inbound, Mapped, Outbound, normal
from apps.trunks.sealing import CannotOpenPassword, TrunkKeys
from apps.trunks.servers import default_port, is_address, split_server, way_of
from apps.trunks.trust import Entry, TrustTable, source_address
from apps.trunks.uplink.sql import ACCOUNTS
from apps.trunks.uplink.store import account_of
from apps.trunks.uplink.values import Account
from apps.trunks.values import CallMode, Trunk

Pool = AsyncConnectionPool[AsyncConnection[Any]]

# How often refresh() is to be called, so that a change acts within a second (C118).
REFRESH_EVERY_S: Final = 0.5
# While the database is away.
TRUSTED_FOR_S: Final = 10.0
# While a name server is away.
NAMES_GOOD_FOR: Final = timedelta(hours=1)
_GOOD_FOR: Final = {"good_for": NAMES_GOOD_FOR}


@dataclass(frozen=True, slots=True)
class Carrier:
    """A trunk with its numbers. Of two that a number fits equally the lower priority comes first."""

    trunk: Trunk
    inbound: Inbound
    outbound: Outbound
    priority: int


@dataclass(frozen=True, slots=True)
class Known:
    """One reading of the tables. carriers: the enabled ones."""

    table: TrustTable = field(default_factory=TrustTable)
    blocked: BlockedNetworks = field(default_factory=lambda: blocked_networks(""))
    carriers: Mapping[UUID, Carrier] = field(default_factory=dict)


class TrunkDirectory:
    """Carriers, for one process. `refresh` is called every REFRESH_EVERY_S. keys: of passwords at carriers; without
    them no trunk has an account."""

    def __init__(
        self, pool: Pool, clock: Callable[[], float] = time.monotonic, keys: TrunkKeys | None = None
    ) -> None:
        self._pool = pool
        self._keys = keys
        self._clock = clock
        self._known = Known()
        self._version: object = None
        self._read_at: float | None = None

    async def refresh(self) -> None:
        """What was committed before now is in force when this returns. Raises registrar.rounds.DATABASE_TROUBLE."""
        asked_at = self._clock()
        async with self._pool.connection() as connection:
            version = await (await connection.execute(sql.VERSION, _GOOD_FOR)).fetchone()
            if self._read_at is None or version != self._version:
                async with connection.transaction():
                    await connection.execute(sql.READ_AT_ONE_MOMENT)
                    # Again: what it was then has to belong to what is read now.
                    version = await (await connection.execute(sql.VERSION, _GOOD_FOR)).fetchone()
                    tables = await _read(connection)
                # Thousands of lines take a moment, and calls go on meanwhile.
                self._known = await asyncio.to_thread(_known, tables, self._keys)
                self._version = version
        self._read_at = asked_at

    @property
    def is_trusting(self) -> bool:
        """Whether what was read is young enough to be believed (C117)."""
        return self._read_at is not None and self._clock() - self._read_at <= TRUSTED_FOR_S

    def servers(self) -> Mapping[UUID, Sequence[Address | Origin]]:
        """Where calls to each trunk go."""
        return {peer_id: carrier.trunk.servers for peer_id, carrier in self._known.carriers.items()}

    def account_of(self, trunk_id: UUID, way: Address | Origin) -> Account | None:
        """What its challenges are answered with; None where the way is not to a server of the trunk."""
        carrier = self._known.carriers.get(trunk_id)
        if carrier is None or way not in carrier.trunk.servers:
            return None
        return carrier.trunk.account

    def trunk_at(self, host: str, port: int, transport: str) -> Trunk | None:
        if not self.is_trusting:
            return None
        peer_id = self._known.table.trunk_at(host, port, transport)
        carrier = self._known.carriers.get(peer_id) if peer_id else None
        if carrier is None or self._known.blocked.cover(str(source_address(host))):
            return None
        return carrier.trunk

    def extension_for(self, trunk: Trunk, number: str) -> str | None:
        carrier = self._known.carriers.get(trunk.peer_id) if self.is_trusting else None
        return carrier.inbound.extension_for(number) if carrier else None

    def ways_out(self, domain: str, number: str) -> tuple[tuple[Trunk, str], ...]:
        """The longest prefix first, then the lowest priority, then by name. A trunk without a server takes none."""
        dialled = normal(number)
        if dialled is None or not self.is_trusting:
            return ()
        found = [
            (-fit, carrier.priority, carrier.trunk.name, carrier)
            for carrier in self._known.carriers.values()
            if carrier.trunk.domain == domain
            and carrier.trunk.servers
            and (fit := carrier.outbound.fit(dialled)) is not None
        ]
        ways = (carrier for *_, carrier in sorted(found, key=lambda one: one[:3]))
        return tuple((carrier.trunk, carrier.outbound.rule.apply(dialled) or "") for carrier in ways)


@dataclass(frozen=True, slots=True)
class _Tables:
    """The rows of one moment."""

    trunks: list[tuple[Any, ...]]
    trusted: list[tuple[Any, ...]]
    numbers: list[tuple[Any, ...]]
    accounts: list[tuple[Any, ...]]
    resolved: list[tuple[Any, ...]]
    blocked: str


async def _read(connection: AsyncConnection[Any]) -> _Tables:
    async def rows(statement: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        return await (await connection.execute(statement, params)).fetchall()

    return _Tables(
        trunks=await rows(sql.TRUNKS),
        trusted=await rows(sql.TRUSTED, _GOOD_FOR),
        numbers=await rows(sql.NUMBERS),
        accounts=await rows(ACCOUNTS),
        resolved=await rows(sql.RESOLVED, _GOOD_FOR),
        blocked=(await rows(sql.BLOCKED))[0][0] or "",
    )


def _known(tables: _Tables, keys: TrunkKeys | None) -> Known:
    enabled = {row[0] for row in tables.trunks if row[3]}
    resolved: dict[str, list[str]] = dict(tables.resolved)
    by_peer: dict[UUID, dict[str, str]] = defaultdict(dict)
    for peer_id, number, extension in tables.numbers:
        by_peer[peer_id][number] = extension
    accounts = dict(_accounts(tables.accounts, keys)) if keys is not None else {}
    return Known(
        table=TrustTable(_entries(tables.trusted, enabled)),
        blocked=blocked_networks(tables.blocked),
        carriers={
            row[0]: _carrier(row, by_peer[row[0]], resolved, accounts.get(row[0]))
            for row in tables.trunks
            if row[3]
        },
    )


def _accounts(rows: Iterable[tuple[Any, ...]], keys: TrunkKeys) -> Iterable[tuple[UUID, Account]]:
    """Without those whose password cannot be opened: whoever keeps registrations says so."""
    for trunk_id, version, *fields in rows:
        with suppress(CannotOpenPassword):
            yield trunk_id, account_of(trunk_id, version, fields, keys)


def _entries(rows: Iterable[tuple[Any, ...]], enabled: set[UUID]) -> Iterable[Entry]:
    for peer_id, network, port, transport in rows:
        named = "" if transport == "any" else transport.upper()
        yield Entry(ip_network(network), peer_id, port, named, peer_id in enabled)


def _carrier(
    row: tuple[Any, ...],
    numbers: Mapping[str, str],
    resolved: Mapping[str, list[str]],
    account: Account | None,
) -> Carrier:
    peer_id, name, domain, _, call_mode, server, transport, *numbering = row
    in_strip, in_add, prefixes, out_strip, out_add, priority = numbering
    trunk = Trunk(
        peer_id=peer_id,
        name=name,
        domain=domain,
        call_mode=CallMode(call_mode),
        servers=_servers(server, transport, resolved),
        account=account,
        host=_host_name(server),
    )
    inbound = Inbound(Mapped(in_strip, in_add), numbers)
    return Carrier(trunk, inbound, Outbound(tuple(prefixes.split()), Mapped(out_strip, out_add)), priority)


def _host_name(server: str) -> str:
    split = split_server(server)
    return "" if split is None or is_address(split.host) else split.host


def _servers(server: str, transport: str, resolved: Mapping[str, list[str]]) -> tuple[Address | Origin, ...]:
    split = split_server(server)
    if split is None:
        return ()
    host, port = split
    hosts = [host] if is_address(host) else resolved.get(host, [])
    return tuple(way_of((each, port or default_port(transport)), transport, host) for each in hosts)
