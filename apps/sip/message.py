"""Requests: the bytes of one datagram become a Request, or a MalformedRequest that knows its answer.

Must not decide what a registrar does with it, build answers, or raise on anything the network can send.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from apps.sip.headers import Head, read_head
from apps.sip.name_addr import NameAddr, parse_name_addr
from apps.sip.params import FieldError, bounded_int, is_digits, is_token, split_list
from apps.sip.uri import SipUri, UnsupportedScheme, UriError, UriTooLong, parse_sip_uri
from apps.sip.via import Via, parse_via

__all__ = ["Echo", "MalformedRequest", "NameAddr", "Request", "Via", "parse_request"]

MAX_MESSAGE_LENGTH: Final = 65_535
MAX_CALL_ID_LENGTH: Final = 512
MAX_VIAS: Final = 70
MAX_CSEQ: Final = 2**32 - 1

_SINGLETONS: Final = frozenset({"to", "from", "call-id", "cseq", "max-forwards", "expires"})
_STUN_COOKIE: Final = b"\x21\x12\xa4\x42"
_VERSION: Final = re.compile(r"SIP/[0-9]++\.[0-9]++", re.IGNORECASE)
_SPACE: Final = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Echo:
    """What an answer repeats of its request; None where the request had nothing readable."""

    top_via: Via
    more_vias: tuple[str, ...]
    from_text: str | None
    to_text: str | None
    to_has_tag: bool
    call_id: str | None
    cseq_text: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """A well-formed request (RFC 3261 §7.1). No text in it holds a control character but TAB.

    method and call_id as sent; request_uri None if its scheme is neither sip nor sips; headers as (canonical
    lower-case long name, unfolded value) in order; vias top first, at least one; cseq 0 to 2**32-1; by_name:
    the values of each header.
    """

    method: str
    request_uri: SipUri | None
    request_uri_text: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    vias: tuple[Via, ...]
    from_: NameAddr
    to: NameAddr
    call_id: str
    cseq: int
    by_name: Mapping[str, Sequence[str]] = field(repr=False)

    def values(self, name: str) -> tuple[str, ...]:
        """The values of that (canonical lower-case) header, one per line, in order."""
        return tuple(self.by_name.get(name, ()))

    def tokens(self, name: str) -> tuple[str, ...]:
        """The option tags of all its lines, split at commas, as sent; empty ones left out."""
        tags = [tag.strip(" \t") for value in self.values(name) for tag in value.split(",")]
        return tuple([tag for tag in tags if tag])

    def value(self, name: str) -> str | None:
        """The first value of that header."""
        values = self.by_name.get(name)
        return values[0] if values else None

    @property
    def top_via(self) -> Via:
        return self.vias[0]

    @property
    def echo(self) -> Echo:
        return Echo(
            self.vias[0],
            tuple([via.text for via in self.vias[1:]]),
            self.from_.text,
            self.to.text,
            self.to.tag is not None,
            self.call_id,
            self.value("cseq"),
        )


@dataclass(frozen=True, slots=True)
class MalformedRequest:
    """Bytes that are no request we can act on.

    status: what to answer, None for silence; reason: phrase for the status line; why: short machine code,
    e.g. "missing_call_id"; echo: what the answer repeats, present whenever status is.
    """

    status: int | None
    reason: str
    why: str
    echo: Echo | None = None

    @property
    def top_via(self) -> Via | None:
        return None if self.echo is None else self.echo.top_via


class _Refused(Exception):  # noqa: N818 - leaves this module only as a MalformedRequest
    def __init__(self, why: str, status: int = 400, phrase: str = "Bad Request") -> None:
        super().__init__(why)
        self.why, self.status, self.phrase = why, status, phrase


def parse_request(data: bytes, *, with_ack: bool = False) -> Request | MalformedRequest:
    """The request in one datagram (RFC 3261 §7, §18.3). Never raises; linear in the length of data.

    with_ack: an ACK is read as well, and is silence only if malformed; without it every ACK is (§8.2.7).
    """
    data = data.lstrip(b"\r\n") if data[:1] in (b"\r", b"\n") else data
    noise = _noise(data)
    if noise:
        return MalformedRequest(None, "", noise)
    head_bytes, blank_line, body = data.partition(b"\r\n\r\n")
    head = read_head(head_bytes if blank_line else head_bytes.removesuffix(b"\r\n"))
    is_ack = head.start_line.startswith("ACK ")
    if is_ack and not with_ack:
        return MalformedRequest(None, "", "ack")
    try:
        return _read_request(head, body if blank_line else None)
    except _Refused as refused:
        return MalformedRequest(None, "", refused.why) if is_ack else _malformed(refused, head)


def _noise(data: bytes) -> str | None:
    """The kind of traffic on a SIP port that is no request at all and never gets an answer."""
    if not data.strip(b"\r\n\0 \t"):
        return "keepalive"
    if data[0] < 4 and data[4:8] == _STUN_COOKIE:
        return "stun"
    if data[:4].upper() == b"SIP/":
        return "response"
    end_of_line = data.find(b"\n", 0, MAX_MESSAGE_LENGTH)
    if b" SIP/" not in data[: end_of_line if end_of_line >= 0 else len(data)].upper():
        return "not_sip"
    return "message_too_long" if len(data) > MAX_MESSAGE_LENGTH else None


def _read_request(head: Head, body: bytes | None) -> Request:
    if head.why or body is None:
        raise _Refused(head.why or "no_empty_line")
    method, uri_text = _request_line(head.start_line)
    by_name: dict[str, list[str]] = {}
    for name, value in head.fields:
        if name in by_name:
            if name in _SINGLETONS:
                raise _Refused("duplicate_" + name.replace("-", "_"))
            by_name[name].append(value)
        else:
            by_name[name] = [value]
    single = {name: by_name[name][0] for name in _SINGLETONS if name in by_name}
    lengths = by_name.get("content-length")
    return Request(
        method,
        _request_uri(uri_text),
        uri_text,
        head.fields,
        _body(lengths, body) if lengths else body,
        _vias(by_name.get("via", [])),
        _name_addr(single, "from"),
        _name_addr(single, "to"),
        _call_id(single),
        _cseq(single, method),
        by_name,
    )


def _request_line(line: str) -> tuple[str, str]:
    parts = line.split(" ")
    if parts[-1].upper() != "SIP/2.0" and _VERSION.fullmatch(parts[-1]):
        raise _Refused("sip_version", 505, "Version Not Supported")
    if len(parts) != 3 or parts[2].upper() != "SIP/2.0" or not is_token(parts[0]):
        raise _Refused("bad_request_line")
    return parts[0], parts[1]


def _request_uri(text: str) -> SipUri | None:
    try:
        uri = parse_sip_uri(text)
    except UnsupportedScheme:
        return None
    except UriTooLong:
        raise _Refused("request_uri_too_long", 414, "Request-URI Too Long") from None
    except UriError:
        raise _Refused("bad_request_uri") from None
    if uri.headers:
        raise _Refused("headers_in_request_uri")  # RFC 3261 §19.1.1, table 1
    return uri


def _body(lengths: list[str], body: bytes) -> bytes:
    text = lengths[0]
    if any(other != text for other in lengths):
        raise _Refused("conflicting_content_length")
    if not is_digits(text):
        raise _Refused("bad_content_length")
    length = bounded_int(text, MAX_MESSAGE_LENGTH + 1)
    if length > len(body):
        raise _Refused("content_length_beyond_message")
    return body[:length]


def _vias(values: list[str]) -> tuple[Via, ...]:
    if not values:
        raise _Refused("missing_via")
    try:
        texts = [text for value in values for text in split_list(value)]
        if len(texts) > MAX_VIAS:
            raise _Refused("too_many_vias")
        return tuple([parse_via(text) for text in texts])
    except FieldError:
        raise _Refused("bad_via") from None


def _name_addr(single: dict[str, str], name: str) -> NameAddr:
    try:
        return parse_name_addr(single[name])
    except KeyError:
        raise _Refused("missing_" + name) from None
    except FieldError:
        raise _Refused("bad_" + name) from None


def _call_id(single: dict[str, str]) -> str:
    call_id = single.get("call-id")
    if call_id is None:
        raise _Refused("missing_call_id")
    if not call_id or len(call_id) > MAX_CALL_ID_LENGTH or not call_id.isascii() or _SPACE.search(call_id):
        raise _Refused("bad_call_id")
    return call_id


def _cseq(single: dict[str, str], method: str) -> int:
    text = single.get("cseq")
    if text is None:
        raise _Refused("missing_cseq")
    number, _, cseq_method = text.replace("\t", " ").partition(" ")
    cseq = bounded_int(number, MAX_CSEQ + 1) if is_digits(number) else MAX_CSEQ + 1
    if cseq > MAX_CSEQ:
        raise _Refused("bad_cseq")
    if cseq_method.strip(" ") != method:
        raise _Refused("cseq_method_mismatch")
    return cseq


def _malformed(refused: _Refused, head: Head) -> MalformedRequest:
    """Silence unless a Via tells where the answer goes; nothing is invented for what is missing."""
    echo = _echo(head)
    if echo is None:
        return MalformedRequest(None, "", refused.why)
    phrase = refused.phrase
    if refused.status == 400:
        phrase = f"{phrase} ({refused.why.replace('_', ' ')})"
    return MalformedRequest(refused.status, phrase, refused.why, echo)


def _echo(head: Head) -> Echo | None:
    first: dict[str, str] = {}
    for name, value in head.fields:
        first.setdefault(name, value)
    via_lines = [value for name, value in head.fields if name == "via"]
    try:
        top, *more = split_list(via_lines[0])
        top_via = parse_via(top)
    except (IndexError, FieldError):
        return None
    to_text = first.get("to")
    return Echo(
        top_via,
        (*more, *via_lines[1:]),
        first.get("from"),
        to_text,
        _may_have_tag(to_text),
        first.get("call-id"),
        first.get("cseq"),
    )


def _may_have_tag(to_text: str | None) -> bool:
    """Whether a tag must not be added: the To has one, or is not sound enough to tell."""
    try:
        return to_text is None or parse_name_addr(to_text).tag is not None
    except FieldError:
        return True
