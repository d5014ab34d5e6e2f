"""name-addr and addr-spec, the form of From, To and Contact (RFC 3261 §20.10, §25.1).

Must not know which of the three it reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from apps.sip.params import QUOTED, FieldError, is_token, parse_params
from apps.sip.uri import SipUri, UnsupportedScheme, UriError, parse_sip_uri

# An unquoted display name may be any text, not only tokens: phones put dots and UTF-8 there. A comma would be two
# values, and is refused (RFC 4475 §3.1.2.15).
_NAME_ADDR: Final = re.compile(rf"(?:{QUOTED}[ \t]*+|[^\"<>;,]*+)<([^<>]*+)>[ \t]*+(;.*+)?")


@dataclass(frozen=True, slots=True)
class NameAddr:
    """A From or To: ``text`` as received, ``uri`` None if its scheme is neither sip nor sips, ``tag`` as
    sent.
    """

    text: str
    uri: SipUri | None
    uri_text: str
    tag: str | None


def parse_name_addr(text: str) -> NameAddr:
    """A From or To value. Raises FieldError."""
    uri_text, params_text = split_name_addr(text)
    tag = None
    for name, value in parse_params(params_text) if params_text else ():
        if name == "tag":
            if tag is not None or value is None or not is_token(value):
                raise FieldError("tag")
            tag = value
    return NameAddr(text, parse_addr(uri_text), uri_text, tag)


def parse_addr(uri_text: str) -> SipUri | None:
    """The URI; None if it is a sound URI of another scheme. Raises FieldError."""
    try:
        return parse_sip_uri(uri_text)
    except UnsupportedScheme:
        return None
    except UriError:
        raise FieldError("uri") from None


def split_name_addr(text: str) -> tuple[str, str]:
    """(URI text without <>, header parameters from their first ";"). Raises FieldError.

    Without <> everything from the first ";" belongs to the header, and a "?" is refused (RFC 3261 §20.10).
    """
    match = _NAME_ADDR.fullmatch(text)
    if match:
        uri_text, params = match.groups("")
        return uri_text, params
    uri_text, semicolon, params = text.partition(";")
    if '"' in uri_text or "<" in uri_text:
        raise FieldError("name-addr")
    if "?" in uri_text:
        raise FieldError("question mark outside brackets")
    return uri_text.strip(" \t"), semicolon + params
