"""A carrier in our hand: an Uplink in virtual time, the REGISTERs it sends, and answers to them."""

import itertools
from collections.abc import Sequence
from uuid import UUID

from apps.sip.digest import AuthorizationFault, ha1, parse_authorization, verify
from apps.sip.message import Request, parse_request
from apps.sip.reply import parse_reply
from apps.sip.response import build_response
from apps.sipserver.events import Address, Datagram, Origin
from apps.trunks.uplink.steps import Uplink
from apps.trunks.uplink.strings import parse_server
from apps.trunks.uplink.values import Account, Chance, Standing

TRUNK = UUID(int=7)
PASSWORD = "Tr0ub4dor&3x"
OWN: Address = ("198.51.100.5", 5060)
FIRST, SECOND = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
CHALLENGE = 'Digest realm="carrier", nonce="{}", algorithm={}, qop="auth", opaque="o\\"1"{}'


def account(**fields: object) -> Account:
    given: dict[str, object] = {
        "trunk_id": TRUNK,
        "version": 1,
        "registrar": parse_server("sip.carrier.example"),
        "username": "4940",
        "password": PASSWORD,
    }
    return Account(**(given | fields))  # type: ignore[arg-type]


def chance(spread: float = 0.0) -> Chance:
    numbers = itertools.count(1)
    return Chance(lambda: f"{next(numbers):032x}", lambda: spread)


def challenge(nonce: str = "n1", algorithm: str = "MD5", *, stale: bool = False) -> tuple[str, str]:
    return "WWW-Authenticate", CHALLENGE.format(nonce, algorithm, ", stale=true" if stale else "")


def proves(request: Request, name: str = "authorization", username: str = "4940") -> bool:
    """Whether its credentials are right."""
    credentials = parse_authorization(request.values(name), "carrier")
    assert not isinstance(credentials, AuthorizationFault)
    if credentials is None or credentials.username != username:
        return False
    secret = ha1(credentials.algorithm, username, "carrier", PASSWORD)
    return credentials.uri == request.request_uri_text and verify(credentials, secret, "REGISTER")


class Carrier:
    """Time stands still but for `wait`."""

    def __init__(
        self,
        uplink: Uplink | None = None,
        servers: Sequence[Address | Origin] = (FIRST,),
        known: Standing | None = None,
        **fields: object,
    ) -> None:
        self.now_s = 1000.0
        self.servers = servers
        self.uplink = uplink or Uplink(account(**fields), OWN, chance(), self.now_s, known)
        self.sent: list[Datagram] = []
        self.looked_up: list[str] = []

    def wait(self, seconds: float = 0.0, tick_s: float = 0.5) -> "Carrier":
        """Lets time pass."""
        end_s = self.now_s + seconds
        while True:
            self.sent += self.uplink.due(self.now_s)
            while self.uplink.wants is not None:
                self.looked_up.append(str(self.uplink.wants))
                self.sent += self.uplink.found(self.servers, "", self.now_s)
            if self.now_s >= end_s:
                return self
            self.now_s = min(self.now_s + tick_s, end_s)

    @property
    def requests(self) -> list[Request]:
        """All REGISTERs so far, repeats left out."""
        parsed = [parse_request(data) for data in dict.fromkeys(data for data, _ in self.sent)]
        assert all(isinstance(request, Request) for request in parsed)
        return [request for request in parsed if isinstance(request, Request)]

    @property
    def last(self) -> Request:
        return self.requests[-1]

    @property
    def destination(self) -> object:
        return self.sent[-1][1]

    @property
    def state(self) -> tuple[str, str]:
        return self.uplink.standing.state.value, self.uplink.standing.reason.value

    @property
    def next_in_s(self) -> float:
        assert self.uplink.standing.next_attempt_s is not None
        return self.uplink.standing.next_attempt_s - self.now_s

    def say(self, status: int, *headers: tuple[str, str], reason: str = "Said") -> "Carrier":
        """Answers the last REGISTER."""
        data = build_response(self.last, OWN, status, reason, headers)
        reply = parse_reply(data)
        assert reply is not None
        self.sent += self.uplink.hear(reply, self.now_s)
        return self.wait()

    def accept(self, expires_s: int = 3600, *headers: tuple[str, str]) -> "Carrier":
        return self.say(200, ("Contact", f"<sip:4940@198.51.100.5:5060>;expires={expires_s}"), *headers)
