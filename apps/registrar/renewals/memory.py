"""What renewals were judged by, of bounded size. No I/O.

Whoever is not remembered is read anew, and what is remembered must be proven unchanged before it counts (sql.RENEW).
"""

from random import randrange
from typing import Final

MOST: Final = 131_072
"""Of some 600 bytes each."""


class Memory:
    """Texts by key, `most` at most. A new one takes the place of any: phones come around in turn, and whoever forgot
    the oldest would forget just those that come next."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._texts: dict[bytes, bytes] = {}
        # Each key at least once; one that was forgotten keeps its place until another takes it.
        self._places: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        return self._texts.get(key)

    def note(self, key: bytes, text: bytes) -> None:
        if key not in self._texts:
            self._make_room(key)
        self._texts[key] = text

    def forget(self, key: bytes) -> None:
        self._texts.pop(key, None)

    def __len__(self) -> int:
        return len(self._texts)

    def _make_room(self, key: bytes) -> None:
        if len(self._places) < self._most:
            self._places.append(key)
            return
        place = randrange(self._most)  # noqa: S311 - nothing is secret about it
        self._texts.pop(self._places[place], None)
        self._places[place] = key
