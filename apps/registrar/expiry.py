"""How long is granted: what may be, spread downward, so that phones that came together do not come together again.
Pure.

A phone keeps its own place within the spread, so that it is granted the same from renewal to renewal: its rhythm
(rhythm.py) is not disturbed, and phones of one model drift apart by the whole spread in each cycle. A few seconds
change from request to request, and part those that have the same place. No chance: the same request is granted the
same (C69).
"""

from typing import Final
from zlib import crc32

# Less than what counts as shortened (changes.py).
WOBBLE_S: Final = 4


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
