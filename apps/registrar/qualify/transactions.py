"""The probes under way of one worker, as client transactions: when each is sent again, and when it is lost
(RFC 3261 §17.1.2). Pure; times are seconds of the worker's monotonic clock.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from apps.sip.transactions import LIFE_S, T2_S
from apps.sipserver.events import Address, Origin

# Where the round trip is known to be long T1 may be longer (§17.1.1.1); and only a request that was not repeated
# tells how long it takes (Karn).
PATIENT_T1_S: Final = 2.0
# Before the binding's next turn can come, even at the shortest interval.
BEFORE_NEXT_S: Final = 0.5


@dataclass(slots=True)
class Transaction:
    """A probe that was sent. next_s: when it is sent again, None over a connection."""

    binding_id: UUID
    number: int
    data: bytes
    destination: Address | Origin
    ends_s: float
    next_s: float | None
    gap_s: float

    @classmethod
    def begin(
        cls,
        binding_id: UUID,
        number: int,
        data: bytes,
        destination: Address | Origin,
        *,
        now_s: float,
        interval_s: float,
        t1_s: float | None,
    ) -> "Transaction":
        """Sent now; t1_s None: it is not repeated."""
        ends_s = now_s + min(LIFE_S, interval_s - BEFORE_NEXT_S)
        next_s = None if t1_s is None else now_s + t1_s
        return cls(binding_id, number, data, destination, ends_s, next_s, t1_s or 0)

    def repeated(self) -> None:
        """It was sent again; the next time after twice the time, T2 at most."""
        self.gap_s = min(2 * self.gap_s, T2_S)
        self.next_s = (self.next_s or 0) + self.gap_s


class Transactions:
    """One per binding."""

    def __init__(self) -> None:
        self._by_binding: dict[UUID, Transaction] = {}

    def __len__(self) -> int:
        return len(self._by_binding)

    def add(self, transaction: Transaction) -> None:
        self._by_binding[transaction.binding_id] = transaction

    def end(self, binding_id: UUID, number: int) -> None:
        """It was answered, or is none of ours any more."""
        known = self._by_binding.get(binding_id)
        if known is not None and known.number == number:
            del self._by_binding[binding_id]

    def clear(self) -> None:
        self._by_binding.clear()

    def take_lost(self, now_s: float) -> list[Transaction]:
        """Those whose time is over without an answer."""
        lost = [one for one in self._by_binding.values() if one.ends_s <= now_s]
        for one in lost:
            del self._by_binding[one.binding_id]
        return lost

    def to_repeat(self, now_s: float) -> list[Transaction]:
        return [one for one in self._by_binding.values() if one.next_s is not None and one.next_s <= now_s]
