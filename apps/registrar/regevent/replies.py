"""Answers to NOTIFYs: which NOTIFY each is about, and what it means for the subscription. Pure.

Anybody can send an answer: only a branch we made for that very host is believed (notify.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from apps.registrar.regevent.notify import MAGIC, is_our_branch
from apps.sip.reply import is_reply, parse_reply
from apps.sipserver.events import Datagram, flow_of

# Answers after which there is no subscription any more, not only no such request (RFC 5057 §5.1, RFC 6665 §4.2.2).
FATAL: Final = frozenset({404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604})


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


def read_reply(key: bytes, data: bytes, host: str, flow: str | None) -> Reply | None:
    """The answer to a NOTIFY sent to that host (RFC 3261 §17.1.3); None for anything else."""
    reply = parse_reply(data)
    if reply is None or [value.split()[-1:] for value in reply.values("cseq")] != [["NOTIFY"]]:
        return None
    if reply.branch is None or not is_our_branch(key, reply.branch, host):
        return None
    return Reply(reply.branch, reply.status, flow)


def read_replies(key: bytes, datagrams: Iterable[Datagram]) -> list[Reply]:
    """The answers to NOTIFYs of ours among what a batch brought."""
    found = []
    for data, origin in datagrams:
        if MAGIC in data and is_reply(data):
            flow = flow_of(origin)
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
