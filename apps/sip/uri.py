"""SIP and SIPS URIs: taking apart, comparing, and the address-of-record they stand for (RFC 3261 §19.1).

Must not resolve names, know which domains are ours, or do I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from apps.sip.controls import CONTROL_CLASS, STAND_IN_CLASS, hide_controls, show_controls

MAX_URI_LENGTH: Final = 512

_HOST: Final = r"\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9_][A-Za-z0-9_.\-]*+"
_SIP_URI: Final = re.compile(
    r"([sS][iI][pP][sS]?+):"
    r"(?:([A-Za-z0-9\-_.!~*'()%&=+$,;?/]++)(?::([A-Za-z0-9\-_.!~*'()%&=+$,]*+))?@)?"
    rf"({_HOST})(?::([0-9]{{1,5}}+))?"
    r"((?:;[A-Za-z0-9\-_.!~*'()%\[\]/:&+$=]++)*)"
    r"(?:\?([A-Za-z0-9\-_.!~*'()%\[\]/?:+$&=]++))?"
)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*+):[^\s<>\"]++")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_USER_UNSAFE: Final = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,;?/]")
_CONTROL: Final = re.compile(f"[{CONTROL_CLASS}]")
_STAND_IN: Final = re.compile(f"[{STAND_IN_CLASS}]")
# RFC 3261 §19.1.4: these count even if only one URI has them; every other parameter then does not.
_DECISIVE_PARAMS: Final = ("user", "ttl", "method", "maddr", "transport")


class UriError(ValueError):
    """The text is not a URI we can use."""


class UnsupportedScheme(UriError):  # noqa: N818 - the RFC's words
    """A URI, but neither sip nor sips."""


class UriTooLong(UriError):  # noqa: N818 - the RFC's words
    """More than MAX_URI_LENGTH characters."""


@dataclass(frozen=True, slots=True)
class SipUri:
    """One sip or sips URI with its escapes resolved.

    scheme "sip" or "sips"; host in lower case, IPv6 without brackets in its shortest form; port None if not
    written; params with lower-case names; headers in the order sent. No text holds a control character: an escaped
    one is a stand-in (controls.py).
    """

    scheme: str
    user: str | None
    password: str | None
    host: str
    port: int | None
    params: tuple[tuple[str, str | None], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=4096)  # a phone sends the same three for as long as it lives; a few MB at most
def parse_sip_uri(text: str) -> SipUri:
    """The URI, each escape resolved once (RFC 3261 §19.1.2).

    Raises UnsupportedScheme for a URI of another scheme, UriTooLong, and UriError for everything else: bad
    syntax, an escape that stands for bytes that are not UTF-8, a repeated parameter.
    """
    if len(text) > MAX_URI_LENGTH:
        raise UriTooLong("longer than 512 characters")
    match = _SIP_URI.fullmatch(text)
    if match is None:
        raise _why_not_sip(text)
    scheme, user, password, host, port, params, headers = match.groups()
    return SipUri(
        scheme.lower(),
        _unescape(user) if user else None,
        _unescape(password) if password else password,
        normal_host(host),
        parse_port(port) if port else None,
        _parse_params(params) if params else (),
        _parse_headers(headers) if headers else (),
    )


def uris_equal(a: SipUri, b: SipUri) -> bool:
    """Whether both name the same resource (RFC 3261 §19.1.4). Not transitive."""
    return (
        a.host == b.host
        and a.user == b.user
        and a.port == b.port
        and a.scheme == b.scheme
        and a.password == b.password
        and (a.params == b.params or _params_match(dict(a.params), dict(b.params)))
        and (a.headers == b.headers or _header_set(a) == _header_set(b))
    )


def address_of_record(uri: SipUri) -> str:
    """The canonical "sip:user@host" of RFC 3261 §10.3 step 5, "sip:host" without a user.

    No port, password or parameters; a sips URI gives the same record. Escapes only where the grammar asks
    for it.
    """
    if uri.user is None:
        return f"sip:{format_host(uri.host)}"
    return aor_of(uri.user, uri.host)


def aor_of(user: str, host: str) -> str:
    """The canonical AOR of a user part and a host (IPv6 without brackets): what address_of_record gives for them."""
    return f"sip:{_escape_user(user)}@{format_host(host)}"


def format_host(host: str) -> str:
    """The host as written in a URI or a Via: IPv6 in brackets, without a zone."""
    if ":" not in host:
        return host
    return f"[{host.partition('%')[0]}]"


def normal_host(host: str) -> str:
    """A host, IPv6 with or without brackets, in the one form that compares equal. Raises UriError."""
    if ":" in host or host[:1] == "[":
        try:
            return str(IPv6Address(host.removeprefix("[").removesuffix("]")))
        except AddressValueError:
            raise UriError("IPv6 reference") from None
    if ".." in host or len(host) > 255:
        raise UriError("host")
    return host.lower().removesuffix(".")


def parse_port(digits: str) -> int:
    """1 to 65535 from up to five digits. Raises UriError."""
    port = int(digits)
    if not 0 < port < 65536:
        raise UriError("port")
    return port


def _why_not_sip(text: str) -> UriError:
    other = _SCHEME.fullmatch(text)
    if other is None or other.group(1).lower() in ("sip", "sips") or _CONTROL.search(text):
        return UriError("not a SIP URI")
    return UnsupportedScheme(other.group(1).lower())


def _unescape(text: str) -> str:
    if "%" not in text:
        return text
    if text.count("%") != len(_ESCAPE.findall(text)):
        raise UriError("escape")
    raw = _ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), text).encode("latin-1")
    try:
        plain = raw.decode()
    except UnicodeDecodeError:
        raise UriError("escape is not UTF-8") from None
    if _STAND_IN.search(plain):
        raise UriError("escape is not text")
    return hide_controls(plain) if _CONTROL.search(plain) else plain


def _escape_user(user: str) -> str:
    def escaped(match: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in show_controls(match.group()).encode())

    return _USER_UNSAFE.sub(escaped, user)


def _parse_params(text: str) -> tuple[tuple[str, str | None], ...]:
    params: dict[str, str | None] = {}
    for piece in text[1:].split(";"):
        name, equals, value = piece.partition("=")
        name = _unescape(name).lower()
        if not name or name in params or "=" in value or (equals and not value):
            raise UriError("parameters")
        params[name] = _unescape(value) if equals else None
    return tuple(params.items())


def _parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    headers: list[tuple[str, str]] = []
    for piece in text.split("&"):
        name, equals, value = piece.partition("=")
        if not name or not equals:
            raise UriError("headers")
        headers.append((_unescape(name), _unescape(value)))
    return tuple(headers)


def _params_match(a: dict[str, str | None], b: dict[str, str | None]) -> bool:
    if any((name in a) != (name in b) for name in _DECISIVE_PARAMS):
        return False
    return all((a[name] or "").lower() == (b[name] or "").lower() for name in a.keys() & b.keys())


def _header_set(uri: SipUri) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in uri.headers)
