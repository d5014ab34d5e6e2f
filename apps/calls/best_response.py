"""Which of several final answers goes back (RFC 3261 §16.7 steps 6 and 7). Pure."""

from __future__ import annotations

from typing import Final

from apps.sip.backward import Response, with_lines, without_top_via

_RESUBMIT: Final = frozenset({401, 407, 415, 420, 484})
# Nobody was there who could have said anything.
_NOBODY: Final = frozenset({408, 430, 487})
_CHALLENGED: Final = frozenset({401, 407})
_CHALLENGES: Final = frozenset({b"www-authenticate", b"proxy-authenticate"})


class BestResponse:
    """status: of the best final answer so far, 0 until there was any."""

    __slots__ = ("_challenges", "_data", "_own_challenges", "status")

    def __init__(self) -> None:
        self.status = 0
        self._data: bytes | None = None
        self._challenges: list[list[bytes]] = []
        self._own_challenges: list[bytes] = []

    def add(self, status: int, response: Response | None) -> None:
        """response None: nobody said so, it is what silence or a lost connection comes to."""
        challenges = []
        if response is not None and status in _CHALLENGED:
            challenges = response.all_lines(_CHALLENGES)
            self._challenges.append(challenges)
        if self.status and _rank(status) >= _rank(self.status):
            return
        self._data = None if response is None else without_top_via(response)
        self._own_challenges = challenges
        self.status = 502 if response is not None and self._data is None else status

    def whole(self) -> bytes | None:
        """The answer as it goes back, a 401 or 407 with everybody's challenges; None if it is ours to make."""
        if self._data is None or self.status not in _CHALLENGED:
            return self._data
        others = [line for lines in self._challenges if lines is not self._own_challenges for line in lines]
        return with_lines(self._data, others) if others else self._data


def _rank(status: int) -> tuple[int, int]:
    kind = status // 100
    if kind == 6:
        return 0, 0
    if kind == 4:
        return kind, 0 if status in _RESUBMIT else 2 if status in _NOBODY else 1
    return kind, int(status == 503)
