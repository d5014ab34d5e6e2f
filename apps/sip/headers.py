"""The head of a message: start line and header lines, with folds undone and names made canonical (RFC 3261
§7.3).

Must not know what a header means, beyond which ones somebody will use. Never raises on what the network
sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from apps.sip.controls import STAND_IN_CLASS, hide_controls
from apps.sip.params import QUOTED, is_token

MAX_HEADERS: Final = 128
MAX_LINE_LENGTH: Final = 8192
# Before folds are undone. More are not looked at: they would cost milliseconds and end as 400 anyway.
MAX_PHYSICAL_LINES: Final = 1024

_COMPACT: Final = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
_USUAL_SPELLINGS: Final = """
    Via From To Call-ID CSeq Contact Max-Forwards User-Agent Expires Allow Supported Authorization
    Content-Length Content-Type Require Proxy-Require Path Route Accept Event Date Organization Allow-Events
""".split()  # noqa: SIM905 - a list of words
_CANONICAL: Final = {name: name.lower() for name in _USUAL_SPELLINGS} | _COMPACT
# A byte that is not text makes these unusable (400); in any other header it is replaced and ignored.
_USED: Final = frozenset(
    """
    via from to call-id cseq contact expires authorization proxy-authorization require proxy-require supported
    path route user-agent max-forwards content-length content-type content-encoding content-disposition accept
    event
    """.split()  # noqa: SIM905 - a list of words
)
# Here a display name may hold control characters as quoted pairs: it is echoed, nothing else.
_NAMED: Final = frozenset({"from", "to"})
_CONTROL_BYTES: Final = bytes({*range(32), 127} - set(b"\t\r\n"))
_NO_TEXT: Final = re.compile(f"[\x80-\x9f{STAND_IN_CLASS}]")
_STAND_IN: Final = re.compile(f"[{STAND_IN_CLASS}]")
# The quoted string a value begins with: the display name of a From or To. One try a line, so the work stays linear.
_DISPLAY_NAME: Final = re.compile(rf'(?:[^:"]*+:)?[ \t]*+({QUOTED})', re.DOTALL)
_QUOTED_CONTROL: Final = re.compile(r"\\(?:([\x00-\x08\x0b\x0c\x0e-\x1f\x7f])|.)", re.DOTALL)
_REPLACED: Final = "\ufffd"
_DIRT: Final = {code: _REPLACED for code in (*range(32), *range(127, 160)) if code != 9}


@dataclass(frozen=True, slots=True)
class Head:
    """What could be read: fields as (canonical lower-case name, value), and the first fault's code."""

    start_line: str
    fields: tuple[tuple[str, str], ...]
    why: str | None


def read_head(data: bytes) -> Head:
    """The start line and header lines before the empty line. Faulty lines are left out of the fields."""
    lines, dirty, why = _text_lines(data)
    if len(lines) > MAX_PHYSICAL_LINES:
        del lines[-1]  # all the rest, with its line ends still in it
        why = why or "too_many_headers"
    if b"\r\n " in data or b"\r\n\t" in data:
        lines = _unfold(lines)
    if len(lines) > 1 + MAX_HEADERS:
        del lines[1 + MAX_HEADERS :]
        why = why or "too_many_headers"
    fields: list[tuple[str, str]] = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        canonical = _CANONICAL.get(name) or canonical_name(name)
        if canonical is None or not colon or dirty or len(line) > MAX_LINE_LENGTH:
            fault = _line_fault(line, canonical if colon else None)
            if fault:
                why = why or fault
                continue
        fields.append((canonical or "", value.strip(" \t")))
    return Head(lines[0], tuple(fields), why)


def canonical_name(name: str) -> str | None:
    """The long name in lower case; None if the text before the colon is no header name (RFC 3261 §25.1)."""
    plain = name.rstrip(" \t").lower()
    if not is_token(plain):
        return None
    return _COMPACT.get(plain, plain)


def _text_lines(data: bytes) -> tuple[list[str], bool, str | None]:
    """(lines, whether some bytes had to be replaced, fault code)."""
    if _is_clean(data):
        try:
            text = data.decode()
        except UnicodeDecodeError:
            pass
        else:
            if text.isascii() or _NO_TEXT.search(text) is None:
                return text.split("\r\n", MAX_PHYSICAL_LINES), False, None
    longest = 4 * MAX_LINE_LENGTH + 4  # bytes that are too many characters in any case
    raw_lines = data.split(b"\r\n", MAX_PHYSICAL_LINES)
    lines = [_hide_quoted_controls(_decoded(line[:longest])) for line in raw_lines]
    forbidden = any("\0" in line or "\r" in line or "\n" in line for line in lines)
    return [line.translate(_DIRT) for line in lines], True, "control_character" if forbidden else None


def _decoded(line: bytes) -> str:
    return _STAND_IN.sub(_REPLACED, line.decode(errors="replace"))


def _hide_quoted_controls(line: str) -> str:
    """A control character after a backslash is text in a quoted string (RFC 3261 §25.1, quoted-pair)."""
    match = _DISPLAY_NAME.match(line)
    if match is None:
        return line
    start, end = match.span(1)

    def hidden(pair: re.Match[str]) -> str:
        return "\\" + hide_controls(pair.group(1)) if pair.group(1) else pair.group()

    return line[:start] + _QUOTED_CONTROL.sub(hidden, line[start:end]) + line[end:]


def _is_clean(data: bytes) -> bool:
    ends = data.count(b"\r\n")
    return (
        len(data.translate(None, _CONTROL_BYTES)) == len(data)
        and data.count(b"\n") == ends
        and data.count(b"\r") == ends
    )


def _unfold(lines: list[str]) -> list[str]:
    unfolded: list[list[str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and unfolded:
            unfolded[-1].append(line.strip(" \t"))
        else:
            unfolded.append([line.rstrip(" \t") if unfolded else line])
    return [pieces[0] if len(pieces) == 1 else " ".join(pieces) for pieces in unfolded]


def _line_fault(line: str, canonical: str | None) -> str | None:
    if canonical is None:
        return "bad_header_name"
    if len(line) > MAX_LINE_LENGTH:
        return "header_too_long"
    if canonical in _USED and (_REPLACED in line or (canonical not in _NAMED and _STAND_IN.search(line))):
        return f"bad_text_in_{canonical.replace('-', '_')}"
    return None
