"""Strangers who seem to mean this peer: a mistyped name, a wrong domain or realm, requests nobody can read. Pure."""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from apps.diagnosis.case import Case
from apps.diagnosis.facts import Certainty, Severity, StrangerFacts
from apps.diagnosis.found import Found, Mark, source_text

# Who tries more names than this from one address is guessing, not mistyping.
MOST_NAMES: Final = 3
_STILL_TRYING: Final = dt.timedelta(hours=1)
# Why a stranger was refused -> the finding about the peer it seems to mean.
CODES: Final = {
    "not_our_domain": "wrong_domain",
    "wrong_realm": "wrong_realm",
    "unknown_user": "typo_user",
    "malformed": "malformed",
}


def strangers(case: Case) -> Iterator[Found]:
    """One finding a kind, with the latest of them. While the phone is online it is a note."""
    if not case.facts.strangers:
        return
    for reason, code in CODES.items():
        rows = [one for one in case.facts.strangers if one.reason == reason and _counts(case, one)]
        if rows:
            yield _found(case, code, sorted(rows, key=lambda one: (one.last_at, one.username), reverse=True))


def tried(one: StrangerFacts) -> Mark:
    fields = {
        "username": one.username,
        "domain": one.domain,
        "source": source_text(one.received, one.user_agent),
    }
    return Mark(one.first_at, "tried", fields, last_at=one.last_at, count=one.count)


def _counts(case: Case, one: StrangerFacts) -> bool:
    if one.names_from_there > MOST_NAMES:
        return False
    if case.live:
        return one.last_at > case.now - _STILL_TRYING and one.count > 1
    return case.succeeded_at is None or one.last_at > case.succeeded_at


def _found(case: Case, code: str, rows: list[StrangerFacts]) -> Found:
    latest = rows[0]
    related = case.succeeded_at is None or any(case.is_near(one.received, one.user_agent) for one in rows)
    severity = Severity.BROKEN if related else Severity.ATTENTION
    said = latest.username if code == "typo_user" else latest.domain
    return Found(
        code,
        Severity.NOTE if case.live else severity,
        Certainty.LIKELY if related and not case.live else Certainty.POSSIBLE,
        [tried(one) for one in rows],
        since=min(one.first_at for one in rows),
        fields={"tried": said, "address": latest.received[0]},
    )
