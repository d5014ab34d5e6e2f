"""Where one message of a stream ends and the next begins (RFC 3261 §7.5, §18.3; RFC 5626 §3.5.1). Pure, linear.

Must not judge a message: what it hands over may still be nonsense. It reads no header but Content-Length.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

MAX_HEAD_BYTES: Final = 65_535
MAX_BODY_BYTES: Final = 65_535

_BLANK_LINE: Final = b"\r\n\r\n"
# The header in either form, over folds too; its digits end at the line's end, which no fold continues.
_LENGTH: Final = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*:(?:[ \t]|\r\n[ \t])*0*([0-9]{1,5})(?:[ \t]|\r\n[ \t])*(?=\r\n(?![ \t]))",
    re.IGNORECASE,
)


class KeepAlive(Enum):
    """The double CRLF a client sends to keep its connection; a single CRLF answers it."""

    PING = b"\r\n\r\n"


class Framer:
    """One stream. However its bytes are cut into chunks, the same pieces come out.

    `broken`: a message had no usable Content-Length or was too long, so nothing after it can be found. What
    was read of it up to there is the last piece.
    """

    def __init__(self) -> None:
        self.broken = False
        self._buffer = bytearray()
        self._searched = 0
        self._wanted: int | None = None

    @property
    def inside_message(self) -> bool:
        """Has a message begun that is not complete?"""
        return self._wanted is not None or self._searched > 0

    def feed(self, data: bytes) -> list[bytes | KeepAlive]:
        """The messages and pings that these bytes complete, in order."""
        pieces: list[bytes | KeepAlive] = []
        if self.broken:
            return pieces
        self._buffer += data
        while (piece := self._next()) is not None:
            pieces.append(piece)
        return pieces

    def _next(self) -> bytes | KeepAlive | None:
        if self.broken:
            return None
        if self._wanted is None:
            if self._skip_line_ends():
                return KeepAlive.PING
            self._wanted = self._length()
        if self._wanted is None or len(self._buffer) < self._wanted:
            return None
        return self._cut(self._wanted)

    def _skip_line_ends(self) -> bool:
        """True for a ping. Before a message line ends mean nothing else (RFC 3261 §7.5)."""
        while not self._searched and self._buffer.startswith(b"\r\n"):
            if self._buffer.startswith(_BLANK_LINE):
                del self._buffer[:4]
                return True
            if _BLANK_LINE.startswith(self._buffer):
                return False  # more may come
            del self._buffer[:2]
        return False

    def _length(self) -> int | None:
        """The message's length in bytes, once its head is complete."""
        buffer = self._buffer
        if self._searched == 0 and _BLANK_LINE.startswith(buffer):
            return None
        head_end = buffer.find(_BLANK_LINE, max(0, self._searched - 3), MAX_HEAD_BYTES + 4)
        self._searched = len(buffer)
        if head_end < 0:
            if len(buffer) < MAX_HEAD_BYTES + 4:
                return None
            return self._break_off(MAX_HEAD_BYTES + 4)
        body_at = head_end + 4
        lengths = {int(digits) for digits in _LENGTH.findall(buffer, 0, head_end + 2)}
        if len(lengths) != 1 or max(lengths) > MAX_BODY_BYTES:
            return self._break_off(body_at)
        return body_at + lengths.pop()

    def _break_off(self, length: int) -> int:
        self.broken = True
        return length

    def _cut(self, length: int) -> bytes:
        piece = bytes(self._buffer[:length])
        del self._buffer[:length]
        if self.broken:
            self._buffer.clear()
        self._searched, self._wanted = 0, None
        return piece
