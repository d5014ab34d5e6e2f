"""One request sent to one hop, with its CANCEL and its ACK (RFC 3261 §17.1, §9.1, RFC 6026 §7.2). Pure.

Must not decide what its answers mean for whoever asked.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from apps.calls.layer import Layer, is_reliable
from apps.calls.timers import NEVER, TIMER_C, Timed
from apps.calls.values import Hop
from apps.sip.backward import Response, lowered
from apps.sip.forwarding import Identifying, ack, cancel
from apps.sip.transactions import LIFE_S, T1_S, T2_S
from apps.sipserver.events import Address, Origin


class Sent(IntEnum):
    """COMPLETED: an INVITE ended without success, and every repeat of that is acknowledged. ACCEPTED: repeats of its
    2xx pass."""

    CALLING = 0
    PROCEEDING = 1
    COMPLETED = 2
    ACCEPTED = 3
    OVER = 4


class Owner(Protocol):
    """Who waits for the answers. Each client transaction succeeds (every 2xx is told) or ends, once."""

    def trying(self) -> None:
        """A 100 has come."""

    def provisional(self, response: Response, now: float) -> None: ...

    def succeeded(
        self, client: ClientTransaction, response: Response, now: float, *, first: bool
    ) -> None: ...

    def ended(self, client: ClientTransaction, status: int, response: Response | None, now: float) -> None:
        """response None: it never came, status is what that comes to."""


class ClientTransaction(Timed):
    """group: of the owner's. gave_up: we stopped it, for it rang too long, or said nothing."""

    __slots__ = (
        "_again",
        "_again_at",
        "_branch",
        "_cancel",
        "_cancelled",
        "_identifying",
        "_interval",
        "_layer",
        "_owner",
        "_top",
        "_until",
        "gave_up",
        "group",
        "hop",
        "state",
    )

    def __init__(self, layer: Layer, owner: Owner, branch: str, hop: Hop, group: int) -> None:
        super().__init__()
        self._layer = layer
        self._owner: Owner | None = owner
        self._branch = branch
        self._again: bytes | None = None
        self._again_at = self._until = NEVER
        self._interval = T1_S
        self._cancel: tuple[bytes, ...] | None = None
        self._cancelled = False
        self.hop = hop
        self.group = group
        self.gave_up = False
        self.state = Sent.CALLING
        layer.clients[branch] = self

    @property
    def destination(self) -> Address | Origin:
        return self.hop.destination

    @property
    def request_uri(self) -> str:
        """As it was sent."""
        return self._top.split(b" ", 2)[1].decode()

    @property
    def is_pending(self) -> bool:
        """Whether no final answer has come."""
        return self.state < Sent.COMPLETED

    @property
    def is_silent(self) -> bool:
        """Whether nothing was heard of it yet, not even 100."""
        return self.state is Sent.CALLING

    @property
    def _is_invite(self) -> bool:
        return self._top.startswith(b"INVITE ")

    def start(self, top: bytes, identifying: Identifying, data: bytes, now: float) -> None:
        """Send it; over UDP again and again until something is heard (Timers A and E, B and F)."""
        self._top, self._identifying = top, identifying
        self._until = now + LIFE_S
        self._transmit(data, now)

    def receive(self, response: Response, now: float) -> None:
        """An answer to the request or to its CANCEL."""
        if self.hop.leg is not None and self.hop.leg.raised:
            response = lowered(response, self.hop.leg.raised)
        if response.method == "CANCEL":
            if self._cancelled and response.status >= 200 and self.is_pending:
                self._quiet()
        elif response.method.encode() != self._top.partition(b" ")[0]:
            return
        elif response.status < 200:
            self._heard(response, now)
        elif response.status < 300:
            self._answered(response, now)
        else:
            self._refused(response, now)

    def cancel(self, reasons: tuple[bytes, ...], now: float) -> None:
        """Stop it, as soon as something was heard (RFC 3261 §9.1). reasons: header lines the CANCEL carries."""
        if self._is_invite and self.is_pending and self._cancel is None:
            self._cancel = reasons
            if self.state is Sent.PROCEEDING:
                self._send_cancel(now)

    def give_up(self, now: float) -> None:
        """Nobody waits for it any more: whenever it says something, it is told to stop."""
        self.gave_up, self.group = True, 0
        self.cancel((), now)
        if self.is_silent:
            self._quiet()

    def fail(self, status: int, now: float) -> None:
        """Nothing can come any more: as if that answer had (RFC 3261 §16.9)."""
        if self.is_pending:
            self._end(status, None, now)

    def wake(self, now: float) -> None:
        if now < self._until:
            if self._again is not None:
                self._layer.send(self._again, self.destination)
            self._interval = self._next_interval()
            self._again_at = now + self._interval
            self.due = min(self._again_at, self._until)
        elif self.is_pending and self.state is Sent.PROCEEDING and self._is_invite and not self._cancelled:
            self.gave_up = True
            self.cancel((), now)  # Timer C (RFC 3261 §16.8)
        elif self.is_pending:
            self._end(408, None, now)
        else:
            self._forget()

    def _heard(self, response: Response, now: float) -> None:
        if not self.is_pending or self._owner is None:
            return
        if self._is_invite:
            self._ring(response.status, now)
        else:
            self._interval = T2_S
        if response.status == 100:
            self._owner.trying()
        self.state = Sent.PROCEEDING
        if response.status > 100:
            self._owner.provisional(response, now)

    def _ring(self, status: int, now: float) -> None:
        first = self.state is Sent.CALLING
        if first:
            self._quiet()
        if first and self._cancel is not None:
            self._send_cancel(now)
        elif not self._cancelled and (first or status > 100):
            self._until = now + TIMER_C
            self._layer.timers.set(self, self._until)

    def _answered(self, response: Response, now: float) -> None:
        if self._owner is None or self.state is Sent.COMPLETED:
            return
        first, owner = self.is_pending, self._owner
        if first and self._is_invite:
            self._settle(Sent.ACCEPTED, now + LIFE_S)
        elif first:
            self._forget()
        owner.succeeded(self, response, now, first=first)

    def _refused(self, response: Response, now: float) -> None:
        if self._is_invite and self.state is not Sent.ACCEPTED:
            self._layer.send(ack(self._top, self._identifying, response.line(b"to")), self.destination)
        if self.is_pending:
            self._end(response.status, response, now)

    def _end(self, status: int, response: Response | None, now: float) -> None:
        owner = self._owner
        if response is not None and self._is_invite and not is_reliable(self.destination):
            self._settle(Sent.COMPLETED, now + LIFE_S)  # Timer D
            self._owner = None
        else:
            self._forget()
        if owner is not None:
            owner.ended(self, status, response, now)

    def _send_cancel(self, now: float) -> None:
        self._cancelled = True
        self._until = now + LIFE_S  # no longer does it wait for the 487 (RFC 3261 §9.1)
        self._interval = T1_S
        self._transmit(cancel(self._top, self._identifying, self._cancel or ()), now)

    def _transmit(self, data: bytes, now: float) -> None:
        self._layer.send(data, self.destination)
        if is_reliable(self.destination):
            self._again, self._again_at = None, NEVER
        else:
            self._again, self._again_at = data, now + self._interval
        self._layer.timers.set(self, min(self._again_at, self._until))

    def _next_interval(self) -> float:
        doubled = 2 * self._interval
        return doubled if self._is_invite and not self._cancelled else min(doubled, T2_S)

    def _settle(self, state: Sent, until: float) -> None:
        self.state = state
        self._until = until
        self._quiet()

    def _quiet(self) -> None:
        self._again, self._again_at = None, NEVER
        self._layer.timers.set(self, self._until)

    def _forget(self) -> None:
        self.state = Sent.OVER
        self._owner = None
        self._again = None
        self._layer.timers.set(self, NEVER)
        self._layer.clients.pop(self._branch, None)
