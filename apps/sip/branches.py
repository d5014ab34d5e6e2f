"""What the branches of our own requests begin with, so that a look at a packet's bytes says who waits for it.

Must not decide anything: whoever sent the request knows its own branches.
"""

from typing import Final

from apps.sip.reply import is_reply

UPLINK: Final = "z9hG4bKuplink-"

_UPLINK: Final = UPLINK.encode()


def answers_uplink(data: bytes) -> bool:
    """Whether it may be the answer to a REGISTER or an OPTIONS of ours to a carrier (apps/trunks/uplink)."""
    return _UPLINK in data and is_reply(data)
