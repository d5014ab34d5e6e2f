"""Header lines as they stand in the bytes: name, and the line with its folds, so that nothing else has to change.

Must not know what a header means. Never raises on what the network sent.
"""

from __future__ import annotations

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
    b"rack": b"rack",
    b"reason": b"reason",
    b"authorization": b"authorization",
    b"proxy-authorization": b"proxy-authorization",
    b"proxy-authenticate": b"proxy-authenticate",
    b"www-authenticate": b"www-authenticate",
    b"p-asserted-identity": b"p-asserted-identity",
    b"p-preferred-identity": b"p-preferred-identity",
}
# As nearly everybody spells them, those that nobody asks for too: one look instead of three.
_USUAL: Final = {
    **{spelling: name for name in set(NAMES.values()) for spelling in (name, name.title())},
    b"Call-ID": b"call-id",
    b"CSeq": b"cseq",
    b"RAck": b"rack",
    b"WWW-Authenticate": b"www-authenticate",
    **dict.fromkeys(
        b"""Contact Allow Supported User-Agent Server Content-Type Accept Date Require Expires Min-SE Session-Expires
        Allow-Events Event Subscription-State RSeq Privacy Organization Diversion""".split(),
        b"",
    ),
}


def split_lines(head: bytes) -> list[Line]:
    """The header lines of a head (start line first, which counts as one without a name)."""
    lines = head.split(b"\r\n")
    if b"\r\n " in head or b"\r\n\t" in head:
        lines = _with_folds(lines)
    found: list[Line] = [(b"", lines[0])]
    for line in lines[1:]:
        spelled = line.partition(b":")[0]
        name = _USUAL.get(spelled)
        if name is None:
            name = NAMES.get(spelled.rstrip(b" \t").lower(), b"")
        found.append((name, line))
    return found


def line_value(line: bytes) -> str:
    """What stands after the colon, unfolded; bytes that are no text replaced."""
    value = line.partition(b":")[2]
    if b"\r\n" in value:
        value = b" ".join([piece.strip(b" \t") for piece in value.split(b"\r\n")])
    return value.strip(b" \t").decode(errors="replace")


def first(lines: list[Line], name: bytes) -> bytes | None:
    """The first line of that name."""
    for each, line in lines:
        if each == name:
            return line
    return None


def _with_folds(lines: list[bytes]) -> list[bytes]:
    whole = [[lines[0]]]
    for line in lines[1:]:
        if line[:1] in (b" ", b"\t"):
            whole[-1].append(line)
        else:
            whole.append([line])
    return [b"\r\n".join(pieces) for pieces in whole]
