"""Answers to probes: which probe each is about, and how long it took. Pure.

Anybody can send an answer: only a branch we made for that very host is believed (options.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from apps.registrar.qualify.options import MAGIC, Mark, read_branch
from apps.sip.reply import is_reply, parse_reply
from apps.sipserver.events import Datagram

# What a proxy on the way says when the phone did not answer it: no sign of the phone's life (RFC 3261 §21.4.9, §21.5.5,
# RFC 5626 §11.5). Every other status is one.
NOBODY_THERE: Final = frozenset({408, 430, 504})
# No transaction lasts as long (RFC 3261 §17.1.2.2): the stamp is another host's.
LONGEST_MS: Final = 32_000


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """rtt_ms: None where a repeat had left before it came, for it may answer either (Karn's algorithm), and where
    another host asked, for it has another clock."""

    binding_id: UUID
    number: int
    status: int
    rtt_ms: float | None


def read_answers(key: bytes, datagrams: Iterable[Datagram], now_us: int) -> list[ProbeAnswer]:
    """The answers to probes of ours among what a batch brought, at now_us of the clock of this host's stamps."""
    found = [
        _read_answer(key, data, origin[0], now_us)
        for data, origin in datagrams
        if MAGIC in data and is_reply(data)
    ]
    return [answer for answer in found if answer is not None]


def take_up(known: dict[UUID, ProbeAnswer], answer: ProbeAnswer) -> None:
    """Adds an answer to those of its binding: the first says how long it took, the last what was said."""
    first = known.get(answer.binding_id)
    if first is None or first.number < answer.number:
        known[answer.binding_id] = answer
    elif first.number == answer.number:
        known[answer.binding_id] = replace(first, status=max(first.status, answer.status))


def _read_answer(key: bytes, data: bytes, host: str, now_us: int) -> ProbeAnswer | None:
    reply = parse_reply(data)
    if reply is None or reply.status in NOBODY_THERE:
        return None
    mark = read_branch(key, reply.branch or "", host)
    if mark is None:
        return None
    return ProbeAnswer(mark.binding_id, mark.number, reply.status, _rtt_ms(mark, now_us))


def _rtt_ms(mark: Mark, now_us: int) -> float | None:
    rtt_ms = (now_us - mark.sent_us) % 2**48 / 1000
    repeated = 0 < mark.repeated_after_ms <= rtt_ms
    return None if repeated or rtt_ms > LONGEST_MS else rtt_ms
