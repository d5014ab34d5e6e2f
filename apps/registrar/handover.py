"""Which messages are calls' and go to the call process: told by their first bytes, before all else. Pure.

A REGISTER pays next to nothing for it. Must not judge a message: what is no request at all stays here, to be refused.
"""

import re
from typing import Final

from apps.sip.branches import is_calls_reply, names_call_process
from apps.sipserver.events import Datagram

_REGISTER: Final = b"REGISTER "
_REQUEST: Final = re.compile(rb"(?:\r\n)*([!-~]+) ([^ \r\n]+) SIP/2\.0\r?\n", re.IGNORECASE)
_EVENT: Final = re.compile(rb"[\r\n](?:event|o)[ \t]*:\s*([^\s;,]+)", re.IGNORECASE)
_TO_TAG: Final = re.compile(rb"[\r\n](?:to|t)[ \t]*:[^\r\n]*;[ \t]*tag[ \t]*=", re.IGNORECASE)
_USER_ELSEWHERE: Final = re.compile(rb"sips?:[^@]+@(?!\[|[0-9.]+(?:[:;?]|$))", re.IGNORECASE)
_HEAD_END: Final = b"\r\n\r\n"
# What asks this server and no phone: its own event package, and message waiting, which phones cannot answer.
_OUR_EVENTS: Final = frozenset({b"reg", b"message-summary"})
# A publication is made at a server (RFC 3903), and here nobody keeps one.
_OURS: Final = frozenset({b"REGISTER", b"PUBLISH"})


def sort_out(datagrams: list[Datagram]) -> tuple[list[Datagram], list[Datagram]]:
    """The registrar's and the calls', each in their order."""
    for data, _ in datagrams:
        if not data.startswith(_REGISTER):
            break
    else:
        return datagrams, []
    mine: list[Datagram] = []
    calls: list[Datagram] = []
    for one in datagrams:
        (calls if is_calls(one[0]) else mine).append(one)
    return mine, calls


def is_calls(data: bytes) -> bool:
    """An answer to what the call process sent, or a request that is meant for a phone or a dialog between phones."""
    if data.startswith(_REGISTER):
        return False
    request = _REQUEST.match(data)
    if request is None:
        return is_calls_reply(data)
    method, uri = request.groups()
    if method in _OURS:
        return False
    if method == b"SUBSCRIBE":
        event = _EVENT.search(_head(data))
        return event is not None and event[1].lower().partition(b".")[0] not in _OUR_EVENTS
    if method == b"OPTIONS":
        head = _head(data)
        return (
            _USER_ELSEWHERE.match(uri) is not None
            or _TO_TAG.search(head) is not None
            or names_call_process(head)  # from another host of ours, for a phone of this one
        )
    return True


def _head(data: bytes) -> bytes:
    return data.partition(_HEAD_END)[0]
