"""A carrier's registration string, in the forms people have it, as fields. Pure.

Each fault is one sentence that says what would be right. A string holds the clear password: it is never kept or logged.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import unquote

from apps.trunks.servers import Server, split_server

LONGEST: Final = 512
EXAMPLE: Final = "register => 4940123:secret@sip.carrier.example"
NO_TRANSPORT: Final = "Registering over {} is not possible: ask the carrier for UDP, TCP or TLS."
TRANSPORTS: Final = frozenset({"udp", "tcp", "tls"})

_PREFIX: Final = re.compile(r"register\s*=>?\s*", re.IGNORECASE)
_SCHEME: Final = re.compile(r"<?(sips?):", re.IGNORECASE)
_TRANSPORT: Final = re.compile(r"([a-z]{2,4})://", re.IGNORECASE)
_PEER: Final = re.compile(r"[A-Za-z0-9_.-]+\?")


class StringFault(ValueError):  # noqa: N818 - what it is
    """Says in one sentence what is wrong."""


@dataclass(frozen=True, slots=True)
class StringFields:
    """What the string says; what it does not say is empty."""

    registrar: str
    username: str
    password: str = field(default="", repr=False)
    auth_username: str = ""
    outbound_proxy: str = ""
    contact_user: str = ""
    expires_s: int | None = None
    transport: str = ""


def parse_server(text: str) -> Server:
    """As split_server. Raises StringFault."""
    server = split_server(text.strip())
    if server is None:
        raise StringFault(_why_no_server(text.strip()))
    return server


def parse_string(text: str) -> StringFields:
    """Asterisk's `register =>` line, a SIP URI with a password, or `user:password@host`. Raises StringFault."""
    line = " ".join(text.split())
    if len(line) > LONGEST or not line.isprintable():
        raise StringFault(f"A registration string is one line of at most {LONGEST} characters.")
    line = line[match.end() :] if (match := _PREFIX.match(line)) else line
    if "@" not in line:
        raise StringFault(f"There is no @ in it. It is user:password@server, as in {EXAMPLE}.")
    if match := _SCHEME.match(line):
        uri = _uri(line.removeprefix("<").partition(">")[0].partition(":")[2])
        return replace(uri, transport="tls") if match[1].lower() == "sips" else uri
    return _register_line(line)


def _register_line(line: str) -> StringFields:
    """[peer?][transport://]user[@domain][:secret[:authuser]]@host[:port][/extension][~expiry]"""
    if match := _PEER.match(line):
        line = line[match.end() :]
    transport = ""
    if match := _TRANSPORT.match(line):
        transport, line = _transport(match[1]), line[match.end() :]
    who, _, where = line.rpartition("@")
    where, _, expiry = where.partition("~")
    server, _, contact_user = where.partition("/")
    pieces = who.split(":")
    if len(pieces) > 3:
        raise StringFault(
            "There are too many colons before the @. Give user name and password in their fields."
        )
    user, password, auth_username = [*pieces, "", ""][:3]
    username, _, domain = user.partition("@")
    return StringFields(
        registrar=str(parse_server(domain or server)),
        username=_named(username),
        password=password,
        auth_username=auth_username,
        outbound_proxy=str(parse_server(server)) if domain else "",
        contact_user=contact_user,
        expires_s=_seconds(expiry),
        transport=transport,
    )


def _uri(text: str) -> StringFields:
    """What stands after "sip:"; the parameter `server`, as in our own QR codes, is the outbound proxy."""
    who, _, where = text.rpartition("@")
    server, *params = where.partition("?")[0].split(";")
    given = {name.lower(): value for name, _, value in (param.partition("=") for param in params)}
    user, _, password = who.partition(":")
    proxy = given.get("server", "")
    return StringFields(
        registrar=str(parse_server(server)),
        username=_named(unquote(user)),
        password=unquote(password),
        outbound_proxy=str(parse_server(proxy)) if proxy else "",
        transport=_transport(given["transport"]) if "transport" in given else "",
    )


def _why_no_server(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if colon and split_server(host) is not None:
        return f"{port[:16] or 'Nothing'} is no port: give 1 to 65535, or leave it out for 5060."
    shown = text[:64] or "Nothing"
    if text[:1] != "[":
        return f"{shown} is no server: give a name or an address, like sip.carrier.example:5060."
    if "%" in text:
        return f"{shown} has a zone, which means nothing on another machine."
    return f"{shown} is no IPv6 address."


def _named(username: str) -> str:
    if not username:
        raise StringFault(f"There is no user name before the @, as in {EXAMPLE}.")
    return username


def _seconds(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise StringFault(f"{text[:16]} is no number of seconds.")
    return int(text)


def _transport(name: str) -> str:
    if name.lower() not in TRANSPORTS:
        raise StringFault(NO_TRANSPORT.format(name.upper()[:8]))
    return name.lower()
