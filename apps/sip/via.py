"""The Via header field: one hop of the way a request came (RFC 3261 §20.42, RFC 3581).

Must not decide where an answer goes; that is response.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from apps.sip.params import LENIENT_PARAM, TOKEN, FieldError, Params, parse_params
from apps.sip.uri import UriError, normal_host, parse_port

# Protocol and version are any tokens: a SIP/7.0 request has a SIP/7.0 Via and still wants its 505.
_SENT: Final = re.compile(
    rf"{TOKEN}[ \t]*+/[ \t]*+{TOKEN}[ \t]*+/[ \t]*+({TOKEN})[ \t]++"
    r"(\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9_][A-Za-z0-9_.\-]*+)[ \t]*+(?::[ \t]*+([0-9]{1,5}+))?[ \t]*+(?=;|$)"
)


@dataclass(frozen=True, slots=True)
class Via:
    """One Via value: ``text`` as received, transport in upper case, sent-by host normalised, branch as sent.

    rport_asked: an rport parameter without a value (RFC 3581 §4). params: all of them, names in lower case.
    """

    text: str
    transport: str
    host: str
    port: int | None
    branch: str | None
    rport_asked: bool
    params: Params = ()


def parse_via(text: str) -> Via:
    """One Via value. Raises FieldError."""
    match = _SENT.match(text)
    if match is None:
        raise FieldError("via")
    transport, host, port = match.groups()
    params = parse_params(text[match.end() :], lenient=True)
    branch, rport_asked = None, False
    for name, value in params:
        if name == "branch" and branch is None:
            branch = value
        elif name == "rport" and not value:
            rport_asked = True
    try:
        return Via(
            text,
            transport.upper(),
            normal_host(host),
            parse_port(port) if port else None,
            branch,
            rport_asked,
            params,
        )
    except UriError:
        raise FieldError("sent-by") from None


def received_from(via: Via, source: tuple[str, int]) -> str:
    """The Via value as an answer carries it: what the packet's source proved, in place of what was claimed.

    received= is added when the sent-by is not the source's address or rport was asked (RFC 3261 §18.2.1,
    RFC 3581 §4); a received= that came with the request is dropped.
    """
    host, port = source
    address = normal_host(host.partition("%")[0])

    def proven(match: re.Match[str]) -> str:
        name = match.group(1).lower()
        if name == "received":
            return ""
        if name == "rport" and not match.group(2):
            return f";rport={port}"
        return match.group()

    sent_by, semicolon, params = via.text.partition(";")
    text = sent_by.rstrip(" \t") + LENIENT_PARAM.sub(proven, semicolon + params)
    if via.rport_asked or via.host != address:
        text = f"{text.rstrip('; ')};received={address}"
    return text
