"""A first REGISTER, without credentials, read as far as its challenge needs. Pure.

Only spellings that leave no doubt are taken; all others are read in full, and answered no otherwise. Must not decide
which domains are ours.
"""

import re
from typing import Final, NamedTuple

from apps.registrar.bindings import Address
from apps.registrar.changes import LONGEST_USER_AGENT
from apps.registrar.echoes import plain_host
from apps.sip.uri import UriError
from apps.sipserver.events import Origin

# More than a phone says, and far below all bounds of apps/sip.
LONGEST: Final = 4096
LONGEST_VALUE: Final = 255
LONGEST_USER: Final = 64
MOST_PARAMS: Final = 16

# Headers that a challenge does not depend on, and those that are read here; each once.
_READ: Final = ("Via", "From", "To", "Call-ID", "CSeq", "Contact", "Content-Length")
_PLAIN: Final = frozenset(
    (
        *_READ,
        *("Max-Forwards", "Expires", "User-Agent", "Supported", "Allow", "Allow-Events", "Accept", "Date"),
        *("Accept-Encoding", "Accept-Language", "Organization", "Path", "Session-Expires", "Server"),
    )
)
_TOKEN: Final = r"[A-Za-z0-9\-.!%*_+`'~]++"  # noqa: S105 - a grammar rule
_HOST: Final = r"[a-z0-9][a-z0-9\-]*+(?:\.[a-z0-9][a-z0-9\-]*+)*"
_PORT: Final = (
    r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])(?![0-9])"
)
_USER: Final = r"[A-Za-z0-9\-_.+*!~]++"
_TRANSPORT: Final = r"(?:;transport=[A-Za-z]++)?"
_NAME: Final = r'(?:"[^"\\]*+" ?|[A-Za-z0-9][A-Za-z0-9 .\-]*+)?'
_URI: Final = rf"sips?:{_USER}@{_HOST}(?::{_PORT})?{_TRANSPORT}"

_CLEAN: Final = re.compile(r"[ -~]++\r\n(?:[A-Za-z\-]++: [ -~\t]*+\r\n)+\r\n")
_START: Final = re.compile(rf"REGISTER sips?:({_HOST})(?::{_PORT})?{_TRANSPORT} SIP/2\.0")
_VIA: Final = re.compile(
    rf"(SIP/2\.0/(?:UDP|TCP|TLS|WSS?) (\[[0-9A-Fa-f:.]++\]|{_HOST})(?::({_PORT}))?)"
    r"((?:;[a-z\-]++(?:=[A-Za-z0-9\-._:+~*!]++)?)+)"
)
_BRANCH: Final = re.compile(r";branch=(z9hG4bK[A-Za-z0-9\-._:+~*!]++)")
_FROM: Final = re.compile(rf"{_NAME}<{_URI}>;tag={_TOKEN}")
_TO: Final = re.compile(rf"{_NAME}<sips?:({_USER})@{_HOST}(?::{_PORT})?{_TRANSPORT}>")
_CALL_ID: Final = re.compile(r"[!-~]++")
_CSEQ: Final = re.compile(r"(0|[1-9][0-9]{0,8}) REGISTER")
_CONTACT: Final = re.compile(
    rf"{_NAME}<(sips?:(?:{_USER}@)?{_HOST}(?::{_PORT})?)((?:;[a-z\-]++(?:=[A-Za-z0-9\-._+~*!]++)?)*)>"
    rf'((?:;{_TOKEN}(?:=(?:"[^"\\]*+"|[A-Za-z0-9\-._+~*!:]++))?)*)'
)


class Unproven(NamedTuple):
    """A REGISTER that asks to be bound, and says nothing of a password. asked: the host in its Request-URI; user: of
    To; the rest is as Echoing has it."""

    data: bytes
    origin: Address | Origin
    asked: str
    user: str
    user_agent: str
    via: re.Match[str]
    via_host: str
    branch: str
    from_text: str
    to_text: str
    call_id: str
    cseq: int

    @property
    def source(self) -> Address:
        return self.origin[:2]


def read_unproven(data: bytes, origin: Address | Origin) -> Unproven | None:
    """None for what is none, or might be read in two ways."""
    if data[:9] != b"REGISTER " or data[-4:] != b"\r\n\r\n" or len(data) > LONGEST or not data.isascii():
        return None
    text = data.decode()
    if _CLEAN.fullmatch(text) is None:
        return None
    first, *lines = text[:-4].split("\r\n")
    fields = {name: value for name, _, value in [line.partition(": ") for line in lines]}
    if len(fields) != len(lines) or not fields.keys() <= _PLAIN or fields.get("Content-Length") != "0":
        return None
    start = _START.fullmatch(first)
    try:
        return _unproven(data, origin, start[1], fields) if start and _is_to_be_bound(fields) else None
    except (KeyError, UriError):
        return None


def _unproven(data: bytes, origin: Address | Origin, asked: str, fields: dict[str, str]) -> Unproven | None:
    """Raises KeyError for what is missing, and UriError."""
    via, from_text, to_text, call_id = fields["Via"], fields["From"], fields["To"], fields["Call-ID"]
    if max(len(asked), len(via), len(from_text), len(to_text), len(call_id)) > LONGEST_VALUE:
        return None
    hop, to, cseq = _VIA.fullmatch(via), _TO.fullmatch(to_text), _CSEQ.fullmatch(fields["CSeq"])
    if hop is None or to is None or cseq is None or len(to[1]) > LONGEST_USER:
        return None
    if _FROM.fullmatch(from_text) is None or _CALL_ID.fullmatch(call_id) is None:
        return None
    branch = _branch(hop[4])
    if branch is None:
        return None
    agent = fields.get("User-Agent", "").strip(" \t")[:LONGEST_USER_AGENT]
    return Unproven(
        data,
        origin,
        asked,
        to[1],
        agent,
        hop,
        plain_host(hop[2]),
        branch,
        from_text,
        to_text,
        call_id,
        int(cseq[1]),
    )


def _branch(params: str) -> str | None:
    """Of today's kind (RFC 3261 §8.1.1.7); None too if an address of the answer is named already, or anything twice."""
    found = _BRANCH.search(params)
    if found is None or "received" in params or params.count(";rport") != f"{params};".count(";rport;"):
        return None
    if params.count(";branch") != 1 or params.count(";rport") > 1 or params.count(";") > MOST_PARAMS:
        return None
    return found[1]


def _is_to_be_bound(fields: dict[str, str]) -> bool:
    """One contact that can be read, and no sign-off."""
    contact = _CONTACT.fullmatch(fields["Contact"])
    if contact is None or fields.get("Expires", "").strip(" \t") == "0":
        return False
    uri, uri_params, params = contact.groups()
    names = [param.partition("=")[0] for param in uri_params.split(";")]
    return (
        len(uri) + len(uri_params) <= LONGEST_VALUE
        and len(set(names)) == len(names)
        and params.count(";") <= MOST_PARAMS
    )
