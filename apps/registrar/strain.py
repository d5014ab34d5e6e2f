"""How hard a worker is pressed, and what part of each kind of sender it lets in. Pure: load and clock are
arguments.

A phone has patience for 32 s and repeats itself meanwhile (RFC 3261 §17.1.2), so a queue of a second or two is no
harm: it keeps the worker busy between two waves of repeats, and repeats in it are known by their bytes. What must
not happen is that the kernel's buffer is full, for then it drops whoever comes, or that the head of the queue is
too old to be worth an answer. So the part let in follows the load of this moment, and nothing is turned away that
there is room for.
"""

from dataclasses import dataclass
from typing import Final

# From here on sources and repeats are looked at, for so long after the last sign of it.
CROWDED_S: Final = 0.1
CROWDED_FILLED: Final = 0.25
CROWDED_FOR_S: Final = 2.0
# Strangers: all up to the first, hardly any from the second on. Phones begin to repeat themselves after 0.5 s.
STRANGERS_FILLED: Final = (0.5, 0.9)
STRANGERS_S: Final = (0.1, 0.4)
# A wave that has passed by then leaves the worker with nothing to do: only what lasts turns strangers away.
LASTS_S: Final = 2.0
PASSED_S: Final = 0.5
# The kernel dropped packets though we find room: the buffer is small, and was full a moment ago.
DROPPING_FILLED: Final = 0.7
# Phones repeat themselves every 4 s at last (T2).
KNOWN_S: Final = (2.0, 4.0)
LEAST: Final = 0.02


@dataclass(slots=True)
class Strain:
    """The parts of the strangers and of the known phones to let in."""

    strangers: float = 1.0
    known: float = 1.0
    _until_s: float = 0.0
    _dropped: int | None = None
    _pressed_since_s: float | None = None
    _pressed_at_s: float = 0.0

    def feel(self, waited_s: float, filled: float, dropped: int, now_s: float) -> bool:
        """Whether there is any strain. dropped: by the kernel, ever; now_s: of a clock that only rises."""
        if self._dropped is not None and dropped > self._dropped:
            filled = max(filled, DROPPING_FILLED)
        self._dropped = dropped
        if waited_s >= CROWDED_S or filled >= CROWDED_FILLED:
            self._until_s = now_s + CROWDED_FOR_S
        elif now_s >= self._until_s:
            self.strangers = self.known = 1.0
            return False
        room = min(_part(filled, *STRANGERS_FILLED), _part(waited_s, *STRANGERS_S))
        self.strangers = room if self._lasts(room < 1, now_s) else 1.0
        self.known = _part(waited_s, *KNOWN_S)
        return True

    def _lasts(self, pressed: bool, now_s: float) -> bool:
        """Whether that has been so again and again for LASTS_S."""
        if self._pressed_since_s is None or now_s - self._pressed_at_s > PASSED_S:
            self._pressed_since_s = now_s if pressed else None
        if pressed:
            self._pressed_at_s = now_s
        return self._pressed_since_s is not None and now_s - self._pressed_since_s >= LASTS_S


def _part(value: float, all_to: float, none_from: float) -> float:
    return min(1.0, max(LEAST, (none_from - value) / (none_from - all_to)))
