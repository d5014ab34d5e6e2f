"""A request as a proxy passes it on (RFC 3261 §16.6), by editing its bytes: what is not the proxy's to change leaves as
it came, in its order and spelling.

Must not decide where it goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from apps.sip.controls import wire_text
from apps.sip.headers import read_head
from apps.sip.lines import Line, first, line_value, split_lines
from apps.sip.message import Request
from apps.sip.name_addr import parse_name_addr
from apps.sip.params import FieldError, is_digits, split_list
from apps.sip.via import received_from

_REALM: Final = re.compile(r'[\s,]realm[ \t]*+=[ \t]*+"([^"\\]*+)"', re.IGNORECASE)
_IDENTITIES: Final = frozenset({b"p-asserted-identity", b"p-preferred-identity"})
_CHANGED: Final = frozenset({b"route", b"max-forwards", b"proxy-authorization"})
# Where the CSeq number stands (RFC 3261 §20.16, RFC 3262 §7.2).
_COUNTED: Final = {b"cseq": 0, b"rack": 1}
_MAX_FORWARDS: Final = 70


@dataclass(frozen=True, slots=True)
class Carried:
    """A request but for what each hop puts on top of it.

    lines: its header lines, each ended, the caller's Via with what its packet proved, without Routes. identifying: for
    the CANCEL and ACK of §9.1 and §17.1.1.3.
    """

    method: bytes
    lines: bytes
    body: bytes
    identifying: Identifying


@dataclass(frozen=True, slots=True)
class Identifying:
    """From, To and Call-ID as lines that came, each ended; the CSeq's number."""

    from_: bytes
    to: bytes
    call_id: bytes
    cseq: int


@dataclass(frozen=True, slots=True)
class Top:
    """What one hop is told first. uri: the Request-URI; via: our Via; routes: all it has, in order."""

    uri: str
    via: str
    routes: tuple[str, ...] = ()

    def lines(self, method: bytes) -> bytes:
        """Request-Line, Via and Routes, each ended. Raises ValueError, a fault of ours: a line break in one of them."""
        text = "".join(
            [f" {self.uri} SIP/2.0\r\nVia: {self.via}\r\n", *[f"Route: {route}\r\n" for route in self.routes]]
        )
        if not text.count("\r") == text.count("\n") == 2 + len(self.routes) or "\0" in text:
            raise ValueError("a line break in what is put on top of a request")
        return method + wire_text(text).encode()


def carried(
    data: bytes, request: Request, source: tuple[str, int], is_our_realm: Callable[[str], bool]
) -> Carried:
    """What of the request's bytes goes on: Max-Forwards one less, our realm's credentials and all Routes gone."""
    head = data.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]
    lines = split_lines(head)[1:]
    kept = [
        raw if name not in _CHANGED else _passed_on(name, raw, request, is_our_realm) for name, raw in lines
    ]
    top = next(number for number, (name, _) in enumerate(lines) if name == b"via")
    kept[top] = _proven_via(lines[top][1], request, source)
    if "max-forwards" not in request.by_name:
        kept.insert(0, b"Max-Forwards: %d" % _MAX_FORWARDS)
    if "content-length" not in request.by_name:
        kept.append(b"Content-Length: %d" % len(request.body))
    text = b"\r\n".join([line for line in kept if line is not None]) + b"\r\n"
    return Carried(request.method.encode(), text, request.body, _identifying(lines, request))


def forwarded(carried: Carried, top: bytes, added: Iterable[str] = (), identity: str | None = None) -> bytes:
    """The whole request: `top` as of Top.lines, then `added` header lines, then what came.

    identity: the P-Asserted-Identity in place of any that came (RFC 3325 §5), empty for none. Raises ValueError as
    Top.lines does.
    """
    lines, more = carried.lines, list(added)
    if identity is not None:
        lines = _without_identity(lines)
        if identity:
            more.append(f"P-Asserted-Identity: {identity}")
    text = "".join([line + "\r\n" for line in more])
    if not text.count("\r") == text.count("\n") == len(more) or "\0" in text:
        raise ValueError("a line break in a header put into a request")
    return b"".join((top, wire_text(text).encode(), lines, b"\r\n", carried.body))


def raised(carried: Carried, by: int, without: frozenset[bytes] = frozenset()) -> Carried:
    """With CSeq numbers so much higher (those a RAck names, too), and without the header lines of these names."""
    # The first line of a head is taken for its start line: give it one.
    lines = split_lines(b"\r\n" + carried.lines.removesuffix(b"\r\n"))[1:]
    kept = [_raised(name, raw, by) for name, raw in lines if name not in without]
    identifying = replace(carried.identifying, cseq=carried.identifying.cseq + by)
    return replace(carried, lines=b"\r\n".join(kept) + b"\r\n", identifying=identifying)


def cancel(top: bytes, identifying: Identifying, reasons: Iterable[bytes] = ()) -> bytes:
    """The CANCEL of the request that went with that top (RFC 3261 §9.1). reasons: header lines (RFC 3326)."""
    return _hop_by_hop(b"CANCEL", top, identifying, identifying.to, reasons)


def ack(top: bytes, identifying: Identifying, to_line: bytes) -> bytes:
    """The ACK for a final answer other than 2xx, whose To line is given (RFC 3261 §17.1.1.3).

    Where that cannot be read, the To of the request is said again.
    """
    to = to_line + b"\r\n" if _is_name_addr(to_line) else identifying.to
    return _hop_by_hop(b"ACK", top, identifying, to, ())


def _hop_by_hop(
    method: bytes, top: bytes, identifying: Identifying, to: bytes, more: Iterable[bytes]
) -> bytes:
    line = b"CSeq: %d %b\r\nMax-Forwards: %d\r\n" % (identifying.cseq, method, _MAX_FORWARDS)
    rest = b"".join([reason + b"\r\n" for reason in more])
    pieces = (method, top[top.index(b" ") :], identifying.from_, to, identifying.call_id, line, rest)
    return b"".join(pieces) + b"Content-Length: 0\r\n\r\n"


def _raised(name: bytes, raw: bytes, by: int) -> bytes:
    if name not in _COUNTED:
        return raw
    words = line_value(raw).split()
    place = _COUNTED[name]
    if len(words) <= place or not is_digits(words[place]):
        return raw
    words[place] = str(int(words[place]) + by)
    return raw.partition(b":")[0] + b": " + " ".join(words).encode()


def _is_name_addr(line: bytes) -> bool:
    head = read_head(b"\r\n" + line)
    try:
        return head.why is None and bool(parse_name_addr(head.fields[0][1]))
    except FieldError:
        return False


def _passed_on(
    name: bytes, raw: bytes, request: Request, is_our_realm: Callable[[str], bool]
) -> bytes | None:
    if name == b"route":
        return None
    if name == b"max-forwards":
        return b"Max-Forwards: %d" % (int(request.value("max-forwards") or 0) - 1)
    realm = _REALM.search(" " + line_value(raw))
    return None if realm and is_our_realm(realm[1]) else raw


def _proven_via(raw: bytes, request: Request, source: tuple[str, int]) -> bytes:
    via = request.vias[0]
    text = received_from(via, source)
    if text == via.text:
        return raw
    more = split_list(line_value(raw))[1:]
    return b"Via: " + wire_text(", ".join([text, *more])).encode()


def _identifying(lines: list[Line], request: Request) -> Identifying:
    raw = [first(lines, name) or b"" for name in (b"from", b"to", b"call-id")]
    from_, to, call_id = [line + b"\r\n" for line in raw]
    return Identifying(from_, to, call_id, request.cseq)


def _without_identity(lines: bytes) -> bytes:
    if b"-identity" not in lines.lower():
        return lines
    # The first line of a head is taken for its start line: give it one.
    kept = [
        raw for name, raw in split_lines(b"\r\n" + lines.removesuffix(b"\r\n")) if name not in _IDENTITIES
    ]
    return b"\r\n".join(kept[1:]) + b"\r\n"
