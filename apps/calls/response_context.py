"""One request and the hops it went to, until it is answered (RFC 3261 §16.2, §16.6 to §16.8, §16.10). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from apps.calls.best_response import BestResponse
from apps.calls.challenges import CHALLENGES, answered
from apps.calls.client_transaction import ClientTransaction
from apps.calls.layer import Layer
from apps.calls.passage import Passage, make_branch
from apps.calls.server_transaction import ServerTransaction
from apps.calls.timers import NEVER, Timed
from apps.calls.values import CarrierAnswer, Forward, Hop, Refuse
from apps.sip.backward import Response, without_top_via
from apps.sip.message import Request
from apps.sip.transactions import LIFE_S
from apps.sipserver.events import Address, Origin

MOST_BRANCHES: Final = 20
LONGEST_RING_S: Final = 200.0
# While there is another answer, or another to try. RFC 3261 §17.1.1.2 says that 64*T1 SHOULD be waited: then one phone
# that is gone keeps a caller for 32 s from hearing that the others are busy. Over UDP it was asked four times by now.
LONGEST_SILENCE_S: Final = 4.0
# The group of those whose silence was long enough.
FORSAKEN: Final = -1
# RFC 3326: so that the phones that lost show no missed call.
ELSEWHERE: Final = (b'Reason: SIP;cause=200;text="Call completed elsewhere"',)


@dataclass(frozen=True, slots=True)
class Question:
    """A request that waits to hear where it goes. mark: as of passage.loop_mark."""

    number: int
    data: bytes
    request: Request
    origin: Address | Origin
    mark: str


class ResponseContext(Timed):
    """question: while nobody has said where it goes."""

    __slots__ = (
        "_best",
        "_branches",
        "_cancelled",
        "_clients",
        "_group",
        "_groups",
        "_in_dialog",
        "_layer",
        "_passage",
        "_ring_s",
        "_ring_until",
        "_ringing",
        "_server",
        "_silent_until",
        "question",
    )

    def __init__(self, layer: Layer, server: ServerTransaction) -> None:
        super().__init__()
        self._layer = layer
        self._server = server
        self._best = BestResponse()
        self._passage: Passage | None = None
        self._clients: list[ClientTransaction] = []
        self._groups: tuple[tuple[Hop, ...], ...] = ()
        self._group = self._ringing = self._branches = 0
        self._ring_s = LONGEST_RING_S
        self._ring_until = self._silent_until = NEVER
        self._cancelled = self._in_dialog = False
        self.question: Question | None = None
        server.context = self

    def ask(self, question: Question, now: float) -> None:
        """Wait for a verdict, as long as anybody would."""
        self.question = question
        self._layer.asking[question.number] = self
        self._layer.timers.set(self, now + LIFE_S)

    def forward(self, passage: Passage, verdict: Forward, now: float) -> None:
        """To the hops of the first group, and to the next when that came to nothing."""
        self.unasked()
        self._passage = passage
        self._in_dialog = passage.token is not None
        self._groups = verdict.groups
        self._ring_s = min(verdict.ring_s, LONGEST_RING_S)
        self._proceed(now)

    def refuse(self, verdict: Refuse, now: float) -> None:
        """It goes nowhere. A verdict that is no header text becomes 500."""
        self.unasked()
        try:
            self._server.refuse(verdict.status, now, verdict.reason, verdict.headers)
        except ValueError:
            self._server.refuse(500, now)

    def unasked(self) -> None:
        """Nobody waits for a verdict any more, nor for a group to ring."""
        if self.question is not None:
            self._layer.asking.pop(self.question.number, None)
            self.question = None
        self._layer.timers.set(self, NEVER)

    def cancel(self, reasons: tuple[bytes, ...], now: float) -> None:
        """The caller hangs up before anybody answered (RFC 3261 §16.10). reasons: header lines of his CANCEL."""
        if self._server.is_answered:
            return
        self._cancelled = True
        self._stop(reasons, now)
        if not self._clients:
            self._finish(now)

    def trying(self) -> None:
        self._server.trying()

    def provisional(self, response: Response, now: float) -> None:
        data = without_top_via(response)
        if data is not None and not self._cancelled:
            self._server.respond(response.status, data, now)

    def succeeded(self, client: ClientTransaction, response: Response, now: float, *, first: bool) -> None:
        data = without_top_via(response)
        if data is not None:
            if first:
                self._tell(client, response)
            self._server.respond(response.status, data, now)
            if first:
                self._clients.remove(client)
                self._stop(ELSEWHERE, now)
        elif first:
            self.ended(client, 502, None, now)

    def ended(self, client: ClientTransaction, status: int, response: Response | None, now: float) -> None:
        self._clients.remove(client)
        if self._answered(client, response, now):
            return
        self._tell(client, response)
        if client.group == self._group:
            self._ringing -= 1
        if self._server.is_answered:
            if not self._clients:
                self.unasked()  # or its timer would outlive it
            return
        if client.gave_up and status == 487:
            status, response = 408, None
        if status in CHALLENGES and client.hop.leg is not None and client.hop.leg.account is not None:
            status, response = 403, None  # the caller has nothing to answer it with
        self._best.add(status, response)
        if status >= 600:
            self._stop((b"Reason: SIP;cause=%d" % status,), now)
        if now >= self._silent_until:
            self._forsake_silent(now)
        elif not self._ringing:
            self._proceed(now)

    def wake(self, now: float) -> None:
        """Nobody said where it goes, or the group rang long enough."""
        self.due = NEVER
        if self.question is not None:
            self._best.add(500, None)
            self._finish(now)
            return
        if now < self._ring_until:
            self._layer.timers.set(self, self._ring_until)
            self._forsake_silent(now)
            return
        for client in [each for each in self._clients if each.group == self._group]:
            client.give_up(now)
        self._ringing = 0
        self._proceed(now)

    def _answered(self, client: ClientTransaction, response: Response | None, now: float) -> bool:
        """Whether a carrier's challenge is answered, and the request under way again."""
        if (
            response is None
            or self._passage is None
            or client.group != self._group
            or self._server.is_answered
        ):
            return False
        uri, in_dialog = client.request_uri, self._in_dialog
        hop = answered(client.hop, response, uri, self._layer.token, in_dialog=in_dialog)
        return hop is not None and self._send(self._passage, hop, now)

    def _tell(self, client: ClientTransaction, response: Response | None) -> None:
        """How a carrier took the call, unless we ended it ourselves."""
        hop = client.hop
        if hop.trunk is None or client.gave_up or self._cancelled or self._server.is_answered:
            return
        proven = hop.leg is not None and bool(hop.leg.credentials)
        if response is None:
            self._layer.tell(CarrierAnswer(hop.trunk, None, proven=proven))
        else:
            self._layer.tell(CarrierAnswer(hop.trunk, response.status, response.phrase, proven))

    def _forsake_silent(self, now: float) -> None:
        """Whoever said nothing so far is waited for no longer, if he alone is, and there is something else to say or
        to try."""
        awaited = [client for client in self._clients if not client.gave_up]
        if (self._groups or self._best.status) and all(client.is_silent for client in awaited):
            for client in awaited:
                self._tell(client, None)
                self._ringing -= client.group == self._group
                client.give_up(now)
                client.group = FORSAKEN
                self._best.add(408, None)
        if not self._ringing:
            self._proceed(now)

    def _proceed(self, now: float) -> None:
        while self._groups and not self._ringing:
            hops, self._groups = self._groups[0], self._groups[1:]
            self._group += 1
            if self._passage is not None:
                self._ring(self._passage, hops[: MOST_BRANCHES - self._branches], now)
        if not self._groups:
            if not any(client.hop.leg for client in self._clients):
                self._passage = None
            waits = any(client.group != FORSAKEN for client in self._clients)
            if not waits and not self._server.is_answered:
                self._finish(now)

    def _ring(self, passage: Passage, hops: tuple[Hop, ...], now: float) -> None:
        self._branches += len(hops)
        self._ring_until = now + self._ring_s
        self._silent_until = (
            min(now + LONGEST_SILENCE_S, self._ring_until) if self._server.is_invite else NEVER
        )
        self._layer.timers.set(self, min(self._silent_until, self._ring_until))
        for hop in hops:
            self._ringing += self._send(passage, hop, now)

    def _send(self, passage: Passage, hop: Hop, now: float) -> bool:
        """To one hop; whether it could be said at all."""
        branch = make_branch(passage.mark, self._layer.token())
        try:
            passed = passage.to(hop, branch, self._layer.key, self._layer.names)
        except ValueError:
            self._best.add(500, None)  # the verdict has a line break where none can be
            return False
        client = ClientTransaction(self._layer, self, branch, hop, self._group)
        self._clients.append(client)
        client.start(*passed, now)
        return True

    def _stop(self, reasons: tuple[bytes, ...], now: float) -> None:
        """No more hops, and those that ring are told to stop."""
        self._groups = ()
        self._passage = None
        self.unasked()
        if now < self._silent_until < NEVER and not self._server.is_answered:
            self._layer.timers.set(self, self._silent_until)
        for client in tuple(self._clients):
            client.cancel(reasons, now)

    def _finish(self, now: float) -> None:
        self.unasked()
        status = self._status()
        data = self._best.whole() if status == self._best.status else None
        if status == 408 and not self._server.is_invite:
            self._server.forget()
        elif data is not None:
            self._server.respond(status, data, now)
        else:
            self._server.refuse(status, now)

    def _status(self) -> int:
        status = self._best.status
        if self._cancelled and status < 600:
            return 487
        if status == 503:
            return 500  # it may be full; we are not (RFC 3261 §16.7 step 6)
        if status == 430 and not self._in_dialog:
            return 480  # whose flow it was is no matter of the caller's
        return status or 480
