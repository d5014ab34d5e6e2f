"""Responses: the bytes of an answer and where it goes (RFC 3261 §8.2.6, §18.2; RFC 3581).

Must not choose a status. An answer goes to the address the packet came from and to no other, whatever the
request says (no reflection); only the port can come from the Via.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from apps.sip.controls import wire_text
from apps.sip.message import Echo, MalformedRequest, Request
from apps.sip.transactions import answer_tag, transaction_key
from apps.sip.via import received_from

REASON_PHRASES: Final[dict[int, str]] = {
    100: "Trying",
    200: "OK",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    423: "Interval Too Brief",
    430: "Flow Failed",
    439: "First Hop Lacks Outbound Support",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    487: "Request Terminated",
    489: "Bad Event",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    505: "Version Not Supported",
}

_NO_BODY: Final = b"Content-Length: 0\r\n\r\n"
_DEFAULT_PORT: Final = 5060
_DEFAULT_TLS_PORT: Final = 5061
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def build_response(
    request: Request | MalformedRequest,
    source: tuple[str, int],
    status: int,
    reason: str,
    headers: Sequence[tuple[str, str]] = (),
    to_tag: str | None = None,
) -> bytes:
    """The answer's bytes (RFC 3261 §8.2.6.2), without a body.

    Via, From, To, Call-ID and CSeq as they came; the top Via with received and rport; the To with a tag,
    the same for every repeat unless ``to_tag`` says otherwise; then ``headers`` in order. An empty reason
    takes the RFC's. Raises ValueError, a fault of ours: a MalformedRequest without echo, or a line break in
    reason or headers.
    """
    echo = request.echo
    if echo is None:
        raise ValueError("this request gets no answer: nothing says where it would go")
    lines = [
        f"SIP/2.0 {status} {reason or REASON_PHRASES[status]}",
        f"Via: {received_from(echo.top_via, source)}",
    ]
    lines += [f"Via: {via}" for via in echo.more_vias]
    if echo.from_text is not None:
        lines.append(f"From: {echo.from_text}")
    if echo.to_text is not None:
        lines.append(f"To: {_tagged_to(request, echo, to_tag)}")
    if echo.call_id is not None:
        lines.append(f"Call-ID: {echo.call_id}")
    if echo.cseq_text is not None:
        lines.append(f"CSeq: {echo.cseq_text}")
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append("Content-Length: 0\r\n\r\n")
    return _joined(lines)


def another_response(
    answer: bytes, status: int, reason: str, headers: Sequence[tuple[str, str]] = ()
) -> bytes:
    """The answer to the same request with another status and ``headers``, made from one of build_response without any.

    An empty reason takes the RFC's, if we know it. Raises ValueError, a fault of ours: a line break in what is added.
    """
    lines = [
        f"SIP/2.0 {status} {reason or REASON_PHRASES.get(status, '')}",
        *(f"{name}: {text}" for name, text in headers),
    ]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ValueError("a line break or NUL inside an answer's header")
    echo = answer[answer.index(b"\r\n") : -len(_NO_BODY)]
    added = "".join(line + "\r\n" for line in lines[1:])
    return lines[0].encode() + echo + wire_text(added).encode() + _NO_BODY


def response_address(request: Request | MalformedRequest, source: tuple[str, int]) -> tuple[str, int]:
    """Where the answer goes: the packet's source host, and its port if rport was asked (RFC 3581 §4),
    otherwise the port of the sent-by, 5060 if none (RFC 3261 §18.2.2). maddr and received of the request
    are not followed.

    Raises ValueError for a MalformedRequest without echo.
    """
    via = request.top_via
    if via is None:
        raise ValueError("this request gets no answer: nothing says where it would go")
    if via.rport_asked:
        return source
    host, _ = source
    return host, via.port or (_DEFAULT_TLS_PORT if via.transport == "TLS" else _DEFAULT_PORT)


@lru_cache(maxsize=4)  # all answers of a second say the same
def sip_date(epoch_s: int) -> str:
    """The value of a Date header (RFC 3261 §20.17), e.g. "Sat, 13 Nov 2010 23:29:00 GMT"."""
    at = datetime.fromtimestamp(epoch_s, UTC)
    return f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} {at:%H:%M:%S} GMT"


def _tagged_to(request: Request | MalformedRequest, echo: Echo, to_tag: str | None) -> str:
    text = echo.to_text or ""
    if echo.to_has_tag:
        return text
    return f"{text.rstrip('; ')};tag={to_tag or _answer_tag(request, echo)}"


def _answer_tag(request: Request | MalformedRequest, echo: Echo) -> str:
    if isinstance(request, Request):
        return answer_tag(transaction_key(request))
    parts = (echo.top_via.text, echo.from_text or "", echo.call_id or "", echo.cseq_text or "")
    return answer_tag(blake2b("\0".join(parts).encode(), digest_size=16).digest())


def _joined(lines: list[str]) -> bytes:
    text = "\r\n".join(lines)
    # len(lines) - 1 joins and the two that end the head: any more came in with a value.
    ends = len(lines) + 1
    if text.count("\r") != ends or text.count("\n") != ends or "\0" in text:
        raise ValueError("a line break or NUL inside an answer's header")
    return wire_text(text).encode()
