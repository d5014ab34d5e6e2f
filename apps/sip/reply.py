"""Responses that come back to us (RFC 3261 §7.2), read as far as whoever waits for one needs.

Must not know what was asked: that is in the branch of the Via, which whoever asked made.
"""

from dataclasses import dataclass
from typing import Final

from apps.sip.headers import read_head
from apps.sip.params import FieldError, is_digits
from apps.sip.via import parse_via

LONGEST_REPLY: Final = 65_535


@dataclass(frozen=True, slots=True)
class SipReply:
    """status 100 to 699; fields as (canonical lower-case name, value)."""

    status: int
    phrase: str
    fields: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.fields if each == name]

    @property
    def branch(self) -> str | None:
        """Of its only Via; None for several, for then it is not for us (§8.1.3.3), and for one nobody can read."""
        vias = self.values("via")
        if len(vias) != 1:
            return None
        try:
            return parse_via(vias[0]).branch
        except FieldError:
            return None


def is_reply(data: bytes) -> bool:
    """Whether the bytes may be an answer at all; cheap, for every packet."""
    return data[:8].upper() == b"SIP/2.0 " and len(data) <= LONGEST_REPLY


def parse_reply(data: bytes) -> SipReply | None:
    """None for what is no response."""
    if not is_reply(data):
        return None
    head = read_head(data.partition(b"\r\n\r\n")[0])
    _, _, rest = head.start_line.partition(" ")
    status, _, phrase = rest.partition(" ")
    if not (len(status) == 3 and is_digits(status) and "100" <= status <= "699"):
        return None
    return SipReply(int(status), phrase, head.fields)
