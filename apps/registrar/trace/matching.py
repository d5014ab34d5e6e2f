"""Whose message it is: by the user in From and To, or by the user name in the credentials. Pure.

Reads bytes that no parser may have seen, malformed ones too; linear in their length. Must not decide whether anybody
is let in: whoever writes a name into a packet is found here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes
from uuid import UUID

_FOLDED: Final = rb"([^\r\n]*+(?:\r?\n[ \t][^\r\n]*+)*)"
_ADDRESS_LINE: Final = re.compile(rb"(?im)^(?:from|f|to|t)[ \t]*+:" + _FOLDED)
_ADDRESS: Final = re.compile(
    rb'(?i)sips?:([^@:<>"\s;]{1,256}+)(?::[^@<>"\s;]{0,256}+)?@(\[[0-9a-f:.]++\]|[^\s;>:?,]++)'
)
_CREDENTIALS_LINE: Final = re.compile(rb"(?im)^(?:proxy-)?authorization[ \t]*+:" + _FOLDED)
_USERNAME: Final = re.compile(rb'(?i)\busername[ \t]*+=[ \t]*+"?+([^",\s]++)')
_REALM: Final = re.compile(rb'(?i)\brealm[ \t]*+=[ \t]*+"?+([^",\s]++)')
_CALL_ID: Final = re.compile(rb"(?im)^(?:call-id|i)[ \t]*+:[ \t]*+([^\s]{1,512}+)")


@dataclass(frozen=True, slots=True)
class Traced:
    """A peer whose messages are wanted: what it may be called, and its own domain's name and realm."""

    peer_id: UUID
    names: frozenset[str]
    places: frozenset[str]


def concerned(data: bytes, traced: Iterable[Traced], served: frozenset[str]) -> set[UUID]:
    """The traced peers this message names. A name at a place that is nobody's domain counts too: a phone set up with
    the wrong server is what people trace for."""
    named = list(_named(data))
    return {
        peer.peer_id
        for peer in traced
        for name, place in named
        if name in peer.names and (place in peer.places or place not in served)
    }


def call_id(data: bytes) -> bytes | None:
    found = _CALL_ID.search(data)
    return found[1] if found else None


def _named(data: bytes) -> Iterable[tuple[str, str]]:
    """(user, host) of the addresses, (user name, realm) of the credentials."""
    for line in _ADDRESS_LINE.finditer(data):
        for found in _ADDRESS.finditer(line[1]):
            yield _text(unquote_to_bytes(found[1])), _text(found[2]).lower().strip("[]")
    for line in _CREDENTIALS_LINE.finditer(data):
        username, realm = _USERNAME.search(line[1]), _REALM.search(line[1])
        if username:
            yield _text(username[1]), _text(realm[1]).lower() if realm else ""


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
