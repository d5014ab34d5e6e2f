"""Control characters that the grammar allows but no text of ours may hold: %00 in a URI, a NUL after a backslash in a
quoted string (RFC 3261 §25.1, RFC 4475 §3.1.1.2 and §3.1.1.4).

Inside a Request each is one stand-in from the end of the last private-use plane, so nothing is cut short and no
database, log or page meets a NUL. Must not decide where such characters are allowed. A stand-in that came in from
the network is refused by whoever reads: nobody can forge a control character.
"""

from __future__ import annotations

from typing import Final

_FIRST_STAND_IN: Final = 0x10FF00
_CONTROLS: Final = (*range(0x20), *range(0x7F, 0xA0))
_HIDDEN: Final = {code: _FIRST_STAND_IN + code for code in _CONTROLS}
_SHOWN: Final = {stand_in: code for code, stand_in in _HIDDEN.items()}
# No stand-in becomes a line end on the wire, whatever it was.
_SENT: Final = {stand_in: code for stand_in, code in _SHOWN.items() if code not in b"\r\n"}

CONTROL_CLASS: Final = "\x00-\x1f\x7f-\x9f"
STAND_IN_CLASS: Final = "\U0010ff00-\U0010ff9f"


def hide_controls(text: str) -> str:
    """The text with a stand-in for each control character."""
    return text.translate(_HIDDEN)


def show_controls(text: str) -> str:
    """The text with its control characters back in place, to be escaped at once."""
    return text if text.isascii() else text.translate(_SHOWN)


def wire_text(text: str) -> str:
    """What goes out: a display name that came with control characters goes back with them."""
    return text if text.isascii() else text.translate(_SENT)
