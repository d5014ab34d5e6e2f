"""Takes the secrets out of a SIP message before anybody keeps it. Pure, for any bytes, linear in their length.

In a header of credentials only parameters known to be harmless stay; what a digest could be guessed from is taken out
wherever it stands, also where no header can be made out. The structure stays readable: response="…". Truncated
messages are masked as they are: a value that does not end is a secret to the end.
"""

import re
from typing import Final

from apps.registrar.trace.messages import MOST_BYTES

HIDDEN: Final = "…".encode()

_HARMLESS: Final = frozenset(
    (b"username", b"realm", b"uri", b"algorithm", b"qop", b"nc", b"stale", b"opaque", b"userhash", b"domain")
)
_FOLDED: Final = rb"[^\r\n]*+(?:\r?\n[ \t][^\r\n]*+)*"
_CREDENTIALS: Final = re.compile(
    rb"(?im)^([ \t]*+(?:(?:proxy-)?authorization|(?:proxy|www)-authenticate|(?:proxy-)?authentication-info)[ \t]*+:"
    rb"[ \t]*+(?:(?:digest|basic|bearer)[ \t]++)?)(" + _FOLDED + rb")"
)
_PARAM: Final = re.compile(
    rb'([A-Za-z0-9_-]++)([ \t]*+=[ \t]*+)("(?:[^"\\]|\\.)*"?+|[^\s,"]*+)|[^\s,]++', re.DOTALL
)
_SECRET: Final = re.compile(
    rb"(?i)\b(response|cnonce|nonce|nextnonce|rspauth)([ \t]*+=[ \t]*+)"
    rb'("(?:[^"\\\r\n]|\\[^\r\n]|\r?\n[ \t])*"?+|[^\s,;"]++)'
)
_BASIC: Final = re.compile(rb"(?i)\b((?:basic|bearer)[ \t]++)[A-Za-z0-9+/=._~-]{4,}+")
_URI_PASSWORD: Final = re.compile(rb'(?i)\b(sips?:[^@:\s<>"]{1,256}+):[^@\s<>"]{0,256}+@')
_MEDIA_KEY: Final = re.compile(rb"(?i)\b(inline:|ice-pwd:)[^\s|]++")


def masked(data: bytes) -> bytes:
    """At most MOST_BYTES of the message without its secrets."""
    data = data[:MOST_BYTES]
    data = _CREDENTIALS.sub(lambda line: line[1] + _PARAM.sub(_param, line[2]), data)
    data = _SECRET.sub(lambda found: found[1] + found[2] + _hidden(found[3]), data)
    data = _BASIC.sub(rb"\1" + HIDDEN, data)
    data = _URI_PASSWORD.sub(rb"\1:" + HIDDEN + b"@", data)
    return _MEDIA_KEY.sub(rb"\1" + HIDDEN, data)[:MOST_BYTES]


def _param(found: re.Match[bytes]) -> bytes:
    name, equals, value = found.groups()
    if name is None:
        return HIDDEN
    is_open = value.startswith(b'"') and (len(value) < 2 or not value.endswith(b'"'))
    if name.lower() in _HARMLESS and not is_open:
        return bytes(found[0])
    return bytes(name + equals + _hidden(value))


def _hidden(value: bytes) -> bytes:
    return b'"' + HIDDEN + b'"' if value.startswith(b'"') else HIDDEN
