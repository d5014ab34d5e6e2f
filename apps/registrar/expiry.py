"""How long is granted: what may be, spread downward, so that phones that came together do not come together again.
Pure.

A phone keeps its own place within the spread, so that it is granted the same from renewal to renewal: its rhythm
(rhythm.py) is not disturbed, and phones of one model drift apart by the whole spread in each cycle. A few seconds
change from request to request, and part those that have the same place. A worker that is pressed spreads wider, for
those who come to it then come together; later renewals are spread as ever. No chance: the same request is granted the
same (C69).
"""

from collections.abc import Callable
from typing import Final
from zlib import crc32

# By how many percent, where a domain says so many.
Spread = Callable[[int], int]

WOBBLE_S: Final = 4
# Who registers after a power cut came together with all the others. More, and the first would come again while the
# last still try; less, and the next wave is more than twice its mean.
SURGE_PERCENT: Final = 40
# Whoever got no answer tries again for some minutes, and is one of them still.
SURGE_S: Final = 300.0


def as_set(percent: int) -> int:
    return percent


class Surge:
    """While more ask than can be answered, and a while after, expiries are spread wide; of a domain that has them
    spread at all."""

    def __init__(self) -> None:
        self._now_s, self._over_s = 0.0, float("-inf")

    def feel(self, now_s: float, *, pressed: bool) -> None:
        """now_s: of a clock that only rises. pressed: whether it is under strain (strain.py)."""
        self._now_s = now_s
        if pressed:
            self._over_s = now_s + SURGE_S

    def spread(self, percent: int) -> int:
        return max(percent, SURGE_PERCENT) if percent and self._now_s < self._over_s else percent


def spread_s(granted_s: int, least_s: int, percent: int, *, place: str, request: str) -> int:
    """Whole seconds from `percent` under `granted_s` to `granted_s`, never under `least_s`.

    place: what stays the same from renewal to renewal (AOR and contact); request: what does not (Call-ID and CSeq).
    """
    room_s = granted_s - max(-(-granted_s * (100 - percent) // 100), least_s)
    if room_s <= 0:
        return granted_s
    wobble_s = min(WOBBLE_S, room_s)
    return granted_s - _part(room_s - wobble_s, place) - _part(wobble_s, request)


def _part(most: int, text: str) -> int:
    """0 to `most`, each as likely."""
    return crc32(text.encode()) * (most + 1) >> 32
