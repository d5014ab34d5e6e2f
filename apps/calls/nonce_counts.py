"""Which nonce counts were used, in the one process that carries calls (RFC 7616 §3.4.5). Pure.

A nonce that is older than this memory is worth nothing: after a restart, and once so many are in use that the oldest
are forgotten, phones are told to take another (stale=true). So nothing captured earlier can be sent again.
"""

from typing import Final

MOST_NONCES: Final = 65_536


class NonceCounts:
    """since_s: nonces issued then or before are not known here. In whole seconds since the epoch."""

    def __init__(self, since_s: int, most: int = MOST_NONCES) -> None:
        self.since_s = since_s
        self._most = most
        self._used: dict[str, tuple[int, int]] = {}

    def issue_s(self, now_s: int) -> int:
        """The time of issue of a nonce given out now: one that counts."""
        return max(now_s, self.since_s + 1)

    def take(self, nonce: str, issued_at_s: int, nc: int) -> bool:
        """Whether this count is new; then it is used up."""
        _, last = self._used.get(nonce, (0, -1))
        if issued_at_s <= self.since_s or nc <= last:
            return False
        self._used[nonce] = issued_at_s, nc
        while len(self._used) > self._most:
            forgotten = next(iter(self._used))
            self.since_s = max(self.since_s, self._used.pop(forgotten)[0])
        return True
