"""SIP and SIPS URIs: taking apart, comparing, and the address-of-record they stand for.

Must not resolve names, know which domains are ours, or do I/O.
"""

from __future__ import annotations

from dataclasses import dataclass


class UriError(ValueError):
    """The text is not a URI we can use."""


class UnsupportedScheme(UriError):
    """A URI, but neither sip nor sips."""


@dataclass(frozen=True, slots=True)
class SipUri:
    scheme: str
    user: str | None
    password: str | None
    host: str
    port: int | None
    params: tuple[tuple[str, str | None], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


def parse_sip_uri(text: str) -> SipUri:
    raise NotImplementedError


def uris_equal(a: SipUri, b: SipUri) -> bool:
    raise NotImplementedError


def address_of_record(uri: SipUri) -> str:
    raise NotImplementedError


def format_host(host: str) -> str:
    raise NotImplementedError
