"""Header lines as they stand in the bytes: name, and the line with its folds, so that nothing else has to change.

Must not know what a header means. Never raises on what the network sent.
"""

from __future__ import annotations

import re
from typing import Final

Line = tuple[bytes, bytes]
"""Canonical name (lower case, long) if it is one of NAMES, else b""; the line with its folds, without its end."""

NAMES: Final = {
    b"via": b"via",
    b"v": b"via",
    b"from": b"from",
    b"f": b"from",
    b"to": b"to",
    b"t": b"to",
    b"call-id": b"call-id",
    b"i": b"call-id",
    b"cseq": b"cseq",
    b"content-length": b"content-length",
    b"l": b"content-length",
    b"max-forwards": b"max-forwards",
    b"route": b"route",
    b"record-route": b"record-route",
    b"reason": b"reason",
    b"proxy-authorization": b"proxy-authorization",
    b"proxy-authenticate": b"proxy-authenticate",
    b"www-authenticate": b"www-authenticate",
    b"p-asserted-identity": b"p-asserted-identity",
    b"p-preferred-identity": b"p-preferred-identity",
}
_USUAL: Final = {spelling: name for name in set(NAMES.values()) for spelling in (name, name.title())} | {
    b"Call-ID": b"call-id",
    b"CSeq": b"cseq",
    b"WWW-Authenticate": b"www-authenticate",
}
_FOLD: Final = re.compile(rb"[ \t]*+\r\n[ \t]++")


def split_lines(head: bytes) -> list[Line]:
    """The header lines of a head (start line first, which counts as one without a name)."""
    folded = b"\r\n " in head or b"\r\n\t" in head
    found: list[Line] = []
    for line in head.split(b"\r\n"):
        if folded and found and line[:1] in (b" ", b"\t"):
            name, before = found[-1]
            found[-1] = name, before + b"\r\n" + line
            continue
        spelled = line.partition(b":")[0]
        name = _USUAL.get(spelled) or NAMES.get(spelled.rstrip(b" \t").lower(), b"")
        found.append((name if found else b"", line))
    return found


def line_value(line: bytes) -> str:
    """What stands after the colon, unfolded; bytes that are no text replaced."""
    value = line.partition(b":")[2]
    if b"\r\n" in value:
        value = _FOLD.sub(b" ", value)
    return value.strip(b" \t").decode(errors="replace")


def first(lines: list[Line], name: bytes) -> bytes | None:
    """The first line of that name."""
    for each, line in lines:
        if each == name:
            return line
    return None
