"""The Contact header field of a REGISTER (RFC 3261 §20.10, RFC 5626)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from apps.sip.uri import SipUri


class ContactError(ValueError):
    """A Contact that must be answered with 400; ``why`` is a short machine code."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Star:
    """The type of STAR, "Contact: *"."""


STAR: Final = Star()


@dataclass(frozen=True, slots=True)
class Contact:
    uri_text: str
    uri: SipUri | None
    q: int | None = None
    expires_s: int | None = None
    instance_id: str | None = None
    reg_id: int | None = None
    params: tuple[tuple[str, str | None], ...] = ()


def parse_contacts(values: Sequence[str]) -> tuple[Contact, ...] | Star:
    raise NotImplementedError


def parse_expires(text: str | None) -> int | None:
    """Seconds of an Expires header or parameter; None (as absent) if malformed, 2**32-1 if larger."""
    raise NotImplementedError
