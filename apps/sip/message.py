"""Requests: bytes of one datagram to a Request, or to a MalformedRequest that knows its answer."""

from __future__ import annotations

from dataclasses import dataclass

from apps.sip.name_addr import NameAddr
from apps.sip.uri import SipUri
from apps.sip.via import Via

__all__ = ["Echo", "MalformedRequest", "NameAddr", "Request", "Via", "parse_request"]


@dataclass(frozen=True, slots=True)
class Echo:
    """What an answer repeats of its request. None where the request had nothing readable."""

    top_via: Via
    more_vias: tuple[str, ...]
    from_text: str | None
    to_text: str | None
    to_has_tag: bool
    call_id: str | None
    cseq_text: str | None


@dataclass(frozen=True, slots=True)
class Request:
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

    def values(self, name: str) -> tuple[str, ...]:
        raise NotImplementedError

    def tokens(self, name: str) -> tuple[str, ...]:
        raise NotImplementedError

    def value(self, name: str) -> str | None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class MalformedRequest:
    status: int | None
    reason: str
    why: str
    echo: Echo | None = None


def parse_request(data: bytes) -> Request | MalformedRequest:
    raise NotImplementedError
