"""A proxy without a socket in virtual time, and the messages phones say to it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from apps.calls.proxy import Proxy
from apps.calls.values import Ask, CarrierAnswer, Effect, Forward, Hop, Refuse, Send
from apps.sip.backward import Response, read_response
from apps.sip.message import Request, parse_request
from apps.sipserver.events import Address, Origin
from apps.trunks.uplink.values import Account

KEY = b"k" * 32
US = "192.0.2.1:5060"
OFFER = b"v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\n"

Way = Address | Origin


@dataclass(frozen=True)
class Known:
    """As a host would say it."""

    secure: str = "192.0.2.1:443"
    home: bytes = b"here"

    def sent_by(self, towards: Way) -> str:
        return self.secure if isinstance(towards, Origin) and towards.transport in ("WS", "WSS") else US

    def is_ours(self, host: str, port: int) -> bool:
        return (host, port) in {("192.0.2.1", 5060), ("192.0.2.1", 443), ("pbx.example", 5060)}

    def is_our_realm(self, realm: str) -> bool:
        return realm == "pbx.example"


@dataclass
class Phone:
    """One end: where it is, and how it writes."""

    user: str
    way: Way = ("198.51.100.7", 5060)
    contact_host: str = "10.0.0.7"
    call_id: str = "call-1"
    count: int = 0

    @property
    def transport(self) -> str:
        return self.way.transport if isinstance(self.way, Origin) else "UDP"

    def via(self) -> str:
        self.count += 1
        return f"SIP/2.0/{self.transport} {self.contact_host};rport;branch=z9hG4bK{self.user}x{self.count}"

    @property
    def contact(self) -> str:
        return f"sip:{self.user}@{self.contact_host}:5060"

    def request(
        self,
        method: str,
        uri: str = "sip:1002@pbx.example",
        *,
        cseq: int = 1,
        via: str | None = None,
        from_: str | None = None,
        to: str = "<sip:1002@pbx.example>",
        more: Sequence[str] = (),
        forwards: str | None = "70",
        body: bytes = b"",
    ) -> bytes:
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: {via or self.via()}",
            *([] if forwards is None else [f"Max-Forwards: {forwards}"]),
            f"From: {from_ or f'<sip:{self.user}@pbx.example>;tag={self.user}tag'}",
            f"To: {to}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <{self.contact}>",
            *more,
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def invite(self, uri: str = "sip:1002@pbx.example", **rest: object) -> bytes:
        return self.request("INVITE", uri, body=OFFER, **rest)  # type: ignore[arg-type]


@dataclass
class Heard:
    """What one end was sent: a request or a response, whichever it is."""

    data: bytes
    way: Way
    request: Request | None = None
    response: Response | None = None

    @property
    def method(self) -> str:
        """Of the request; of a response its status."""
        return self.request.method if self.request else str(self.response.status if self.response else "")

    def all(self, name: str) -> list[str]:
        head = self.data.partition(b"\r\n\r\n")[0].decode(errors="replace")
        return re.findall(rf"(?im)^{re.escape(name)}: *(.*?)\r?$", head)

    def one(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    @property
    def start(self) -> str:
        return self.data.partition(b"\r\n")[0].decode()

    @property
    def vias(self) -> list[str]:
        return [value.strip() for line in self.all("Via") for value in line.split(",")]

    def answer(
        self, status: int, reason: str = "Reason", more: Sequence[str] = (), tag: str = "totag"
    ) -> bytes:
        """As whoever heard this request answers it."""
        to = self.one("To")
        lines = [f"SIP/2.0 {status} {reason}", *[f"Via: {via}" for via in self.vias]]
        if status > 100:
            lines += [f"Record-Route: {value}" for value in self.all("Record-Route")]
        lines += [
            f"From: {self.one('From')}",
            f"To: {to}" if "tag=" in to or status == 100 else f"To: {to};tag={tag}",
            f"Call-ID: {self.one('Call-ID')}",
            f"CSeq: {self.one('CSeq')}",
            *more,
            "Content-Length: 0",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def answer_cancel(self) -> bytes:
        return self.answer(200, "OK")


def heard(send: Send) -> Heard:
    response = read_response(send.data)
    if response is not None:
        return Heard(send.data, send.destination, None, response)
    request = parse_request(send.data, with_ack=True)
    assert isinstance(request, Request), request
    return Heard(send.data, send.destination, request)


@dataclass
class Scene:
    """now moves as the test says. asks: the questions not yet answered, oldest first; told: how carriers took calls."""

    names: Known = field(default_factory=Known)
    most_calls: int = 100
    key: bytes = KEY
    now: float = 1000.0
    accounts: dict[tuple[UUID, Way], Account] = field(default_factory=dict)
    asks: list[Ask] = field(default_factory=list)
    told: list[CarrierAnswer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tokens = iter(range(10**9))
        self.proxy = Proxy(
            self.key,
            self.names,
            lambda: f"u{next(self._tokens)}",
            self.most_calls,
            account_of=lambda trunk, way: self.accounts.get((trunk, way)),
        )

    def say(self, data: bytes, way: Way) -> list[Heard]:
        return self._heard(self.proxy.receive(data, way, self.now))

    def decide(self, verdict: Refuse | Forward) -> list[Heard]:
        return self._heard(self.proxy.answer(self.asks.pop(0).number, verdict, self.now))

    def wait(self, seconds: float) -> list[Heard]:
        """Every timer at its time; what left until then."""
        until, out = self.now + seconds, []
        while (due := self.proxy.next_due()) is not None and due <= until:
            self.now = max(self.now, due)
            out += self._heard(self.proxy.due(self.now))
        self.now = until
        return out

    def closed(self, *flows: str) -> list[Heard]:
        return self._heard(self.proxy.flows_closed(flows, self.now))

    def place(
        self, caller: Phone, *hops: Hop, verdict: Refuse | Forward | None = None, data: bytes | None = None
    ) -> list[Heard]:
        """An INVITE and its verdict: what the hops hear."""
        self.say(data or caller.invite(), caller.way)
        return self.decide(verdict or Forward((hops,)))

    def _heard(self, effects: Sequence[Effect]) -> list[Heard]:
        self.asks += [effect for effect in effects if isinstance(effect, Ask)]
        self.told += [effect for effect in effects if isinstance(effect, CarrierAnswer)]
        return [heard(effect) for effect in effects if isinstance(effect, Send)]


def hop(phone: Phone, routes: tuple[str, ...] = (), identity: str | None = None) -> Hop:
    return Hop(phone.contact, phone.way, routes, identity)


def methods(what: Sequence[Heard]) -> list[str]:
    return [one.method for one in what]
