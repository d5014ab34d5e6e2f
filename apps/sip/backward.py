"""A response as a proxy passes it back (RFC 3261 §16.7), by editing its bytes: its own Via goes, the rest stays.

Must not know which request it answers; its branch says that to whoever made it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from apps.sip.headers import MAX_PHYSICAL_LINES
from apps.sip.lines import Line, first, line_value, split_lines
from apps.sip.params import FieldError, bounded_int, is_digits, split_list
from apps.sip.reply import LONGEST_REPLY, is_reply

_STATUS: Final = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2})(?= |$)", re.IGNORECASE)
_NEEDED: Final = frozenset({b"via", b"from", b"to", b"call-id", b"cseq"})
_BRANCH: Final = re.compile(r";[ \t]*+branch[ \t]*+=[ \t]*+([^\s;,\"]++)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Response:
    """branch: of its top Via, empty if none; method: of its CSeq; lines: start line first, all as they came."""

    status: int
    branch: str
    method: str
    lines: list[Line]
    body: bytes

    @property
    def phrase(self) -> str:
        """What stands after the status, as it came but for what cannot be shown."""
        text = self.lines[0][1].partition(b" ")[2].partition(b" ")[2].decode(errors="replace")
        return "".join(sign for sign in text if sign.isprintable())

    def value(self, name: bytes) -> str | None:
        line = first(self.lines, name)
        return None if line is None else line_value(line)

    def line(self, name: bytes) -> bytes:
        """The first line of that name; empty if there is none."""
        return first(self.lines, name) or b""

    def all_lines(self, names: frozenset[bytes]) -> list[bytes]:
        return [line for name, line in self.lines if name in names]

    def values(self, name: bytes) -> list[str]:
        """Comma lists taken apart. Raises FieldError."""
        return [text for each, line in self.lines if each == name for text in split_list(line_value(line))]


def read_response(data: bytes) -> Response | None:
    """None for what is no response, or one that cannot be read: nothing may be answered to it."""
    if not is_reply(data):
        return None
    head, blank, body = data.partition(b"\r\n\r\n")
    status = _STATUS.match(head)
    if not blank or status is None or not _is_sound(head):
        return None
    lines = split_lines(head)
    if not {name for name, _ in lines} >= _NEEDED:
        return None
    branch = _BRANCH.search(line_value(first(lines, b"via") or b""))
    method = line_value(first(lines, b"cseq") or b"").split()
    whole = _whole_body(lines, body)
    if len(method) != 2 or whole is None:
        return None
    return Response(int(status[1]), branch[1] if branch else "", method[1], lines, whole)


def without_top_via(response: Response) -> bytes | None:
    """Its bytes without the top Via; None if that was the only one, for then it was for us (RFC 3261 §16.7 step 3)."""
    kept = [line for _, line in response.lines]
    vias = [number for number, (name, _) in enumerate(response.lines) if name == b"via"]
    try:
        more = split_list(line_value(kept[vias[0]]))[1:]
    except FieldError:
        return None
    if more:
        kept[vias[0]] = b"Via: " + ", ".join(more).encode()
    elif len(vias) > 1:
        del kept[vias[0]]
    else:
        return None
    if first(response.lines, b"content-length") is None:
        kept.append(b"Content-Length: %d" % len(response.body))
    return b"\r\n".join(kept) + b"\r\n\r\n" + response.body


def lowered(response: Response, by: int) -> Response:
    """With a CSeq number so much lower: what the request had before it was raised."""
    return replace(
        response,
        lines=[(name, _lowered(line, by) if name == b"cseq" else line) for name, line in response.lines],
    )


def with_lines(data: bytes, lines: list[bytes]) -> bytes:
    """The message with these header lines at the end of its head."""
    head, _, body = data.partition(b"\r\n\r\n")
    return b"\r\n".join([head, *lines]) + b"\r\n\r\n" + body


def _lowered(line: bytes, by: int) -> bytes:
    number, _, method = line_value(line).partition(" ")
    return b"CSeq: %d %b" % (int(number) - by, method.strip().encode()) if is_digits(number) else line


def _is_sound(head: bytes) -> bool:
    """Whether its lines end as lines end, and are not more than a request may have."""
    ends = head.count(b"\r\n")
    return ends <= MAX_PHYSICAL_LINES and head.count(b"\n") == ends == head.count(b"\r") and b"\0" not in head


def _whole_body(lines: list[Line], body: bytes) -> bytes | None:
    """As long as Content-Length says; None if it came cut short or says no one number (RFC 3261 §18.3)."""
    lengths = {line_value(line) for name, line in lines if name == b"content-length"}
    if not lengths:
        return body
    text = lengths.pop() if len(lengths) == 1 else ""
    length = bounded_int(text, LONGEST_REPLY + 1) if is_digits(text) else LONGEST_REPLY + 1
    return body[:length] if length <= len(body) else None
