"""A SIP phone made of arithmetic: it writes REGISTERs and reads answers, over whatever carries bytes.

Ours, for the corner cases; that real phones register is shown in tests/acceptance.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from apps.sip.digest import Algorithm, DigestCredentials, expected_response, ha1
from apps.sipserver.addresses import format_address

_serial = count(1)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: tuple[tuple[str, str], ...]
    raw: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def contacts(self) -> list[str]:
        return self.values("Contact")

    @property
    def stale(self) -> bool:
        return any("stale=true" in value for value in self.values("WWW-Authenticate"))


def read_reply(raw: bytes) -> Reply:
    head, _, _ = raw.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    return Reply(int(first.split(" ", 2)[1]), tuple(headers), raw)


@dataclass
class Phone:
    """One device. `nonce` and `nc` are kept between requests, as phones do."""

    username: str
    password: str
    domain: str = "example.com"
    address_user: str | None = None
    source: tuple[str, int] = ("203.0.113.7", 5062)
    algorithm: Algorithm = Algorithm.SHA256
    user_agent: str = "Yealink SIP-T46S 66.86.0.15"
    call_id: str = field(default_factory=lambda: f"call-{next(_serial)}@phone")
    cseq: int = 0
    nonce: str | None = None
    nc: int = 0

    @property
    def contact(self) -> str:
        return f"<sip:{self.username}@{format_address(self.source)}>"

    def register(
        self,
        contacts: Sequence[str] | None = None,
        *,
        expires: int | str | None = None,
        headers: Sequence[str] = (),
        method: str = "REGISTER",
        request_uri: str | None = None,
        to: str | None = None,
        authorization: bool = True,
        cseq: int | None = None,
        branch: str | None = None,
    ) -> bytes:
        """One REGISTER; with credentials as soon as a challenge was read."""
        self.cseq = self.cseq + 1 if cseq is None else cseq
        aor = f"sip:{self.address_user or self.username}@{self.domain}"
        uri = request_uri or f"sip:{self.domain}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {format_address(self.source)};rport;branch={branch or f'z9hG4bK{next(_serial)}'}",
            "Max-Forwards: 70",
            f"From: <{aor}>;tag=f1",
            f"To: {to or f'<{aor}>'}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} {method}",
            f"User-Agent: {self.user_agent}",
        ]
        lines += [f"Contact: {contact}" for contact in ([self.contact] if contacts is None else contacts)]
        if expires is not None:
            lines.append(f"Expires: {expires}")
        lines += headers
        if authorization and self.nonce is not None:
            lines.append(self.authorization(method, uri))
        return ("\r\n".join([*lines, "Content-Length: 0"]) + "\r\n\r\n").encode()

    def authorization(self, method: str, uri: str) -> str:
        self.nc += 1
        credentials = DigestCredentials(
            username=self.username,
            realm=self.domain,
            nonce=self.nonce or "",
            uri=uri,
            response="",
            algorithm=self.algorithm,
            cnonce="c1",
            nc=self.nc,
            qop="auth",
        )
        secret = ha1(self.algorithm, self.username, self.domain, self.password)
        response = expected_response(credentials, secret, method)
        return (
            f'Authorization: Digest username="{self.username}", realm="{self.domain}", nonce="{self.nonce}", '
            f'uri="{uri}", response="{response}", algorithm={self.algorithm}, cnonce="c1", qop=auth, nc={self.nc:08x}'
        )

    def read_challenge(self, reply: Reply) -> None:
        for value in reply.values("WWW-Authenticate"):
            if f"algorithm={self.algorithm}," in value:
                self.nonce = re.search(r'nonce="([^"]+)"', value)[1]  # type: ignore[index]
                self.nc = 0
                return
        raise AssertionError(f"no {self.algorithm} challenge in {reply.raw!r}")
