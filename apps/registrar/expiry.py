"""How long is granted: what may be, spread downward, so that phones that came together do not come together again.
Pure.

A phone keeps its own place within the spread, so that it is granted the same from renewal to renewal: its rhythm
(rhythm.py) is not disturbed, and phones of one model drift apart by the whole spread in each cycle. A few seconds
change from request to request, and part those that have the same place. A worker that is pressed spreads wider, for
those who come to it now come together; the next renewal is spread as ever. No chance: the same request is granted the
same (C69).
"""

from collections.abc import Callable
from typing import Final
from zlib import crc32

# By how many percent, where a domain says so many.
Spread = Callable[[int], int]

WOBBLE_S: Final = 4
# As far as a domain may have it spread: who registers after a power cut came together with all the others.
PRESSED_PERCENT: Final = 50


def as_set(percent: int) -> int:
    return percent


def as_pressed(percent: int) -> int:
    """Of a worker that cannot answer all who ask. A domain that wants none has none."""
    return PRESSED_PERCENT if percent else 0


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
