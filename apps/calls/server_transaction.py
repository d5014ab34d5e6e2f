"""One request that came, until its last answer cannot be asked for again (RFC 3261 §17.2, RFC 6026 §7.1). Pure.

Must not decide what is answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

from apps.calls.layer import Layer, is_reliable
from apps.calls.timers import NEVER, Timed
from apps.sip.response import another_response
from apps.sip.transactions import LIFE_S, T1_S, T2_S, T4_S, answer_tag
from apps.sipserver.events import Address, Origin


class Served(IntEnum):
    """COMPLETED: a final answer left, over UDP an INVITE's is repeated until its ACK. ACCEPTED: it was a 2xx to an
    INVITE, which who answered repeats. CONFIRMED: the ACK came."""

    PROCEEDING = 0
    COMPLETED = 1
    CONFIRMED = 2
    ACCEPTED = 3
    OVER = 4


class Context(Protocol):
    """Where the request went."""

    def cancel(self, reasons: tuple[bytes, ...], now: float) -> None:
        """The caller hangs up before anybody answered (RFC 3261 §16.10). reasons: header lines of his CANCEL."""


class ServerTransaction(Timed):
    """key: as of the layer. way_back: where answers go. trying: a 100 to this request under our tag, of which
    answers are made."""

    __slots__ = (
        "_again_at",
        "_interval",
        "_last",
        "_layer",
        "_trying",
        "_until",
        "context",
        "is_invite",
        "key",
        "state",
        "way_back",
    )

    def __init__(
        self, layer: Layer, key: bytes, way_back: Address | Origin, trying: bytes, is_invite: bool
    ) -> None:
        super().__init__()
        self._layer = layer
        self._trying = trying
        self._last: bytes | None = None
        self._again_at = self._until = NEVER
        self._interval = T1_S
        self.key = key
        self.way_back = way_back
        self.is_invite = is_invite
        self.context: Context | None = None
        self.state = Served.PROCEEDING
        layer.servers[key] = self

    @property
    def is_answered(self) -> bool:
        """Whether a final answer has left."""
        return self.state is not Served.PROCEEDING

    def trying(self) -> None:
        """100, once (RFC 3261 §17.2.1), if it is an INVITE and heard nothing yet; without the tag that later answers
        of ours have."""
        if not self.is_invite or self._last is not None or self.is_answered:
            return
        self._last = self._trying.replace(b";tag=" + answer_tag(self.key).encode(), b"", 1)
        self._layer.send(self._last, self.way_back)

    def respond(self, status: int, data: bytes, now: float) -> None:
        """An answer leaves. Every 2xx to an INVITE does, even after another final one (RFC 3261 §16.7 step 5); of
        anything else nothing after a final one."""
        if self.is_invite and 200 <= status < 300:
            self._layer.send(data, self.way_back)
            if not self.is_answered:
                self._end(Served.ACCEPTED, now + LIFE_S)
        elif not self.is_answered:
            self._layer.send(data, self.way_back)
            self._last = data
            if status >= 200:
                self._complete(now)

    def refuse(
        self, status: int, now: float, reason: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """An answer of ours. Raises ValueError as another_response does."""
        if not self.is_answered:
            self.respond(status, another_response(self._trying, status, reason, headers), now)

    def repeated(self) -> None:
        """The request came again."""
        if self._last is not None and self.state in (Served.PROCEEDING, Served.COMPLETED):
            self._layer.send(self._last, self.way_back)

    def acknowledged(self, now: float) -> None:
        """The ACK of a final answer other than 2xx came (Timer I)."""
        if self.state is Served.COMPLETED and self.is_invite:
            self._end(Served.CONFIRMED, now if is_reliable(self.way_back) else now + T4_S)

    def forget(self) -> None:
        """There is no answer to this, and nobody waits for one any more (RFC 4320 §4.2)."""
        self.state = Served.OVER
        self.context = None
        self._layer.timers.set(self, NEVER)
        self._layer.servers.pop(self.key, None)

    def wake(self, now: float) -> None:
        if now >= self._until:
            self.forget()
            return
        if self._last is not None and self.state is Served.COMPLETED:
            self._layer.send(self._last, self.way_back)
        self._interval = min(2 * self._interval, T2_S)
        self._again_at = now + self._interval
        self.due = min(self._again_at, self._until)

    def _complete(self, now: float) -> None:
        """Timers G and H of an INVITE, J of anything else."""
        reliable = is_reliable(self.way_back)
        if self.is_invite and not reliable:
            self._again_at = now + self._interval
        self._end(Served.COMPLETED, now if reliable and not self.is_invite else now + LIFE_S)

    def _end(self, state: Served, until: float) -> None:
        if state is not Served.COMPLETED:
            self._again_at, self._last, self._trying = NEVER, None, b""  # nothing of these is said again
        self.state = state
        self._until = until
        self._layer.timers.set(self, min(self._again_at, until))
