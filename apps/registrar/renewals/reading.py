"""What may be a renewal, read as far as it differs from the request before. Pure.

Only spellings that leave no doubt are taken; for all others None is said, and they are read in full. Must not decide.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from apps.registrar.bindings import Address, DomainPolicy
from apps.registrar.echoes import plain_host
from apps.sip.digest import DigestCredentials, parse_authorization
from apps.sip.nonce import nonce_issued_at_s
from apps.sip.transactions import repeat_key, request_key
from apps.sip.uri import UriError
from apps.sipserver.events import Origin

KEY_BYTES: Final = 16

_TOKEN: Final = r"[A-Za-z0-9\-.!%*_+`'~]++"  # noqa: S105 - a grammar rule
_START: Final = re.compile(r"REGISTER sips?:([a-z0-9.\-]++)[^ \r\n]*+ SIP/2\.0\r\n")
_VIA: Final = re.compile(
    r"\r\nVia: (SIP/2\.0/[A-Z]{2,3} (\[[0-9A-Fa-f:.]++\]|[a-z0-9.\-]++)(?::([1-9][0-9]{0,4}+))?)"
    r"((?:;[a-z\-]++(?:=[A-Za-z0-9\-._:+~*!]*+)?)+)\r\n"
)
_FROM: Final = re.compile(rf"\r\nFrom: ([^\r\n>]*+>);tag=({_TOKEN})\r\n")
# A port or parameters of the URI say nothing of whose it is, and some phones write them.
_TO: Final = re.compile(
    r"\r\nTo: (([^\r\n<]*+<)?sips?:([A-Za-z0-9\-_.+*!~]++)@([a-z0-9.\-]++)(?(2)(?:[:;][^\r\n<>]*+)?>))\r\n"
)
_CALL_ID: Final = re.compile(r"\r\nCall-ID: ([!-~]++)\r\n")
_CSEQ: Final = re.compile(r"\r\nCSeq: ([1-9][0-9]{0,8}+) REGISTER\r\n")
_AUTHORIZATION: Final = re.compile(r"\r\nAuthorization: (Digest [ -~]++)\r\n")
_ASKED: Final = re.compile(r"\r\nContact: [^\r\n>]*+>[^\r\n,]*?;expires=([0-9]{1,9})(?![0-9])")
_EXPIRES: Final = re.compile(r"\r\nExpires: ([0-9]{1,9}+)\r\n")
_SUPPORTED: Final = re.compile(r"\r\nSupported: ([^\r\n]*+)\r\n")
_BRANCH: Final = ";branch="
_COOKIE: Final = "z9hG4bK"


class Renewal(NamedTuple):
    """A REGISTER with credentials that may be a renewal. key: of all its bytes but those that every renewal changes, of
    who sent it, from where, and of the policy it would be judged by. aor: "sip:<user>@<host>"; authorization: the
    header that `credentials` are of; supported: option tags it surely says it supports. The last are as Echoing has
    them."""

    data: bytes
    origin: Address | Origin
    source: Address
    domain: DomainPolicy
    key: bytes
    user: str
    aor: str
    authorization: str
    credentials: DigestCredentials
    nonce_issued_at_s: int
    asked_s: int | None
    supported: frozenset[str]
    cseq: int
    call_id: str
    branch: str
    via: re.Match[str]
    via_host: str
    from_text: str
    to_text: str

    @property
    def repeat_key(self) -> bytes:
        return repeat_key(self.data, self.source)

    @property
    def request_key(self) -> bytes:
        return request_key(self.from_text, self.call_id, f"{self.cseq} REGISTER")


class RenewalReader:
    """Reads for the domains as they are now. `place` is what else a judgement rests on: our socket, our own hosts."""

    def __init__(self, domains: Mapping[str, DomainPolicy], place: str, nonce_key: bytes) -> None:
        self._nonce_key = nonce_key
        self._domains = {
            name: (domain, blake2b(f"{domain!r}\0{place}".encode(), digest_size=32).digest())
            for name, domain in domains.items()
        }

    def read(self, data: bytes, origin: Address | Origin) -> Renewal | None:
        """None for what is none, or might be read in two ways."""
        if data[:9] != b"REGISTER " or data[-4:] != b"\r\n\r\n":
            return None
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return None
        start, authorization = _START.match(text), _AUTHORIZATION.search(text)
        if start is None or authorization is None or start[1] not in self._domains:
            return None
        if "\r\n " in text or "\r\n\t" in text or text.find("\r\n\r\n") != len(text) - 4:
            return None
        domain, policy = self._domains[start[1]]
        credentials = parse_authorization((authorization[1],), domain.realm)
        if not isinstance(credentials, DigestCredentials) or credentials.qop is None:
            return None
        if credentials.algorithm not in domain.algorithms:
            return None
        # Who was never challenged from there costs no look-up.
        issued_at_s = nonce_issued_at_s(self._nonce_key, credentials.nonce, origin[0], domain.realm)
        if issued_at_s is None:
            return None
        try:
            return _renewal(data, text, origin, authorization, credentials, issued_at_s, domain, policy)
        except UriError:
            return None


def _renewal(
    data: bytes,
    text: str,
    origin: Address | Origin,
    authorization: re.Match[str],
    credentials: DigestCredentials,
    issued_at_s: int,
    domain: DomainPolicy,
    policy: bytes,
) -> Renewal | None:
    via, from_, to = _VIA.search(text), _FROM.search(text), _TO.search(text)
    call_id, cseq = _CALL_ID.search(text), _CSEQ.search(text)
    if via is None or from_ is None or to is None or call_id is None or cseq is None:
        return None
    branch = _span_of_branch(via)
    if branch is None:
        return None
    varying = sorted((branch, from_.span(2), cseq.span(1), authorization.span(1)))
    asked, supported = _ASKED.search(text) or _EXPIRES.search(text), _SUPPORTED.search(text)
    return Renewal(
        data,
        origin,
        origin[:2],
        domain,
        _key(policy, origin, credentials.username, text, varying),
        to[3],
        f"sip:{to[3]}@{to[4]}",
        authorization[1],
        credentials,
        issued_at_s,
        int(asked[1]) if asked else None,
        _tags(supported[1]) if supported else frozenset(),
        int(cseq[1]),
        call_id[1],
        text[slice(*branch)],
        via,
        plain_host(via[2]),
        text[from_.start(1) : from_.end(2)],
        to[1],
    )


@lru_cache(maxsize=256)  # a kind of phone says the same
def _tags(text: str) -> frozenset[str]:
    return frozenset(tag.strip(" \t").lower() for tag in text.split(","))


def _span_of_branch(via: re.Match[str]) -> tuple[int, int] | None:
    """Where a branch of today's kind is (RFC 3261 §8.1.1.7); None too if an address of the answer is named already."""
    params = via[4]
    at = params.find(_BRANCH)
    if at < 0 or "received" in params or ";rport=" in params:
        return None
    begin = at + len(_BRANCH)
    end = params.find(";", begin)
    if not params.startswith(_COOKIE, begin) or begin + len(_COOKIE) in (end, len(params)):
        return None
    offset = via.start(4)
    return offset + begin, offset + (end if end >= 0 else len(params))


def _key(
    policy: bytes, origin: Address | Origin, username: str, text: str, varying: list[tuple[int, int]]
) -> bytes:
    # In place of what varies stands an end of line, which nothing else can be.
    pieces, at = [f"{origin[0]} {origin[1]} {origin[2:]}", username], 0
    for begin, end in varying:
        pieces.append(text[at:begin])
        at = end
    pieces.append(text[at:])
    return blake2b("\n".join(pieces).encode(), digest_size=KEY_BYTES, key=policy).digest()
