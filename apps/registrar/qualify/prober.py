"""Probes the phones of a worker: sends OPTIONS when their turn comes, repeats them, and takes the answers.

A background task of every worker over its Store's pool. A probe belongs to the worker that claims it; its answer may
reach any other one, so what became of it is in the table. Must not probe anything but the address a REGISTER came
from.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final
from uuid import UUID, uuid4
from zlib import crc32

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from apps.registrar.qualify import store
from apps.registrar.qualify.answers import ProbeAnswer, read_answers, take_up
from apps.registrar.qualify.options import Mark, build_options, make_branch
from apps.registrar.qualify.schedule import Schedule
from apps.registrar.qualify.store import Claimed, Reach
from apps.registrar.qualify.transactions import PATIENT_T1_S, Transaction, Transactions
from apps.registrar.regevent.notify import sent_by
from apps.registrar.rounds import DATABASE_TROUBLE, Rounds
from apps.sip.transactions import T1_S
from apps.sipserver.events import Address, Datagram

TICK_S: Final = 0.25
SCHEDULE_EVERY_S: Final = 10.0
TIDY_EVERY_S: Final = 60.0
# A worker that stood still may have answers it has not read: what was under way then is not judged.
STOOD_STILL_S: Final = 1.0

AnyConnection = AsyncConnection[Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Prober:
    """send: the ASGI one; changed hears the peers whose state changed; known_as: our host and port in the Via.
    clock: in seconds, the same for all processes of this machine."""

    def __init__(
        self,
        pool: AsyncConnectionPool[AnyConnection],
        reach: Reach,
        key: bytes,
        send: Send,
        changed: Callable[[Iterable[UUID]], None],
        known_as: Address,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pool = pool
        self.reach = reach
        self.key = key
        self.send = send
        self.changed = changed
        self.known_as = known_as
        self._clock = clock
        # Two hosts that began at one moment must not look like one.
        self._zero_us = crc32(reach.server.encode()) << 16
        self._schedule = Schedule({})
        self._ahead_s = 0.0
        self._looked_until_s = 0.0
        self._last_s = clock()
        self._under_way = Transactions()
        self._answers: dict[UUID, ProbeAnswer] = {}
        self._rounds = Rounds()

    def start(self) -> None:
        self._rounds.start(self.read_schedule, SCHEDULE_EVERY_S)
        self._rounds.start(self.probe, TICK_S)
        self._rounds.start(self.tidy, TIDY_EVERY_S)

    async def stop(self) -> None:
        await self._rounds.stop()

    def hear(self, datagrams: Iterable[Datagram]) -> None:
        """Takes the answers to probes among what a batch brought; they are written with the next tick."""
        for answer in read_answers(self.key, datagrams, self._stamp_us(self._clock())):
            take_up(self._answers, answer)
            self._under_way.end(answer.binding_id, answer.number)

    async def read_schedule(self) -> None:
        async with self.pool.connection() as connection:
            self._schedule, database_s = await store.read_schedule(connection, self.reach)
        self._ahead_s = database_s - self._clock()

    async def tidy(self) -> None:
        """Forgets bindings that are over."""
        async with self.pool.connection() as connection:
            await store.tidy(connection)

    async def probe(self) -> None:
        """One tick: writes what became of probes, then sends those whose turn has come and repeats others."""
        since_s, now_s = self._last_s, self._clock()
        self._last_s = now_s
        if now_s - since_s > TICK_S + STOOD_STILL_S:
            self._under_way.clear()
        due = self._turns(now_s + self._ahead_s)
        lost = [(one.binding_id, one.number) for one in self._under_way.take_lost(now_s)]
        repeats = self._under_way.to_repeat(now_s)
        if not (due or self._answers or lost or repeats):
            return
        try:
            async with self.pool.connection() as connection:
                await self._record(connection, lost)
                again = await self._to_send_again(connection, repeats) if repeats else []
                claimed = await store.claim(connection, self.reach, due) if due else []
        except DATABASE_TROUBLE:
            self._under_way.clear()  # whether others heard answers cannot be known now
            raise
        await self._send(again + [self._begin(one) for one in claimed])

    def _stamp_us(self, now_s: float) -> int:
        """The same clock for all workers of a host, another one for each host."""
        return int(now_s * 1e6) + self._zero_us

    def _turns(self, database_s: float) -> list[UUID]:
        since_s, self._looked_until_s = self._looked_until_s, database_s
        return self._schedule.due(since_s, database_s)

    async def _record(self, connection: AnyConnection, lost: list[tuple[UUID, int]]) -> None:
        answers, self._answers = self._answers, {}
        if not (answers or lost):
            return
        try:
            self.changed(await store.record(connection, answers.values(), lost))
        except BaseException:
            self._answers = answers | self._answers
            raise

    async def _to_send_again(
        self, connection: AnyConnection, repeats: list[Transaction]
    ) -> list[Transaction]:
        """Those of them nobody has heard an answer to; the others are over."""
        waiting = await store.still_waiting(connection, [one.binding_id for one in repeats])
        again = [one for one in repeats if (one.binding_id, one.number) in waiting]
        for one in again:
            one.repeated()
        for one in repeats:
            if (one.binding_id, one.number) not in waiting:
                self._under_way.end(one.binding_id, one.number)
        return again

    def _begin(self, claimed: Claimed) -> Transaction:
        """A probe with its branch and Call-ID, under way from now."""
        target, now_s = claimed.target, self._clock()
        t1_s = None if target.way.flow else PATIENT_T1_S if claimed.slow else T1_S
        mark = Mark(claimed.binding_id, claimed.number, int((t1_s or 0) * 1000), self._stamp_us(now_s))
        via = sent_by(self.known_as, target.domain, target.way.transport)
        branch = make_branch(self.key, mark, target.way.host)
        transaction = Transaction.begin(
            claimed.binding_id,
            claimed.number,
            build_options(target, via, branch, uuid4().hex),
            target.way.destination,
            now_s=now_s,
            interval_s=claimed.interval_s,
            t1_s=t1_s,
        )
        self._under_way.add(transaction)
        return transaction

    async def _send(self, transactions: list[Transaction]) -> None:
        if transactions:
            datagrams = [(one.data, one.destination) for one in transactions]
            await self.send({"type": "sip.send", "datagrams": datagrams})
