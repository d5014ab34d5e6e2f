"""A finding before it has words: what the rules give, and what explain.py turns into a Finding. Pure."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from apps.diagnosis.case import Case
from apps.diagnosis.facts import Address, Certainty, EventFacts, Evidence, Finding, Severity
from apps.diagnosis.wording import Fields, Phrase, Translate, filled
from apps.diagnosis.words import EVIDENCE, UNKNOWN_ADDRESS, words_of
from apps.registrar.outcomes import END_WORDS, REFUSALS

MOST_EVIDENCE: Final = 5
_LONGEST_AGENT: Final = 60


@dataclass(frozen=True, slots=True)
class Mark:
    """One line of evidence: a key of words.EVIDENCE with its fields."""

    at: dt.datetime
    key: str
    fields: Fields = field(default_factory=dict)
    last_at: dt.datetime | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """One answer of a rule. variant: another way of saying the same code (words.words_of)."""

    code: str
    severity: Severity
    certainty: Certainty
    marks: Sequence[Mark]
    since: dt.datetime | None = None
    fields: Fields = field(default_factory=dict)
    variant: str = ""

    def in_words(self, common: Fields, translate: Translate) -> Finding:
        """The finding for people. common: fields every template may use."""
        words, fields = words_of(self.code, self.variant), {**common, **self.fields}
        return Finding(
            code=self.code,
            severity=self.severity,
            certainty=self.certainty,
            sentence=filled(words.sentence, fields, translate),
            evidence=tuple(_evidence(mark, translate) for mark in self.marks[:MOST_EVIDENCE]),
            fix=filled(words.fix, fields, translate),
            action=words.action,
            since=self.since,
            details={"variant": self.variant} | {name: str(value) for name, value in self.fields.items()},
        )


def _evidence(mark: Mark, translate: Translate) -> Evidence:
    return Evidence(mark.at, filled(EVIDENCE[mark.key], mark.fields, translate), mark.last_at, mark.count)


def address_text(address: Address | None) -> str:
    """ "203.0.113.7:5062", "[2001:db8::7]:5062"."""
    if address is None:
        return UNKNOWN_ADDRESS
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def source_text(address: Address | None, user_agent: str) -> str:
    """Where from and with what: "203.0.113.7:5062, Yealink SIP-T46S"."""
    agent = user_agent[:_LONGEST_AGENT]
    if not agent:
        return address_text(address)
    return f"{address_text(address)}, {agent}"


def reason_phrase(reason: str) -> str:
    """Why it was refused or ended, in the words of the outcomes table; an unknown reason as it is."""
    if reason in REFUSALS:
        return Phrase(REFUSALS[reason].words)
    return next((Phrase(words) for end, words in END_WORDS.items() if end == reason), reason)


def last_success(case: Case) -> list[Mark]:
    """When a REGISTER was last accepted; where only the first of a registration is known, that."""
    if case.succeeded_at is None:
        return []
    known = case.live or case.succeeded_at != case.facts.registered_at
    return [Mark(case.succeeded_at, "last_success" if known else "began")]


def sum_mark(key: str, events: Iterable[EventFacts], **fields: str | int) -> Mark:
    """One line for several sums of the same thing; the address is that of the latest."""
    rows = sorted(events, key=lambda event: (event.last_at, event.at))
    latest = rows[-1]
    return Mark(
        at=min(event.at for event in rows),
        key=key,
        fields={"source": source_text(latest.received, latest.user_agent), **fields},
        last_at=latest.last_at,
        count=sum(event.count for event in rows),
    )
