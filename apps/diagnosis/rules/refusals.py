"""Attempts that were turned down, or got a challenge and no further. Pure.

What happened before the latest success is history, unless another device of the same peer keeps being refused.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from apps.diagnosis.case import Case, Device, device, host
from apps.diagnosis.facts import Certainty, EventFacts, Severity
from apps.diagnosis.found import Found, Mark, address_text, last_success, reason_phrase, sum_mark
from apps.diagnosis.words import WORDS
from apps.registrar.outcomes import REFUSALS, EndReason, EventKind, UnansweredReason

# A phone may be told once to ask for longer, and a packet may arrive twice: that is no failure yet.
_NORMAL_ONCE: Final = frozenset({"interval_too_brief", "cseq_out_of_order"})
_TRANSACTION: Final = dt.timedelta(seconds=32)
_SAME_TROUBLE: Final = dt.timedelta(hours=1)
_STILL_TRYING: Final = dt.timedelta(minutes=15)
_CODES: Final[Mapping[str, str]] = {"not_our_domain": "wrong_domain"}
_ORDER: Final = ("old_password", *REFUSALS)

Groups = dict[Device, list[EventFacts]]


def refused(case: Case) -> Iterator[Found]:
    """Each device's latest refusal since the last success."""
    for rows in _by_trouble(_by_device(case.refused)):
        if _is_settled(case, rows) and not _went_on_to_silence(case, rows[0]):
            yield _refusal(case, rows)


def refused_beside(case: Case) -> Iterator[Found]:
    """Another device keeps being refused while one is online and renews."""
    if not (case.live and case.facts.events):
        return
    began = min(binding.registered_at for binding in case.live)
    rows = [
        event
        for event in case.facts.events
        if event.event == EventKind.REFUSED
        and event.reason != EndReason.DISABLED
        and event.at > began
        and event.last_at > case.now - _STILL_TRYING
        and case.is_own(event)
        and event not in case.refused
    ]
    for group in _by_trouble(_by_device(rows)):
        if _is_another(case, group):
            yield _found(case, group, Severity.ATTENTION, Certainty.LIKELY, "other_device")


def unanswered(case: Case) -> Iterator[Found]:
    """Challenges nobody answered, by reason; strangers who only look are no business of an online phone."""
    if not case.unanswered:
        return
    for code in (UnansweredReason.UNHEARD.value, UnansweredReason.IGNORED.value):
        given = [row for row in case.unanswered if row.reason == code]
        own = [row for row in given if case.is_own(row)]
        rows = own or ([] if case.live else given)
        times = sum(row.count for row in rows)
        if not rows or (case.live and times < 2):
            continue
        broken = bool(own) and not case.live
        certain = own and (times > 1 or code == UnansweredReason.UNHEARD)
        yield Found(
            code,
            Severity.BROKEN if broken else Severity.ATTENTION,
            Certainty.LIKELY if certain else Certainty.POSSIBLE,
            [sum_mark("challenged", rows), *last_success(case)],
            since=min(row.at for row in rows),
        )


def expired_refused(case: Case) -> Iterator[Found]:
    """The registration ran out while attempts were refused."""
    own = [row for row in case.refused if case.is_own(row)]
    if case.live or case.ended_at is None or case.end_reason != EndReason.EXPIRED or not own:
        return
    ended = Mark(case.ended_at, "ended", {"reason": reason_phrase(EndReason.EXPIRED)})
    reason = reason_phrase(own[0].reason)
    yield Found(
        "expired_refused",
        Severity.BROKEN,
        Certainty.CERTAIN,
        [ended, sum_mark("refused", [row for row in own if row.reason == own[0].reason], reason=reason)],
        since=case.ended_at,
        fields={"reason": reason},
    )


def _by_device(rows: Iterable[EventFacts]) -> Groups:
    """The refusals of each device for the reason it was refused last."""
    groups: Groups = {}
    for row in sorted(rows, key=lambda event: event.last_at, reverse=True):
        group = groups.setdefault(device(row), [])
        if not group or group[0].reason == row.reason:
            group.append(row)
    return groups


def _by_trouble(groups: Groups) -> list[list[EventFacts]]:
    """One group a reason, in the order of the findings; what is an hour older than the newest is history."""
    if not groups:
        return []
    newest = max(rows[0].last_at for rows in groups.values())
    together: dict[str, list[EventFacts]] = defaultdict(list)
    for rows in groups.values():
        if rows[0].last_at > newest - _SAME_TROUBLE:
            together[rows[0].reason] += rows
    for rows in together.values():
        rows.sort(key=lambda event: event.last_at, reverse=True)
    return [together[reason] for reason in sorted(together, key=_rank)]


def _rank(reason: str) -> tuple[int, str]:
    return (_ORDER.index(reason) if reason in _ORDER else len(_ORDER), reason)


def _is_settled(case: Case, rows: list[EventFacts]) -> bool:
    if rows[0].reason not in _NORMAL_ONCE or sum(row.count for row in rows) > 1:
        return True
    return not case.live and rows[0].last_at < case.now - _TRANSACTION


def _went_on_to_silence(case: Case, refusal: EventFacts) -> bool:
    """The same host was challenged later and did not even answer: that is the newer evidence."""
    later = (row for row in case.unanswered if host(row) == host(refusal))
    return any(row.last_at > refusal.last_at for row in later)


def _refusal(case: Case, rows: list[EventFacts]) -> Found:
    own = [row for row in rows if case.is_own(row)]
    if own:
        severity = Severity.ATTENTION if case.live else Severity.BROKEN
        variant = "other_device" if case.live and _is_strange(case, own[0]) else ""
        return _found(case, own, severity, Certainty.CERTAIN, variant)
    severity = Severity.NOTE if case.live else Severity.ATTENTION
    return _found(case, rows, severity, Certainty.POSSIBLE, "elsewhere")


def _found(
    case: Case, rows: list[EventFacts], severity: Severity, certainty: Certainty, variant: str
) -> Found:
    reason = rows[0].reason
    code = _CODES.get(reason, reason if reason in REFUSALS else "refused")
    words = reason_phrase(reason)
    fields = {"reason": words, "address": address_text(rows[0].received), "tried": case.facts.domain}
    return Found(
        code,
        severity,
        certainty,
        [sum_mark("refused", rows, reason=words), *_context(case, code), *last_success(case)],
        since=min(row.at for row in rows),
        fields=fields,
        variant=variant or ("refused" if f"{code}:refused" in WORDS else ""),
    )


def _context(case: Case, code: str) -> Iterator[Mark]:
    facts = case.facts
    if code not in ("old_password", "wrong_password"):
        return
    if facts.password_changed_at is not None:
        yield Mark(facts.password_changed_at, "password_changed")
    if code == "old_password" and facts.old_password_until is not None:
        yield Mark(facts.old_password_until, "old_password_until")


def _is_another(case: Case, rows: list[EventFacts]) -> bool:
    """It differs from every phone that is online, or it is refused while the same would have renewed."""
    if _is_strange(case, rows[0]):
        return sum(row.count for row in rows) > 1
    span = rows[0].last_at - min(row.at for row in rows)
    return span > dt.timedelta(seconds=min(binding.granted_s for binding in case.live))


def _is_strange(case: Case, row: EventFacts) -> bool:
    return device(row) not in {device(binding) for binding in case.live}
