"""The probes in PostgreSQL: whose turn it is, who sends, and what came of it. Knows rows, not SIP."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from apps.registrar.qualify import sql
from apps.registrar.qualify.answers import ProbeAnswer
from apps.registrar.qualify.options import Target
from apps.registrar.qualify.schedule import Schedule, share
from apps.registrar.regevent.values import Way
from apps.registrar.sql import to_json
from apps.registrar.sweeper import WORKER_GOOD_FOR

AnyConnection = AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom a worker can probe: who came to the UDP socket of `server` ("" without one), shared with the other workers
    there, and who holds a connection of its own."""

    server: str
    worker: str

    def params(self) -> dict[str, Any]:
        return {"server": self.server, "worker": self.worker, **sql.LIMITS}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A probe that is this worker's to send now. slow: the last round trip was long, or too long to be told."""

    binding_id: UUID
    number: int
    interval_s: int
    slow: bool
    target: Target


async def read_schedule(connection: AnyConnection, reach: Reach) -> tuple[Schedule, float]:
    """Whom this worker is to probe, and the database's time in seconds since the epoch."""
    params = {**reach.params(), "good_for": WORKER_GOOD_FOR}
    rows = await (await connection.execute(sql.SCHEDULE, params)).fetchall()
    now_s, workers = (await (await connection.execute(sql.CLOCK_AND_WORKERS, params)).fetchall())[0]
    intervals: dict[int, list[UUID]] = {}
    for interval_s, is_shared, raw in rows:
        ids = [UUID(bytes=raw[at : at + 16]) for at in range(0, len(raw), 16)]
        intervals.setdefault(interval_s, []).extend(share(ids, workers, reach.worker) if is_shared else ids)
    return Schedule(intervals), now_s


async def claim(connection: AnyConnection, reach: Reach, binding_ids: Sequence[UUID]) -> list[Claimed]:
    """Those of the bindings that are still there, as they are now, and not probed by anybody else meanwhile."""
    cursor = await connection.execute(sql.CLAIM, {**reach.params(), "ids": list(binding_ids)})
    return [_claimed(row) for row in await cursor.fetchall()]


async def still_waiting(connection: AnyConnection, binding_ids: Iterable[UUID]) -> set[tuple[UUID, int]]:
    """(binding, number) of the probes nobody has heard an answer to, of bindings that have not moved."""
    cursor = await connection.execute(sql.STILL_WAITING, {"ids": list(binding_ids)})
    return {(row[0], row[1]) for row in await cursor.fetchall()}


async def record(
    connection: AnyConnection, answers: Collection[ProbeAnswer], lost: Collection[tuple[UUID, int]]
) -> set[UUID]:
    """Writes what became of probes, with a ledger event where a phone is lost or regained: whose state changed."""
    rows = [{"answered": True, **asdict(answer)} for answer in answers]
    answered = {answer.binding_id for answer in answers}
    rows += [
        {"answered": False, "binding_id": binding_id, "number": number}
        for binding_id, number in lost
        if binding_id not in answered
    ]
    cursor = await connection.execute(sql.RECORD, {**sql.LIMITS, "rows": to_json(rows)})
    return {row[0] for row in await cursor.fetchall()}


async def tidy(connection: AnyConnection) -> None:
    await connection.execute(sql.TIDY)


def _claimed(row: tuple[Any, ...]) -> Claimed:
    binding_id, number, interval_s, slow, contact, aor, path, host, port, transport, flow, local = row
    way = Way(host, port, transport, flow, None if local is None else bytes(local))
    return Claimed(binding_id, number, interval_s, slow, Target(contact, aor, way, path))
