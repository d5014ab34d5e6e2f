"""What was heard of trunks, kept in memory and written in the background at most once a second, never per packet.

The last packet of each trunk, and the calls that were refused because nobody knew where they came from: the latter
become unknown attempts (registrar.models.Stranger), where a trunk's page finds those of its neighbourhood. Bounded,
whoever floods us; what is not written when the process dies is lost.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from apps.trunks.trust import source_address
from apps.trunks.values import Trunk

Pool = AsyncConnectionPool[AsyncConnection[Any]]

FLUSH_EVERY_S: Final = 1.0
TELL_EVERY: Final = dt.timedelta(seconds=5)
MOST_REFUSED: Final = 1000
# A flood of forged sources is this many rows a second.
MOST_REFUSED_AT_ONCE: Final = 50
LONGEST_METHOD: Final = 32


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

    async def flush(self, pool: Pool) -> None:
        """Writes down what there is. Raises registrar.rounds.DATABASE_TROUBLE, and then what there was is lost."""
        heard, self._heard = self._heard, {}
        taken = [(key, self._refused.pop(key)) for key in list(self._refused)[:MOST_REFUSED_AT_ONCE]]
        if not (heard or taken):
            return
        async with pool.connection() as connection:
            if heard:
                rows = [_heard_columns(peer_id, packet) for peer_id, packet in heard.items()]
                await connection.execute(sql.REMEMBER_HEARD, {"rows": to_json(rows)})
                for payload in payloads(self._to_tell(heard)):
                    await connection.execute(NOTIFY, {"channel": REGISTRATIONS_CHANGED, "payload": payload})
            if rows := await _strangers(connection, taken):
                await connection.execute(UPSERT_STRANGERS, {"rows": to_json(rows)})

    def _to_tell(self, heard: Mapping[UUID, LastPacket]) -> list[UUID]:
        """Whose pages hear of it at once; those of busy trunks do every TELL_EVERY."""
        told = {peer_id: at for peer_id, at in self._told.items() if at > self._now() - TELL_EVERY}
        new = {peer_id: packet.at for peer_id, packet in heard.items() if peer_id not in told}
        self._told = told | new
        return list(new)


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
