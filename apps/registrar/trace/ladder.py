"""A trace as people read it: the ladder's rungs, and the text file. Pure.

SIP text is hostile: what is no plain text is shown by its code, so that nothing hides, turns around or ends a line.
"""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from apps.registrar.trace.messages import MOST_BYTES, Direction, Message

LONGEST_TITLE: Final = 48
# Controls but TAB and line feed, and what moves or hides the text around it.
_UNSHOWABLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U0010ff00-\U0010ff9f]"
)
_CREDENTIALS: Final = re.compile(rb"(?im)^(?:proxy-)?authorization[ \t]*+:")
_CSEQ: Final = re.compile(r"(?im)^cseq[ \t]*+:[ \t]*+([^\n]*+)")


@dataclass(frozen=True, slots=True)
class Rung:
    """One arrow: `title` is the method or the status, `note` what else one looks for, `gap` the time since the one
    before. is_repeat: word for word the same went this way before."""

    message: Message
    title: str
    note: str
    text: str
    gap: dt.timedelta | None
    is_repeat: bool

    @property
    def is_inward(self) -> bool:
        return self.message.direction is Direction.IN

    @property
    def kind(self) -> str:
        """request, success, challenge or failure: the colour of the arrow."""
        status = self.title[:3]
        if not status.isdigit():
            return "request"
        return {"1": "challenge", "2": "success"}.get(
            status[0], "challenge" if status == "401" else "failure"
        )

    @property
    def gap_words(self) -> str:
        """ "+12 ms", "+4.0 s", "+2 min"; nothing before the first."""
        if self.gap is None:
            return ""
        ms = max(0, round(self.gap / dt.timedelta(milliseconds=1)))
        if ms < 1000:
            return f"+{ms} ms"
        return f"+{ms / 1000:.1f} s" if ms < 120_000 else f"+{ms // 60_000} min"


def rungs(messages: Sequence[Message]) -> list[Rung]:
    """In the order given."""
    seen: set[tuple[Direction, bytes]] = set()
    found: list[Rung] = []
    before: dt.datetime | None = None
    for message in messages:
        text = shown_text(message.data)
        title, note = _title(message, text)
        key = (message.direction, message.data)
        gap = None if before is None else message.at - before
        found.append(Rung(message, title, note, text.rstrip("\n"), gap, key in seen))
        seen.add(key)
        before = message.at
    return found


def shown_text(data: bytes) -> str:
    """Lines end with a line feed; whatever is no text stands as \\x00 or \\u202e."""
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return _UNSHOWABLE.sub(_code, text)


def transcript(peer_name: str, messages: Iterable[Message]) -> str:
    """The text file: each message under a line with its time, way and addresses."""
    parts = [f"Registration trace of {peer_name}. Secrets are masked.\n"]
    for message in messages:
        at = message.at.astimezone(dt.UTC).isoformat(timespec="milliseconds")
        arrow = "->" if message.direction is Direction.IN else "<-"
        cut = "" if message.is_whole else f", the first {MOST_BYTES} of {message.size} bytes"
        ends = (message.source, message.destination)
        phone, registrar = ends if message.direction is Direction.IN else ends[::-1]
        parts.append(
            f"\n{'-' * 72}\n{at}  phone {phone} {arrow} registrar {registrar}  {message.transport}{cut}\n\n"
        )
        parts.append(shown_text(message.data).rstrip("\n") + "\n")
    return "".join(parts)


def _title(message: Message, text: str) -> tuple[str, str]:
    first, _, rest = text.partition("\n")
    cseq = _CSEQ.search(rest)
    number = f"CSeq {cseq[1].strip()[:LONGEST_TITLE]}" if cseq else ""
    if first[:8].upper() == "SIP/2.0 ":
        return first[8:].strip()[:LONGEST_TITLE], number
    method = first.partition(" ")[0][:LONGEST_TITLE]
    proof = "with credentials" if _CREDENTIALS.search(message.data) else ""
    return method or "(empty)", " · ".join(filter(None, (number, proof)))


def _code(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
