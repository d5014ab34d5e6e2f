"""Writes down what traced peers' phones and the registrar say to each other, beside the work and never before it.

The hot path keeps raw messages in a bounded list while anything is traced, and asks one bool while nothing is. Whose a
message is and what of it is secret is found out in a background round, which writes all of it in one statement.
"""

import asyncio
import datetime as dt
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from apps.registrar.bindings import Address
from apps.registrar.rounds import DATABASE_TROUBLE, Rounds
from apps.registrar.store import Store
from apps.registrar.trace import sql
from apps.registrar.trace.masking import masked
from apps.registrar.trace.matching import Traced, call_id, concerned
from apps.registrar.trace.messages import MOST_BYTES, Direction, Message
from apps.sipserver.addresses import format_address, local_host
from apps.sipserver.events import Datagram, Origin, transport_of

LOOK_EVERY_S: Final = 0.5
FLUSH_EVERY_S: Final = 0.25
TIDY_EVERY_S: Final = 60.0

MOST_UNSORTED: Final = 4000
MOST_PER_FLUSH: Final = 50
"""Of one peer; a flood under its name costs no more, and the newest stay."""
MOST_CALLS: Final = 500
SORTED_AT_ONCE: Final = 50
# The workers of one machine tell the order of their messages by its clock, to the microsecond; how far the database's
# is from that each finds out to some milliseconds only.
SAME_CLOCK: Final = dt.timedelta(seconds=1)

# The machine's time, way, first bytes, length, other end.
Noted = tuple[float, Direction, bytes, int, Address | Origin]


class Recorder:
    """Of one worker. `server` is what it is called where the address a message came to is not known."""

    def __init__(self, store: Store, server: Address) -> None:
        self.store = store
        self.server = server
        self.is_on = False
        self._traced: list[Traced] = []
        self._served: frozenset[str] = frozenset()
        self._ahead = dt.timedelta()
        self._noted: deque[Noted] = deque(maxlen=MOST_UNSORTED)
        # An answer may not name the user whose credentials it is about: it has the Call-ID of one that did.
        self._calls: OrderedDict[bytes, set[UUID]] = OrderedDict()
        self._rounds = Rounds()

    def start(self) -> None:
        self._rounds.start(self.look, LOOK_EVERY_S)
        self._rounds.start(self.flush, FLUSH_EVERY_S)
        self._rounds.start(self.tidy, TIDY_EVERY_S)

    async def stop(self) -> None:
        """What is noted is written, if the database is there."""
        await self._rounds.stop()
        try:
            await self.flush()
        except DATABASE_TROUBLE:
            return

    def received(self, datagrams: Iterable[Datagram]) -> None:
        self._note(Direction.IN, datagrams)

    def sent(self, datagrams: Iterable[Datagram]) -> None:
        self._note(Direction.OUT, datagrams)

    async def look(self) -> None:
        """Who is traced now, and whether the database's clock is another."""
        asked_s = time.time()
        rows = await self.store.fetch(sql.TRACED)
        now, served = rows[0][:2]
        ahead = now - _moment((asked_s + time.time()) / 2)
        self._ahead = ahead if abs(ahead) >= SAME_CLOCK else dt.timedelta()
        self._served = frozenset(served or ())
        self._traced = [
            Traced(peer_id, frozenset(names), frozenset(places))
            for _, _, peer_id, places, names in rows
            if peer_id is not None
        ]
        self.is_on = bool(self._traced)
        if not self.is_on:
            self._calls.clear()

    async def flush(self) -> None:
        rows = await self._sorted()
        if rows:
            await self.store.execute(sql.INSERT_MESSAGES, sql.message_params(rows))

    async def tidy(self) -> None:
        await self.store.execute(sql.DELETE_OLD, {"kept_for": sql.KEPT_FOR})

    def _note(self, direction: Direction, datagrams: Iterable[Datagram]) -> None:
        at_s = time.time()
        for data, other in datagrams:
            self._noted.append((at_s, direction, data[:MOST_BYTES], len(data), other))

    async def _sorted(self) -> list[tuple[UUID, Message]]:
        noted, self._noted = self._noted, deque(maxlen=MOST_UNSORTED)
        by_peer: dict[UUID, deque[Noted]] = {}
        for number, one in enumerate(noted, 1):
            for peer_id in self._peers_of(one[2]):
                by_peer.setdefault(peer_id, deque(maxlen=MOST_PER_FLUSH)).append(one)
            if number % SORTED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return [(peer_id, self._message(one)) for peer_id, kept in by_peer.items() for one in kept]

    def _peers_of(self, data: bytes) -> set[UUID]:
        found = concerned(data, self._traced, self._served)
        call = call_id(data)
        if call is None:
            return found
        if found:
            found |= self._calls.pop(call, set())
            self._calls[call] = found
            while len(self._calls) > MOST_CALLS:
                self._calls.popitem(last=False)
        return found or self._calls.get(call, set())

    def _message(self, noted: Noted) -> Message:
        at_s, direction, data, size, other = noted
        ends = (format_address(other[:2]), self._own_end(other))
        source, destination = ends if direction is Direction.IN else ends[::-1]
        transport = transport_of(other)
        return Message(
            _moment(at_s) + self._ahead, direction, source, destination, transport, masked(data), size
        )

    def _own_end(self, other: Address | Origin) -> str:
        told = other.local if isinstance(other, Origin) else None
        host, port = self.server
        return format_address((local_host(told) if told else host, port))


def _moment(at_s: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_s, dt.UTC)
