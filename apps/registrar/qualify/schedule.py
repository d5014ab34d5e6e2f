"""When each binding is probed: at a moment of its interval that a hash chooses, so that there is no burst. Pure.

Whoever knows the bindings finds the same moments, also after a restart. Must not know what a probe is.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID
from zlib import crc32

# Turns further back are left out until they come round again: after an outage nothing is made up for at once.
LOOKS_BACK_S: Final = 0.5


class Schedule:
    """The turns of bindings, by how many seconds lie between two of each."""

    def __init__(self, intervals: Mapping[int, Iterable[UUID]]) -> None:
        self._turns: list[tuple[int, list[int], list[UUID]]] = []
        for interval_s, binding_ids in intervals.items():
            period_ms = interval_s * 1000
            turns = sorted((phase_ms(binding_id, period_ms), binding_id) for binding_id in binding_ids)
            phases, ordered = [phase for phase, _ in turns], [binding_id for _, binding_id in turns]
            self._turns.append((period_ms, phases, ordered))

    def due(self, since_s: float, until_s: float) -> list[UUID]:
        """Whose turn comes in (since, until], seconds since the epoch; of more than LOOKS_BACK_S only the latest."""
        first_ms, last_ms = int(max(since_s, until_s - LOOKS_BACK_S) * 1000), int(until_s * 1000)
        found: list[UUID] = []
        for period_ms, phases, binding_ids in self._turns:
            start = first_ms % period_ms
            end = start + last_ms - first_ms
            found += binding_ids[bisect_right(phases, start) : bisect_right(phases, end)]
            if end >= period_ms:
                found += binding_ids[: bisect_right(phases, end - period_ms)]
        return found


def phase_ms(binding_id: UUID, period_ms: int) -> int:
    """The moment within each period, 0 to period_ms - 1."""
    return crc32(binding_id.bytes) * period_ms >> 32


def share(binding_ids: Iterable[UUID], workers: Sequence[str], worker: str) -> list[UUID]:
    """Which of the bindings this one of the workers probes; each has one worker, whoever counts."""
    members = sorted({*workers, worker})
    rank, count = members.index(worker), len(members)
    return [binding_id for binding_id in binding_ids if crc32(binding_id.bytes) % count == rank]
