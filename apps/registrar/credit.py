"""What each source may still ask for under strain: a bucket of tokens that refills, and that successes refill
faster. Pure.

An office whose phones all start at once spends its tokens on their challenges and gets more back with each phone
that registers; a source that only asks, or only fails, has what drips in. Bounded: whoever was not heard for long
is forgotten, and begins with a full bucket.
"""

from typing import Final

from apps.registrar.recent import Recent

FULL: Final = 512.0
"""Tokens of a source not heard of yet, and the most there can be; a debt is at most as large."""
REFILL_PER_S: Final = 50.0
ASKED: Final = -1.0
SUCCESS: Final = 4.0
AGAIN: Final = -1.0
FAILURE: Final = -4.0
MOST_SOURCES: Final = 16_384


class Credit:
    def __init__(self, most: int = MOST_SOURCES) -> None:
        self._accounts: Recent[str, tuple[float, float]] = Recent(most)

    def balance(self, source: str, now_s: float) -> float:
        account = self._accounts.get(source)
        if account is None:
            return FULL
        tokens, at_s = account
        return min(FULL, tokens + (now_s - at_s) * REFILL_PER_S)

    def add(self, source: str, tokens: float, now_s: float) -> None:
        """tokens: negative, to spend."""
        left = min(max(self.balance(source, now_s) + tokens, -FULL), FULL)
        self._accounts.note(source, (left, now_s))

    def __len__(self) -> int:
        return len(self._accounts)
