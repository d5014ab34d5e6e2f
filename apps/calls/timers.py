"""What has to happen later, in its order. Pure: the time is told.

Each thing has one time at which it wants to be woken, and may change it as it likes. Must not know what for.
"""

from __future__ import annotations

import heapq
from typing import Final

# RFC 3261 §16.6, in seconds.
TIMER_C: Final = 181.0
NEVER: Final = float("inf")


class Timed:
    """Something that is woken. due: when next, NEVER for not at all."""

    __slots__ = ("due", "place", "queued")

    def __init__(self) -> None:
        self.due = NEVER
        self.queued = NEVER
        self.place = 0

    def wake(self, now: float) -> None:
        """It is due. Leaves `due` later than now."""
        raise NotImplementedError


class Timers:
    """A thing that was put off stays in its old place and goes where it belongs when that comes: calls put off what
    they wait for with nearly every message. What waits for nothing any more is let go at once."""

    __slots__ = ("_count", "_places", "_queue")

    def __init__(self) -> None:
        self._queue: list[tuple[float, int]] = []
        self._places: dict[int, Timed] = {}
        self._count = 0

    def set(self, timed: Timed, due: float) -> None:
        timed.due = due
        if due < timed.queued:
            self._leave(timed)
            self._put(timed)
        elif due == NEVER:
            self._leave(timed)

    def run(self, now: float) -> None:
        """Wake everything that is due by now."""
        while self._queue and self._queue[0][0] <= now:
            _, place = heapq.heappop(self._queue)
            timed = self._places.get(place)
            if timed is None:
                continue
            self._leave(timed)
            if timed.due <= now:
                timed.wake(now)
            if timed.due < timed.queued:
                self._put(timed)

    def next(self) -> float | None:
        """When run() may have something to do."""
        return self._queue[0][0] if self._queue else None

    def __len__(self) -> int:
        return len(self._places)

    def _put(self, timed: Timed) -> None:
        self._count += 1
        timed.queued, timed.place = timed.due, self._count
        self._places[timed.place] = timed
        heapq.heappush(self._queue, (timed.due, timed.place))

    def _leave(self, timed: Timed) -> None:
        self._places.pop(timed.place, None)
        timed.queued = NEVER
