"""What was heard of trunks, kept in memory and written in the background at most once a second, never per packet.

The last packet of each trunk, how its carrier took the calls that went out, and the calls that were refused because
nobody knew where they came from: these become unknown attempts (registrar.models.Stranger), where a trunk's page finds
those of its neighbourhood. Bounded, whoever floods us; what is not written when the process dies is lost.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from apps.extensions.notices import REGISTRATIONS_CHANGED, payloads
from apps.registrar.sightings.sql import UPSERT_STRANGERS
from apps.registrar.sql import NOTIFY, to_json
from apps.sipserver.events import Origin
from apps.trunks import sql
from apps.trunks.findings import CallsRefused
from apps.trunks.trust import source_address
from apps.trunks.uplink.said import LONGEST_PHRASE
from apps.trunks.values import Trunk

Pool = AsyncConnectionPool[AsyncConnection[Any]]

FLUSH_EVERY_S: Final = 1.0
TELL_EVERY: Final = dt.timedelta(seconds=5)
MOST_REFUSED: Final = 1000
# A flood of forged sources is this many rows a second.
MOST_REFUSED_AT_ONCE: Final = 50
LONGEST_METHOD: Final = 32
# What a carrier says of us, not of whom we called: 5xx too, and nothing at all.
_OF_US: Final = frozenset({401, 402, 403, 407})


class CallRefusal(StrEnum):
    """Why a call from an address that no trunk is trusted from did not go on; the reason of its unknown attempt."""

    CHALLENGED = "call_challenged"
    NOT_TRUSTED = "call_not_trusted"


@dataclass(frozen=True, slots=True)
class LastPacket:
    at: dt.datetime
    origin: Origin
    method: str


@dataclass(slots=True)
class Refused:
    """How often, and from which port last."""

    first_at: dt.datetime
    last_at: dt.datetime
    port: int
    count: int = 1


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class TrunkSightings:
    """One process' memory. `flush` is called every FLUSH_EVERY_S."""

    def __init__(self, now: Callable[[], dt.datetime] = _now) -> None:
        self._now = now
        self._heard: dict[UUID, LastPacket] = {}
        self._refused: dict[tuple[CallRefusal, str], Refused] = {}
        self._taken: set[UUID] = set()
        self._refused_out: dict[UUID, CallsRefused] = {}
        self._told: dict[UUID, dt.datetime] = {}

    def heard(self, trunk: Trunk, origin: Origin, method: str) -> None:
        """This packet is the trunk's."""
        self._heard[trunk.peer_id] = LastPacket(self._now(), origin, method)

    def refused(self, origin: Origin, reason: CallRefusal) -> None:
        """This call comes from an address that no trunk is trusted from, and was challenged (407) or refused (403)."""
        host = str(source_address(origin.host) or "")
        key = (reason, host)
        if (known := self._refused.get(key)) is not None:
            known.count, known.last_at, known.port = known.count + 1, self._now(), origin.port
        elif host and len(self._refused) < MOST_REFUSED:
            self._refused[key] = Refused(self._now(), self._now(), origin.port)

    def called(self, trunk_id: UUID, status: int | None, phrase: str, *, proven: bool) -> None:
        """A call that went out through this trunk got this final answer, or none."""
        if not (status is None or status in _OF_US or 500 <= status < 600):
            self._taken.add(trunk_id)
            self._refused_out.pop(trunk_id, None)
            return
        now, known = self._now(), self._refused_out.get(trunk_id)
        since, count = (known.since, known.count + 1) if known else (now, 1)
        self._refused_out[trunk_id] = CallsRefused(since, now, count, status, phrase[:LONGEST_PHRASE], proven)

    async def flush(self, pool: Pool) -> None:
        """Writes down what there is. Raises registrar.rounds.DATABASE_TROUBLE, and then what there was is lost."""
        heard, self._heard = self._heard, {}
        taken_out, self._taken = self._taken, set()
        refused_out, self._refused_out = self._refused_out, {}
        taken = [(key, self._refused.pop(key)) for key in list(self._refused)[:MOST_REFUSED_AT_ONCE]]
        if not (heard or taken or taken_out or refused_out):
            return
        async with pool.connection() as connection:
            if heard:
                rows = [_heard_columns(peer_id, packet) for peer_id, packet in heard.items()]
                await connection.execute(sql.REMEMBER_HEARD, {"rows": to_json(rows)})
            changed = await _write_calls_out(connection, taken_out, refused_out)
            for payload in payloads(self._to_tell(heard.keys() | changed)):
                await connection.execute(NOTIFY, {"channel": REGISTRATIONS_CHANGED, "payload": payload})
            if taken and (rows := await _strangers(connection, taken)):
                await connection.execute(UPSERT_STRANGERS, {"rows": to_json(rows)})

    def _to_tell(self, concerned: Collection[UUID]) -> list[UUID]:
        """Whose pages hear of it at once; those of busy trunks do every TELL_EVERY."""
        now = self._now()
        told = {peer_id: at for peer_id, at in self._told.items() if at > now - TELL_EVERY}
        new = [peer_id for peer_id in concerned if peer_id not in told]
        self._told = told | dict.fromkeys(new, now)
        return new


async def _write_calls_out(
    connection: AsyncConnection[Any], taken: Collection[UUID], refused: Mapping[UUID, CallsRefused]
) -> set[UUID]:
    """The trunks of which something else is to be said now. One that took a call has no refusals any more."""
    changed = set(refused)
    if taken:
        cursor = await connection.execute(sql.FORGET_REFUSED_OUT, {"trunk_ids": list(taken)})
        changed |= {row[0] for row in await cursor.fetchall()}
    if refused:
        rows = [{"trunk_id": trunk_id, **asdict(one)} for trunk_id, one in refused.items()]
        await connection.execute(sql.ADD_REFUSED_OUT, {"rows": to_json(rows)})
    return changed


async def _strangers(
    connection: AsyncConnection[Any], taken: list[tuple[tuple[CallRefusal, str], Refused]]
) -> list[dict[str, Any]]:
    """Without the challenges of registered phones: those are how every call of theirs begins."""
    challenged = [host for (reason, host), _ in taken if reason is CallRefusal.CHALLENGED]
    found = await (await connection.execute(sql.HOSTS_OF_PHONES, {"hosts": challenged})).fetchall()
    phones = {row[0] for row in found}
    return [
        _refused_columns(reason, host, refused)
        for (reason, host), refused in taken
        if reason is not CallRefusal.CHALLENGED or host not in phones
    ]


def _heard_columns(peer_id: UUID, packet: LastPacket) -> dict[str, Any]:
    return {
        "peer_id": peer_id,
        "at": packet.at,
        "received_addr": str(source_address(packet.origin.host)),
        "received_port": packet.origin.port,
        "transport": packet.origin.transport,
        "method": packet.method[:LONGEST_METHOD],
    }


def _refused_columns(reason: CallRefusal, host: str, refused: Refused) -> dict[str, Any]:
    return {
        "reason": reason,
        "domain": "",
        "username": "",
        "received_addr": host,
        "received_port": refused.port,
        "user_agent": "",
        "count": refused.count,
        "first_at": refused.first_at,
        "last_at": refused.last_at,
        "meant_peer_id": None,
    }
