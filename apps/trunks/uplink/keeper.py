"""Keeps our registrations with carriers, and asks their servers whether they are there.

A background task of the call process, over its pool and its socket. Of all processes on one database the holder of the
lease works; the next takes over when it stops (at once) or dies (sql.LEASE_S). Must not decide what is said: that is
steps.py and probes.py.
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from apps.registrar.rounds import DATABASE_TROUBLE, Rounds
from apps.sip.branches import is_uplink_reply
from apps.sip.reply import parse_reply
from apps.sipserver.events import Address, Datagram, Origin
from apps.trunks.sealing import CannotOpenPassword, TrunkKeys
from apps.trunks.servers import DEFAULT_TLS_PORT, Server, default_port, way_of
from apps.trunks.uplink import store
from apps.trunks.uplink.names import Resolve, resolve
from apps.trunks.uplink.probes import Probes, ProbeState
from apps.trunks.uplink.sql import LEASE_S
from apps.trunks.uplink.steps import Uplink
from apps.trunks.uplink.store import Asked
from apps.trunks.uplink.values import Account, Chance, Standing, UplinkReason, UplinkState

LEAD_EVERY_S: Final = 2.0
TICK_S: Final = 0.25
# We stop before another may begin, however far the clocks run apart in these seconds.
MARGIN_S: Final = 2.0

AnyConnection = AsyncConnection[Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
# By trunk, the servers that calls to it go to.
Servers = Callable[[], Mapping[UUID, Collection[Address | Origin]]]

logger = logging.getLogger(__name__)


def by_chance() -> Chance:
    return Chance(lambda: secrets.token_hex(16), random.random)


class UplinkKeeper:
    """send: the ASGI one; known_as: host and port of ours for Via and Contact, the host empty where it is not known;
    tls_port: ours for carriers that are spoken to over TLS; name: this process', unlike any other's."""

    def __init__(
        self,
        pool: AsyncConnectionPool[AnyConnection],
        send: Send,
        known_as: Address,
        keys: TrunkKeys,
        name: str,
        *,
        tls_port: int = DEFAULT_TLS_PORT,
        servers: Servers = dict,
        resolve: Resolve = resolve,
        clock: Callable[[], float] = time.monotonic,
        chance: Chance | None = None,
    ) -> None:
        self.pool = pool
        self.send = send
        self.known_as = known_as
        self._tls_port = tls_port
        self.keys = keys
        self.name = name
        self._servers = servers
        self._resolve = resolve
        self._clock = clock
        self._chance = chance or by_chance()
        self.probes = Probes(self._chance.token, uuid4)
        self._leads_until_s = float("-inf")
        self._ahead_s = 0.0
        self._uplinks: dict[UUID, Uplink] = {}
        self._leaving: list[Uplink] = []
        # What is to be said of registrations that have no Uplink: off, or unreadable.
        self._still: dict[tuple[UUID, int], Standing] = {}
        self._written: dict[tuple[UUID, int], Standing] = {}
        self._probes_written: dict[UUID, ProbeState] = {}
        self._outbox: list[Datagram] = []
        self._lookups: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._rounds = Rounds()

    @property
    def is_leading(self) -> bool:
        return self._clock() < self._leads_until_s

    def start(self) -> None:
        self._rounds.start(self.lead, LEAD_EVERY_S)
        self._rounds.start(self.tick, TICK_S, news=self._news)

    async def stop(self) -> None:
        """Registrations stay with the carrier; another process goes on with them at once."""
        await self._rounds.stop()
        for task in self._lookups:
            task.cancel()
        await asyncio.gather(*self._lookups, return_exceptions=True)
        try:
            async with self.pool.connection() as connection:
                await self._write(connection)
                await store.leave_lease(connection, self.name)
        except DATABASE_TROUBLE as error:
            logger.warning("could not give up registrations with carriers: %s", error)

    def hear(self, datagrams: Iterable[Datagram]) -> None:
        """Takes the answers that are for us among what a batch brought."""
        for data, _ in datagrams:
            reply = parse_reply(data) if is_uplink_reply(data) else None
            if reply is None:
                continue
            now_s = self._clock()
            self.probes.hear(reply, now_s)
            for uplink in (*self._uplinks.values(), *self._leaving):
                self._outbox += uplink.hear(reply, now_s)
            self._news.set()

    def flows_closed(self, flows: Collection[str]) -> None:
        """Connections are gone, ours to carriers perhaps among them."""
        now_s = self._clock()
        for uplink in (*self._uplinks.values(), *self._leaving):
            self._outbox += uplink.flows_closed(flows, now_s)
        self._news.set()

    async def lead(self) -> None:
        """Takes or renews the lease, and reads what is asked for."""
        began_s = self._clock()
        async with self.pool.connection() as connection:
            database_s = await store.take_lease(connection, self.name)
            if database_s is None:
                self._step_down()
                return
            is_new = self._leads_until_s == float("-inf")
            self._leads_until_s = began_s + LEASE_S - MARGIN_S
            self.probes.ahead_s = self._ahead_s = database_s - self._clock()
            self._take(await store.read_registrations(connection, self._ahead_s))
            await self._aim(connection, is_new)
        self._news.set()

    async def tick(self) -> None:
        """Sends what is due, and writes what changed."""
        if not self.is_leading:
            return
        now_s = self._clock()
        for uplink in (*self._uplinks.values(), *self._leaving):
            self._outbox += uplink.due(now_s)
            if uplink.wants is not None:
                self._look_up(uplink)
        self._leaving = [uplink for uplink in self._leaving if not uplink.is_over]
        if self.known_as[0]:
            self._outbox += self.probes.due(self.known_as, now_s)
        outbox, self._outbox = self._outbox, []
        if outbox:
            await self.send({"type": "sip.send", "datagrams": outbox})
        if self._unwritten() or self._probes_unwritten():
            async with self.pool.connection() as connection:
                await self._write(connection)

    def _step_down(self) -> None:
        """Another process keeps them, with what we wrote last."""
        self._leads_until_s = float("-inf")
        self._uplinks, self._leaving, self._still, self._written = {}, [], {}, {}
        self._outbox, self._probes_written = [], {}
        self.probes = Probes(self._chance.token, uuid4)

    def _take(self, rows: list[Asked]) -> None:
        """Begins what is new or changed, and leaves what is no more."""
        now_s = self._clock()
        self._still = {}
        for row in rows:
            self._written.setdefault((row.trunk_id, row.standing_version or 0), row.standing or _nothing(0))
            known = self._uplinks.get(row.trunk_id)
            if not row.is_on:
                self._switch_off(row, now_s)
            elif known is None or (known.account.version, known.account.transport) != (
                row.version,
                row.transport,
            ):
                self._begin(row, now_s)
        for trunk_id in self._uplinks.keys() - {row.trunk_id for row in rows}:
            self._leave(self._uplinks.pop(trunk_id), now_s)

    def _begin(self, row: Asked, now_s: float) -> None:
        account = self._account(row, now_s)
        known = self._uplinks.pop(row.trunk_id, None)
        if account is None:
            if known is not None:
                self._leave(known, now_s)
            return
        standing = row.standing if row.standing_version == row.version else None
        if known is not None:
            # The same contact is renewed, not taken back first: it would be gone for a moment, or for good.
            if _means_the_same(known.account, account):
                standing = replace(known.standing, next_attempt_s=now_s, failures=0)
                standing = standing if standing.is_registered(now_s) else None
            else:
                self._leave(known, now_s)
                standing = None
        elif standing is not None and self._is_elsewhere(standing, account):
            standing = None
        self._uplinks[row.trunk_id] = Uplink(account, self._own(account), self._chance, now_s, standing)

    def _is_elsewhere(self, standing: Standing, account: Account) -> bool:
        """The carrier has another contact than ours, of the process that died."""
        own = self._own(account)
        return bool(standing.contact and own[0]) and standing.contact != account.contact(own)

    def _own(self, account: Account) -> Address:
        return (self.known_as[0], self._tls_port) if account.over == "TLS" else self.known_as

    def _switch_off(self, row: Asked, now_s: float) -> None:
        """Leaves, also in place of a process that could not any more; then says that it is off."""
        known = self._uplinks.pop(row.trunk_id, None)
        key = (row.trunk_id, row.version)
        if known is not None:
            self._leave(known, now_s)
        elif row.standing is not None and row.standing.is_registered(now_s):
            account = self._account(row, now_s)
            if account is not None and not self._is_elsewhere(row.standing, account):
                self._leave(Uplink(account, self._own(account), self._chance, now_s, row.standing), now_s)
        self._still[key] = _nothing(now_s)

    def _leave(self, uplink: Uplink, now_s: float) -> None:
        self._outbox += uplink.leave(now_s)
        self._leaving.append(uplink)

    def _account(self, row: Asked, now_s: float) -> Account | None:
        try:
            return row.account(self.keys)
        except CannotOpenPassword as cannot:
            key = (row.trunk_id, row.version)
            if key not in self._written:
                logger.error("REGISTRAR_CREDENTIAL_KEYS: %s", cannot)  # noqa: TRY400 - says all there is
            self._still[key] = Standing(UplinkState.REFUSED, now_s, UplinkReason.SECRET_UNREADABLE)
            return None

    async def _aim(self, connection: AnyConnection, is_new: bool) -> None:
        """Whom to probe: where calls to a trunk go, and where it is registered."""
        probed = await store.read_probed(connection)
        servers = {trunk_id: set(ways) for trunk_id, ways in self._servers().items()}
        for trunk_id, uplink in self._uplinks.items():
            servers.setdefault(trunk_id, set()).update(uplink.servers)
        targets = {
            (trunk_id, server[:2]): replace(asking, way=server if isinstance(server, Origin) else None)
            for trunk_id, asking in probed.items()
            for server in servers.get(trunk_id, ())
        }
        kept = await store.read_probes(connection, self._ahead_s) if is_new else {}
        if self.probes.aim(targets, kept, self._clock()):
            self._probes_written = {}
            await store.forget_probes(connection, self.probes.known.keys())

    def _look_up(self, uplink: Uplink) -> None:
        """Once for each question."""
        name = f"address for {id(uplink)}"
        if any(task.get_name() == name for task in self._lookups):
            return
        task = asyncio.create_task(self._found(uplink), name=name)
        self._lookups.add(task)
        task.add_done_callback(self._lookups.discard)

    async def _found(self, uplink: Uplink) -> None:
        wanted, transport = uplink.wants, uplink.account.transport
        assert wanted is not None
        if wanted.port is None:
            wanted = Server(wanted.host, default_port(transport))
        addresses, own_host = await self._resolve(wanted, self.known_as[0])
        servers = [way_of(address, transport, wanted.host) for address in addresses]
        self._outbox += uplink.found(servers, own_host, self._clock())
        self._news.set()

    def _unwritten(self) -> dict[tuple[UUID, int], Standing]:
        """How registrations stand, where that differs from what was written."""
        now = {(one.account.trunk_id, one.account.version): one.standing for one in self._uplinks.values()}
        now |= {key: still for key, still in self._still.items() if not self._is_the_same(key, still)}
        return {key: standing for key, standing in now.items() if self._written.get(key) != standing}

    def _is_the_same(self, key: tuple[UUID, int], still: Standing) -> bool:
        """But for when it was said."""
        written = self._written.get(key)
        return written is not None and replace(written, since_s=still.since_s) == still

    def _probes_unwritten(self) -> list[ProbeState]:
        return [state for key, state in self.probes.known.items() if self._probes_written.get(key) != state]

    async def _write(self, connection: AnyConnection) -> None:
        if not self.is_leading:
            return
        standings, probes = self._unwritten(), self._probes_unwritten()
        changed = {trunk_id for trunk_id, _ in standings}
        for state in probes:
            before = self._probes_written.get(state.id)
            if before is None or before.state != state.state:
                changed.add(state.trunk_id)
        if standings or probes:
            await store.write(connection, standings, probes, changed, self._ahead_s)
        self._written |= standings
        self._probes_written |= {state.id: state for state in probes}


def _nothing(now_s: float) -> Standing:
    return Standing(UplinkState.UNREGISTERED, now_s)


def _means_the_same(a: Account, b: Account) -> bool:
    """Whether both register the same contact of the same address of record at the same place."""
    places = [(one.registrar, one.outbound_proxy, one.aor, one.contact_user, one.transport) for one in (a, b)]
    return places[0] == places[1]
