"""Answers to NOTIFYs: which NOTIFY each is about, and what it means for the subscription. Pure.

Anybody can send an answer: only a branch we made for that very host is believed (notify.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from apps.registrar.regevent.notify import MAGIC, is_our_branch
from apps.sip.headers import read_head
from apps.sip.params import FieldError, is_digits
from apps.sip.via import parse_via
from apps.sipserver.events import Datagram, Origin

# Answers after which there is no subscription any more, not only no such request (RFC 5057 §5.1, RFC 6665 §4.2.2).
FATAL: Final = frozenset({404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604})

LONGEST_REPLY: Final = 65_535


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a NOTIFY of ours from the host it went to; flow as it came, None over UDP."""

    branch: str
    status: int
    flow: str | None

    @property
    def is_provisional(self) -> bool:
        return self.status < 200

    @property
    def ends_subscription(self) -> bool:
        return self.status in FATAL


def is_reply(data: bytes) -> bool:
    """Whether the bytes may be an answer at all; cheap, for every packet."""
    return data[:8].upper() == b"SIP/2.0 " and len(data) <= LONGEST_REPLY


def read_reply(key: bytes, data: bytes, host: str, flow: str | None) -> Reply | None:
    """The answer to a NOTIFY sent to that host (RFC 3261 §17.1.3); None for anything else."""
    if not is_reply(data):
        return None
    head = read_head(data.partition(b"\r\n\r\n")[0])
    status = head.start_line.split(" ")[1]
    vias = [value for name, value in head.fields if name == "via"]
    methods = [value.split()[-1:] for name, value in head.fields if name == "cseq"]
    # One Via: it comes back to whom it was sent to answer.
    if len(vias) != 1 or methods != [["NOTIFY"]] or not _is_status(status):
        return None
    branch = _branch(vias)
    if branch is None or not is_our_branch(key, branch, host):
        return None
    return Reply(branch, int(status), flow)


def read_replies(key: bytes, datagrams: Iterable[Datagram]) -> list[Reply]:
    """The answers to NOTIFYs of ours among what a batch brought."""
    found = []
    for data, origin in datagrams:
        if MAGIC in data and is_reply(data):
            flow = origin.flow if isinstance(origin, Origin) else None
            found.append(read_reply(key, data, origin[0], flow))
    return [reply for reply in found if reply is not None]


def final_only(replies: Iterable[Reply]) -> dict[str, Reply]:
    """One answer per branch: a final one before a provisional one."""
    chosen: dict[str, Reply] = {}
    for reply in replies:
        known = chosen.get(reply.branch)
        if known is None or known.is_provisional:
            chosen[reply.branch] = reply
    return chosen


def _is_status(text: str) -> bool:
    return len(text) == 3 and is_digits(text) and "100" <= text <= "699"


def _branch(vias: list[str]) -> str | None:
    try:
        return parse_via(vias[0]).branch
    except FieldError:
        return None
