"""Asks made by hand: requests as phones and trunks send them, and trunks without a database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from apps.calls.values import Ask, Refuse, Verdict
from apps.sip.digest import Algorithm, DigestCredentials, authorization, ha1, parse_challenge
from apps.sip.message import Request, parse_request
from apps.sipserver.events import Address, Origin
from apps.trunks.values import CallMode, Trunk

PHONE = ("203.0.113.7", 5062)
CARRIER = ("198.51.100.9", 5060)
TRUNK = Trunk(UUID(int=9), "north", "example.com", CallMode.PROXY, (("198.51.100.9", 5060),))
_serial = count(1)


@dataclass(frozen=True)
class FewTrunks:
    """Carriers by what a test says: whose address it is, which numbers lead in, and which lead out."""

    at: Mapping[Address, Trunk] = field(default_factory=dict)
    inward: Mapping[str, str] = field(default_factory=dict)
    outward: Mapping[str, tuple[tuple[Trunk, str], ...]] = field(default_factory=dict)

    def trunk_at(self, host: str, port: int, transport: str) -> Trunk | None:
        return self.at.get((host, port)) if transport == "UDP" else None

    def extension_for(self, trunk: Trunk, number: str) -> str | None:
        return self.inward.get(number)

    def ways_out(self, domain: str, number: str) -> tuple[tuple[Trunk, str], ...]:
        return self.outward.get(number, ()) if domain == "example.com" else ()


NO_TRUNKS = FewTrunks()


def request(
    uri: str = "sip:1002@example.com",
    *,
    method: str = "INVITE",
    from_: str = "<sip:1001@example.com>",
    headers: Sequence[str] = (),
) -> Request:
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP 203.0.113.7:5062;branch=z9hG4bK{next(_serial)}",
        f"From: {from_};tag=f",
        "To: <sip:1002@example.com>",
        f"Call-ID: c{next(_serial)}",
        f"CSeq: 1 {method}",
        *headers,
        "Content-Length: 0",
    ]
    parsed = parse_request(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert isinstance(parsed, Request), parsed
    return parsed


def ask(sent: Request, origin: Address | Origin = PHONE) -> Ask:
    return Ask(next(_serial), sent, origin)


@dataclass
class CallingPhone:
    """Answers challenges, and uses its nonce again until it is told otherwise."""

    username: str
    password: str
    domain: str = "example.com"
    source: Address = PHONE
    algorithm: Algorithm = Algorithm.SHA256
    nonce: str = ""
    nc: int = 0

    def ask(
        self,
        uri: str = "sip:1002@example.com",
        *,
        method: str = "INVITE",
        from_: str | None = None,
        headers: Sequence[str] = (),
    ) -> Ask:
        from_ = from_ or f"<sip:{self.username}@{self.domain}>"
        proof = [self._proof(method, uri)] if self.nonce else []
        sent = request(uri, method=method, from_=from_, headers=[*headers, *proof])
        return ask(sent, self.source)

    def read(self, verdict: Verdict) -> None:
        """A challenge."""
        assert isinstance(verdict, Refuse), verdict
        assert verdict.status == 407, verdict
        offered = [parse_challenge(value) for name, value in verdict.headers if name == "Proxy-Authenticate"]
        nonces = [one.nonce for one in offered if one is not None and one.algorithm is self.algorithm]
        self.nonce, self.nc = nonces[0], 0

    def _proof(self, method: str, uri: str) -> str:
        self.nc += 1
        credentials = DigestCredentials(
            self.username, self.domain, self.nonce, uri, "", self.algorithm, "c1", self.nc, "auth"
        )
        secret = ha1(self.algorithm, self.username, self.domain, self.password)
        return f"Proxy-Authorization: {authorization(credentials, secret, method)}"
