"""A stateful SIP proxy (RFC 3261 §16, §17, RFC 6026) without sockets or clock: bytes and times in, effects out. Pure.

Times are monotonic seconds. Must not look anything up (it asks), act, or raise on anything the network can send.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final
from uuid import UUID

from apps.calls.checks import fault
from apps.calls.layer import Layer
from apps.calls.names import Names
from apps.calls.passage import Passage, loop_mark, stateless_branch
from apps.calls.response_context import Question, ResponseContext
from apps.calls.routes import Routed, read_routes
from apps.calls.server_transaction import Served, ServerTransaction
from apps.calls.stray import way_of_stray
from apps.calls.tokens import Way
from apps.calls.values import Ask, CarrierLeg, Effect, Forward, Hop, Refuse
from apps.registrar.received import STREAMS, way_back
from apps.sip.backward import lowered, read_response, without_top_via
from apps.sip.forwarding import carried
from apps.sip.lines import split_lines
from apps.sip.message import MalformedRequest, Request, parse_request
from apps.sip.reply import is_reply
from apps.sip.response import build_response
from apps.sip.transactions import answer_tag, call_key
from apps.sipserver.events import Address, Origin, flow_of, transport_of
from apps.trunks.uplink.values import Account

MOST_CALLS: Final = 100_000
RETRY_AFTER_S: Final = 5
FLOW_FAILED: Final = 430  # RFC 5626 §5.3.1
# Whoever is in a call may end it, however many others want to begin one.
_ROOM_IN_DIALOGS: Final = 1.25
_MOST_REASONS: Final = 4

Effects = list[Effect]
AccountOf = Callable[[UUID, Address | Origin], Account | None]


def _no_account(trunk: UUID, way: Address | Origin) -> None:
    """Nobody's challenges are answered."""


class Proxy:
    """key: of the tokens in our Record-Routes, the same after a restart. token: new random text, fit for a branch.

    account_of: what a trunk's challenge within a call is answered with, if that goes to a server of its own.
    most_calls: requests at work at once, above which new ones get 503. refused_for_room: how many did.
    """

    def __init__(
        self,
        key: bytes,
        names: Names,
        token: Callable[[], str],
        most_calls: int = MOST_CALLS,
        *,
        account_of: AccountOf = _no_account,
    ) -> None:
        self._account_of = account_of
        self._layer = Layer(key, names, token)
        self._most_calls = most_calls
        self._questions = 0
        self.refused_for_room = 0

    def receive(self, data: bytes, origin: Address | Origin, now: float) -> Effects:
        """A message came: a request, a response, or noise (which comes to nothing)."""
        if is_reply(data):
            self._response(data, now)
        else:
            self._request(data, origin, now)
        return self._layer.taken()

    def answer(self, number: int, verdict: Refuse | Forward, now: float) -> Effects:
        """Where the request of Ask `number` goes. Nothing, if nobody waits for it any more.

        A verdict with a line break in one of its texts becomes 500.
        """
        context = self._layer.asking.get(number)
        if context is not None and context.question is not None:
            if isinstance(verdict, Refuse):
                context.refuse(verdict, now)
            else:
                question = context.question
                routed = Routed(question.request.request_uri_text)
                passage = self._passage(
                    question.data, question.request, routed, question.origin, question.mark
                )
                context.forward(passage, verdict, now)
        return self._layer.taken()

    def due(self, now: float) -> Effects:
        """What the timers that ran out by now come to. Call it at next_due(); later is no harm."""
        self._layer.timers.run(now)
        return self._layer.taken()

    def next_due(self) -> float | None:
        """When due() may have something to do; None while nothing is at work."""
        return self._layer.timers.next()

    def flows_closed(self, flows: Collection[str], now: float) -> Effects:
        """These connections are gone: what waits for an answer over them gets none (430), callers on them hang up."""
        gone = frozenset(flows)
        for client in list(self._layer.clients.values()):
            if flow_of(client.destination) in gone:
                client.fail(FLOW_FAILED, now)
        for server in list(self._layer.servers.values()):
            if server.is_invite and server.context is not None and flow_of(server.way_back) in gone:
                server.context.cancel((), now)
        return self._layer.taken()

    @property
    def transactions(self) -> int:
        """Requests at work, and those whose last answer may still be asked for."""
        return len(self._layer.servers)

    @property
    def calls(self) -> int:
        """INVITEs without a final answer: what rings now. Counted when asked."""
        return sum(server.is_invite and not server.is_answered for server in self._layer.servers.values())

    def _request(self, data: bytes, origin: Address | Origin, now: float) -> None:
        request = _read(data, origin)
        if isinstance(request, MalformedRequest):
            if request.status is not None:
                self._answer_once(request, origin, Refuse(request.status, request.reason))
            return
        key = call_key(request, origin[0])
        server = self._layer.servers.get(key)
        if request.method == "ACK":
            if server is not None and server.state is not Served.ACCEPTED:
                server.acknowledged(now)
            else:
                self._pass_ack(data, request, origin)
        elif request.method == "CANCEL":
            self._cancel(data, request, origin, server, now)
        elif server is not None:
            server.repeated()
        else:
            self._begin(data, request, origin, key, now)

    def _begin(self, data: bytes, request: Request, origin: Address | Origin, key: bytes, now: float) -> None:
        mark = loop_mark(self._layer.key, request)
        routed = fault(request, mark) or read_routes(request, self._layer.key, self._layer.names)
        if isinstance(routed, Routed) and not self._has_room(routed):
            self.refused_for_room += 1
            routed = Refuse(503, "", (("Retry-After", str(RETRY_AFTER_S)),))
        if isinstance(routed, Refuse):
            self._answer_once(request, origin, routed)
            return
        server = self._serve(request, origin, key)
        if routed.way is None or routed.token is not None:
            server.trying()  # to another host of ours silence says that the phone is silent
        context = ResponseContext(self._layer, server)
        if routed.way is None:
            self._ask(context, Question(self._questions, data, request, origin, mark), now)
            return
        passage = self._passage(data, request, routed, origin, mark)
        context.forward(passage, Forward(((self._hop(routed, routed.way),),)), now)

    def _ask(self, context: ResponseContext, question: Question, now: float) -> None:
        self._questions += 1
        context.ask(question, now)
        self._layer.tell(Ask(question.number, _without_routes(question.request), question.origin))

    def _serve(self, request: Request, origin: Address | Origin, key: bytes) -> ServerTransaction:
        trying = build_response(request, origin[:2], 100, "", to_tag=answer_tag(key))
        is_invite = request.method == "INVITE"
        return ServerTransaction(self._layer, key, way_back(request, origin), trying, is_invite)

    def _pass_ack(self, data: bytes, request: Request, origin: Address | Origin) -> None:
        """The ACK of a 2xx, which is no transaction (RFC 3261 §17, §16.11). What is wrong with it meets silence."""
        mark = loop_mark(self._layer.key, request)
        routed = fault(request, mark) or read_routes(request, self._layer.key, self._layer.names)
        if isinstance(routed, Refuse) or routed.way is None:
            return
        passage = self._passage(data, request, routed, origin, mark)
        branch = stateless_branch(self._layer.key, request, mark)
        passed = passage.to(self._hop(routed, routed.way), branch, self._layer.key, self._layer.names)
        self._layer.send(passed.data, routed.way.destination)

    def _hop(self, routed: Routed, way: Way) -> Hop:
        """Within a dialog; what the caller's side says to a carrier that challenged him, as that knows him."""
        leg = None
        if way.by_caller and way.trunk is not None:
            leg = CarrierLeg(self._account_of(way.trunk, way.destination), way.raised)
        return Hop(routed.request_uri, way.destination, leg=leg)

    def _cancel(
        self,
        data: bytes,
        request: Request,
        origin: Address | Origin,
        server: ServerTransaction | None,
        now: float,
    ) -> None:
        """RFC 3261 §9.2, §16.10: it is answered here, whatever becomes of it."""
        if server is None:
            self._answer_once(request, origin, Refuse(481, ""))
            return
        self._answer_once(request, origin, Refuse(200, ""), answer_tag(server.key))
        head = data.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]
        reasons = [line for name, line in split_lines(head) if name == b"reason"]
        if server.context is not None:
            server.context.cancel(tuple(reasons[:_MOST_REASONS]), now)

    def _response(self, data: bytes, now: float) -> None:
        response = read_response(data)
        if response is None:
            return
        client = self._layer.clients.get(response.branch)
        if client is not None:
            client.receive(response, now)
            return
        way = way_of_stray(response, self._layer.key, self._layer.names.home)
        if way is None:
            return
        whole = without_top_via(response if way.by_caller else lowered(response, way.raised))
        if whole is not None:
            self._layer.send(whole, way.destination)

    def _answer_once(
        self,
        request: Request | MalformedRequest,
        origin: Address | Origin,
        refuse: Refuse,
        tag: str | None = None,
    ) -> None:
        """An answer that a repeat of the request gets again, without anything kept (RFC 3261 §8.2.7)."""
        if isinstance(request, Request) and request.method == "ACK":
            return
        data = build_response(request, origin[:2], refuse.status, refuse.reason, refuse.headers, tag)
        self._layer.send(data, way_back(request, origin))

    def _passage(
        self, data: bytes, request: Request, routed: Routed, origin: Address | Origin, mark: str
    ) -> Passage:
        return Passage(
            carried(data, request, origin[:2], self._layer.names.is_our_realm),
            mark,
            way_back(request, origin),
            request.call_id,
            request.from_.tag or "",
            routed.routes,
            request.request_uri is not None and request.request_uri.scheme == "sips",
            routed.token,
        )

    def _has_room(self, routed: Routed) -> bool:
        most = self._most_calls if routed.token is None else self._most_calls * _ROOM_IN_DIALOGS
        return len(self._layer.servers) < most


def _read(data: bytes, origin: Address | Origin) -> Request | MalformedRequest:
    request = parse_request(data, with_ack=True)
    on_stream = transport_of(origin) in STREAMS
    if on_stream and isinstance(request, Request) and request.value("content-length") is None:
        status = None if request.method == "ACK" else 400
        why = "missing_content_length"
        return MalformedRequest(status, "Bad Request (missing content length)", why, request.echo)
    return request


def _without_routes(request: Request) -> Request:
    """Whoever asks has none left: those that named us are read, and no other is followed."""
    if "route" not in request.by_name:
        return request
    headers = tuple([field for field in request.headers if field[0] != "route"])
    by_name = {name: values for name, values in request.by_name.items() if name != "route"}
    return replace(request, headers=headers, by_name=by_name)
