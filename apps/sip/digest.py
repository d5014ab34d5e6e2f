"""Digest authentication arithmetic (RFC 7616, RFC 8760, RFC 3261 §22).

Must not look up users, judge nonces, or know why a challenge is sent. Clear-text passwords pass through ha1
only.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial
from typing import Final, Literal, NamedTuple

from apps.sip.params import QUOTED, TOKEN

MAX_AUTH_PARAMS: Final = 32
# What we would have to send back; the longest nonces seen have 150 characters.
MAX_CHALLENGE: Final = 2048

_SCHEME: Final = re.compile(r"(?i:digest)[ \t]++")
_AUTH_PARAMS: Final = re.compile(
    rf"[ \t]*+({TOKEN})[ \t]*+=[ \t]*+(?:\"([^\"\\]*+)\"|([^\s,\"]++)|({QUOTED}))[ \t]*+(?:,|$)|(.++)",
    re.DOTALL,
)
_QUOTED_PAIR: Final = re.compile(r"\\(.)")
_NONCE_COUNT: Final = re.compile(r"[0-9A-Fa-f]{8}")
_MANDATORY: Final = ("username", "realm", "nonce", "uri", "response")


class Algorithm(StrEnum):
    """The hash functions we can compute, weakest first."""

    MD5 = "MD5"
    SHA256 = "SHA-256"
    SHA512_256 = "SHA-512-256"


_ALGORITHMS: Final = {algorithm.lower(): algorithm for algorithm in Algorithm}
_HASHES: Final[dict[Algorithm, Callable[..., hashlib._Hash]]] = {
    Algorithm.MD5: hashlib.md5,
    Algorithm.SHA256: hashlib.sha256,
    Algorithm.SHA512_256: partial(hashlib.new, "sha512_256"),
}


class DigestCredentials(NamedTuple):
    """One answer to a challenge (RFC 7616 §3.4).

    nc is 0 and cnonce "" without qop. nc_text is the nonce count as sent, which is what was hashed.
    """

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: Algorithm
    cnonce: str
    nc: int
    qop: Literal["auth"] | None
    nc_text: str = ""


@dataclass(frozen=True, slots=True)
class ForeignClaim:
    """Who somebody says they are in a realm that is not ours."""

    username: str
    realm: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate line that we can answer (RFC 7616 §3.3). has_qop: it offers qop
    "auth". opaque: what goes back as it came, escapes resolved."""

    realm: str
    nonce: str
    algorithm: Algorithm
    stale: bool
    has_qop: bool
    opaque: str | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationFault:
    """Digest credentials that break their grammar (400); ``why`` is a short machine code."""

    why: str


def ha1(algorithm: Algorithm, username: str, realm: str, password: str) -> str:
    """H(username:realm:password) in lower-case hex (RFC 7616 §3.4.2)."""
    return _hash(algorithm, f"{username}:{realm}:{password}")


def parse_authorization(values: Sequence[str], realm: str) -> DigestCredentials | AuthorizationFault | None:
    """The first usable Digest credentials for our realm among the Authorization lines.

    Otherwise the first AuthorizationFault, otherwise None: no credentials, another scheme or realm, an
    algorithm or userhash we do not offer. Each line is one set of credentials (RFC 3261 §7.3.1: no comma
    lists of them).
    """
    fault: AuthorizationFault | None = None
    for value in values:
        scheme = _SCHEME.match(value)
        if scheme is None:
            continue
        credentials = _read_credentials(value[scheme.end() :], realm)
        if isinstance(credentials, DigestCredentials):
            return credentials
        fault = fault or credentials
    return fault


def foreign_claim(values: Sequence[str], realm: str) -> ForeignClaim | None:
    """The first Digest credentials for another realm than `realm` among the Authorization lines."""
    for value in values:
        scheme = _SCHEME.match(value)
        params = _auth_params(value[scheme.end() :]) if scheme else None
        if isinstance(params, dict) and params.get("username"):
            named = _unescaped(params.get("realm", realm))
            if named != realm:
                return ForeignClaim(_unescaped(params["username"]), named)
    return None


def expected_response(credentials: DigestCredentials, ha1: str, method: str) -> str:
    """The right response in lower-case hex (RFC 7616 §3.4.1; without qop as in RFC 2069)."""
    algorithm = credentials.algorithm
    ha2 = _ha2(algorithm, method, credentials.uri)
    if credentials.qop is None:
        return _hash(algorithm, f"{ha1}:{credentials.nonce}:{ha2}")
    nonce_count = credentials.nc_text or f"{credentials.nc:08x}"
    return _hash(
        algorithm, f"{ha1}:{credentials.nonce}:{nonce_count}:{credentials.cnonce}:{credentials.qop}:{ha2}"
    )


def verify(credentials: DigestCredentials, ha1: str, method: str) -> bool:
    """Whether the response proves knowledge of the password behind ha1. Constant time in its content."""
    expected = expected_response(credentials, ha1, method)
    return hmac.compare_digest(expected.encode(), credentials.response.lower().encode())


def www_authenticate(realm: str, nonce: str, algorithm: Algorithm, stale: bool) -> str:
    """The value of one WWW-Authenticate header (RFC 7616 §3.3, RFC 8760 §2.3)."""
    stale_part = ", stale=true" if stale else ""
    return (
        f'Digest realm={_quote(realm)}, nonce={_quote(nonce)}, algorithm={algorithm}, qop="auth"{stale_part}'
    )


def parse_challenge(value: str) -> Challenge | None:
    """None for another scheme, an algorithm we cannot compute, what breaks the grammar, or could not be sent back."""
    scheme = _SCHEME.match(value)
    params = _auth_params(value[scheme.end() :]) if scheme else None
    if not isinstance(params, dict) or not params.get("nonce"):
        return None
    algorithm = _ALGORITHMS.get(params.get("algorithm", Algorithm.MD5).lower())
    if algorithm is None or len(value) > MAX_CHALLENGE or not value.replace("\t", " ").isprintable():
        return None
    offered = [token.strip(" \t").lower() for token in params.get("qop", "").split(",")]
    return Challenge(
        realm=_unescaped(params.get("realm", "")),
        nonce=params["nonce"],
        algorithm=algorithm,
        stale=params.get("stale", "").lower() == "true",
        has_qop="auth" in offered,
        opaque=_unescaped(params["opaque"]) if "opaque" in params else None,
    )


def first_answerable(values: Iterable[str]) -> Challenge | None:
    """Of several challenges the first we can answer, which is the one the server wants most (RFC 8760 §2.4)."""
    return next((found for value in values if (found := parse_challenge(value)) is not None), None)


def answer_challenge(
    challenge: Challenge,
    *,
    username: str,
    password: str,
    method: str,
    uri: str,
    cnonce: str,
    nonce_count: int,
) -> str:
    """The value of an Authorization or Proxy-Authorization header that answers it (RFC 7616 §3.4, RFC 3261 §22.2).

    nonce_count: how many requests have used this nonce, this one with them.
    """
    credentials = DigestCredentials(
        username=username,
        realm=challenge.realm,
        nonce=challenge.nonce,
        uri=uri,
        response="",
        algorithm=challenge.algorithm,
        cnonce=cnonce,
        nc=nonce_count,
        qop="auth" if challenge.has_qop else None,
    )
    value = authorization(credentials, ha1(challenge.algorithm, username, challenge.realm, password), method)
    return value if challenge.opaque is None else f"{value}, opaque={_quote(challenge.opaque)}"


def authorization(credentials: DigestCredentials, ha1: str, method: str) -> str:
    """The value of an Authorization header with these credentials and their right response (RFC 7616 §3.4)."""
    quoted = {
        "username": credentials.username,
        "realm": credentials.realm,
        "nonce": credentials.nonce,
        "uri": credentials.uri,
        "response": expected_response(credentials, ha1, method),
    }
    parts = [f"{name}={_quote(text)}" for name, text in quoted.items()]
    parts.append(f"algorithm={credentials.algorithm}")
    if credentials.qop is not None:
        parts += [
            f"cnonce={_quote(credentials.cnonce)}",
            f"qop={credentials.qop}",
            f"nc={credentials.nc:08x}",
        ]
    return f"Digest {', '.join(parts)}"


def next_nonce(value: str) -> str | None:
    """The nonce for the next request that an Authentication-Info header offers (RFC 7616 §3.5); None without one."""
    params = _auth_params(value) if len(value) <= MAX_CHALLENGE and value.isprintable() else None
    return params.get("nextnonce") or None if isinstance(params, dict) else None


def authentication_info(next_nonce: str) -> str:
    """The value of an Authentication-Info header that offers the next nonce (RFC 7616 §3.5)."""
    return f"nextnonce={_quote(next_nonce)}"


@lru_cache(maxsize=1024)  # the phones of a domain say the same
def _ha2(algorithm: Algorithm, method: str, uri: str) -> str:
    return _hash(algorithm, f"{method}:{uri}")


def _hash(algorithm: Algorithm, text: str) -> str:
    return _HASHES[algorithm](text.encode(), usedforsecurity=False).hexdigest()


def _quote(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a quoted string of ours holds a control character")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _read_credentials(text: str, realm: str) -> DigestCredentials | AuthorizationFault | None:
    params = _auth_params(text)
    if isinstance(params, AuthorizationFault):
        return params
    if _unescaped(params.get("realm", realm)) != realm:
        return None
    for name in _MANDATORY:
        if not params.get(name):
            return AuthorizationFault(f"missing_{name}")
    algorithm = _ALGORITHMS.get(params.get("algorithm", Algorithm.MD5).lower())
    if algorithm is None or params.get("userhash", "").lower() == "true":
        return None
    return _checked_credentials(params, algorithm)


def _checked_credentials(
    params: dict[str, str], algorithm: Algorithm
) -> DigestCredentials | AuthorizationFault:
    qop: Literal["auth"] | None = None
    nonce_count, cnonce = "", ""
    if "qop" in params:
        if params["qop"].lower() != "auth":
            return AuthorizationFault("unsupported_qop")
        qop, nonce_count, cnonce = "auth", params.get("nc", ""), params.get("cnonce", "")
        if _NONCE_COUNT.fullmatch(nonce_count) is None:
            return AuthorizationFault("bad_nc")
        if not cnonce:
            return AuthorizationFault("missing_cnonce")
    return DigestCredentials(
        _unescaped(params["username"]),
        _unescaped(params["realm"]),
        params["nonce"],
        params["uri"],
        params["response"],
        algorithm,
        cnonce,
        int(nonce_count or "0", 16),
        qop,
        nonce_count,
    )


def _unescaped(text: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text


def _auth_params(text: str) -> dict[str, str] | AuthorizationFault:
    """Names in lower case; quotes taken off but escapes left, as unq() of RFC 7616 §3.4 hashes them."""
    found = _AUTH_PARAMS.findall(text)
    if not found or len(found) > MAX_AUTH_PARAMS or found[-1][4]:
        return AuthorizationFault("bad_syntax")
    params = {name.lower(): plain or token or escaped[1:-1] for name, plain, token, escaped, _ in found}
    return params if len(params) == len(found) else AuthorizationFault("duplicate_parameter")
