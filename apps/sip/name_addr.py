"""name-addr and addr-spec, the form of From, To and Contact (RFC 3261 §20.10)."""

from __future__ import annotations

from dataclasses import dataclass

from apps.sip.uri import SipUri


@dataclass(frozen=True, slots=True)
class NameAddr:
    text: str
    uri: SipUri | None
    uri_text: str
    tag: str | None
