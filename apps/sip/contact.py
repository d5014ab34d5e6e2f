"""The Contact header field of a REGISTER (RFC 3261 §20.10, RFC 5626 §4).

Must not decide which expiry is granted or which contact is the same binding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from apps.sip.name_addr import parse_addr, split_name_addr
from apps.sip.params import FieldError, Params, bounded_int, is_digits, parse_params, split_list
from apps.sip.uri import MAX_URI_LENGTH, SipUri

MAX_CONTACTS: Final = 20
MAX_EXPIRES_S: Final = 2**32 - 1
MAX_INSTANCE_ID_LENGTH: Final = 256
MAX_REG_ID: Final = 2**31 - 1

_Q_VALUE: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


class ContactError(ValueError):
    """A Contact that must be answered with 400 (too_many_contacts: 403); ``why`` is a short machine code."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Star:
    """The type of STAR, "Contact: *"."""


STAR: Final = Star()


@dataclass(frozen=True, slots=True)
class Contact:
    """One Contact value.

    uri_text as sent without <>; uri None if it is neither sip nor sips (kept, but no call can be sent
    there); q in thousandths, 0 to 1000; expires_s None if absent or malformed; instance_id as sent with <>
    and without the quotes around it; reg_id only beside an instance_id; params are the header's, not the
    URI's.
    """

    uri_text: str
    uri: SipUri | None
    q: int | None = None
    expires_s: int | None = None
    instance_id: str | None = None
    reg_id: int | None = None
    params: Params = ()


def parse_contacts(values: Sequence[str]) -> tuple[Contact, ...] | Star:
    """All Contact lines of a request in order, or STAR. Raises ContactError."""
    return _parse_contacts(tuple(values))


@lru_cache(maxsize=256)  # one request is asked several times
def _parse_contacts(values: tuple[str, ...]) -> tuple[Contact, ...] | Star:
    try:
        texts = [text for value in values for text in split_list(value)]
    except FieldError as error:
        raise ContactError(
            "too_many_contacts" if error.args == ("too many elements",) else "bad_contact"
        ) from None
    if any(text[:1] == "*" for text in texts):
        if texts != ["*"]:
            raise ContactError("star_with_contacts" if len(texts) > 1 else "bad_contact")
        return STAR
    if len(texts) > MAX_CONTACTS:
        raise ContactError("too_many_contacts")
    return tuple([_parse_contact(text) for text in texts])


def parse_expires(text: str | None) -> int | None:
    """Seconds of an Expires header or expires parameter (RFC 3261 §10.2.1, §20.19).

    None if absent or malformed, so that the default applies; 2**32-1 for anything larger.
    """
    if text is None or not is_digits(text):
        return None
    return bounded_int(text, MAX_EXPIRES_S)


def _parse_contact(text: str) -> Contact:
    try:
        uri_text, params_text = split_name_addr(text)
        uri = parse_addr(uri_text)
        params = parse_params(params_text) if params_text else ()
    except FieldError:
        raise ContactError("bad_contact") from None
    if len(uri_text) > MAX_URI_LENGTH:
        raise ContactError("bad_contact")
    by_name = dict(params)
    if len(by_name) != len(params):
        raise ContactError("duplicate_parameter")
    instance_id = _instance_id(by_name.get("+sip.instance"))
    return Contact(
        uri_text,
        uri,
        _q(by_name["q"]) if "q" in by_name else None,
        parse_expires(by_name.get("expires")),
        instance_id,
        _reg_id(by_name["reg-id"]) if instance_id and "reg-id" in by_name else None,
        params,
    )


def _q(text: str | None) -> int:
    if text is None or _Q_VALUE.fullmatch(text) is None:
        raise ContactError("bad_q")
    whole, _, fraction = text.partition(".")
    return int(whole) * 1000 + int(fraction.ljust(3, "0"))


def _instance_id(text: str | None) -> str | None:
    if text is None or text[:1] != "<" or text[-1:] != ">":
        return None
    if len(text) > MAX_INSTANCE_ID_LENGTH:
        raise ContactError("instance_id_too_long")
    return text


def _reg_id(text: str | None) -> int:
    reg_id = bounded_int(text, MAX_REG_ID + 1) if text and is_digits(text) else 0
    if not 0 < reg_id <= MAX_REG_ID:
        raise ContactError("bad_reg_id")
    return reg_id
