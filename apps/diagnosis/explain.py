"""Why does this phone not ring? Facts in, findings out: the most harmful and most certain first. Pure.

Precedence: later evidence beats earlier, so what came before the latest success is history. A switch of ours (disabled,
blocked) explains everything; then a silent site; then what the phone was last told (refused, challenged); then whether
calls reach it; then rhythm, sharing, places. How it ended is said only where no cause is known. Broken comes before
attention, both before fine, notes last; within one severity the order of RULES decides.
"""

from collections.abc import Callable, Iterable
from typing import Final

from apps.diagnosis.case import Case
from apps.diagnosis.facts import Certainty, Facts, Finding, Severity
from apps.diagnosis.found import Found, Mark, last_success, reason_phrase, source_text
from apps.diagnosis.rules import names, places, refusals, silence, ways
from apps.diagnosis.wording import Fields, Translate
from apps.registrar.outcomes import EndReason

Rule = Callable[[Case], Iterable[Found]]

RULES: Final[tuple[Rule, ...]] = (
    places.blocked_source,
    silence.site_down,
    refusals.refused,
    refusals.unanswered,
    names.strangers,
    ways.unreachable,
    silence.renewal_late,
    places.two_phones,
    ways.nat_rebinding,
    ways.sip_alg,
    refusals.refused_beside,
    silence.replaced,
    places.unexpected_place,
    ways.lagging,
    refusals.expired_refused,
    ways.private_contact,
)
HARM: Final = (Severity.BROKEN, Severity.ATTENTION, Severity.FINE, Severity.NOTE)


def explain(facts: Facts, translate: Translate = str) -> tuple[Finding, ...]:
    """At least one finding, never two of one code; `fine` is first when nothing is wrong.

    translate is given each template of words.py before it is filled.
    """
    common = _common(facts)
    return tuple(found.in_words(common, translate) for found in _findings(Case(facts)))


def _findings(case: Case) -> list[Found]:
    if not (case.facts.peer_enabled and case.facts.extension_enabled):
        return [_disabled(case)]
    found = [one for rule in RULES for one in rule(case)]
    if not case.live and all(one.severity != Severity.BROKEN for one in found):
        found.append(silence.ended(case))
    if all(one.severity == Severity.NOTE for one in found):
        found.append(_fine(case))
    first: dict[str, Found] = {}
    for one in sorted(found, key=lambda one: HARM.index(one.severity)):
        first.setdefault(one.code, one)
    return _without_echoes(list(first.values()))


def _without_echoes(found: list[Found]) -> list[Found]:
    """Two phones explain changing addresses."""
    codes = {one.code for one in found}
    return [one for one in found if not (one.code == "nat_rebinding" and "two_phones" in codes)]


def _disabled(case: Case) -> Found:
    at = case.facts.ended_at if case.facts.end_reason == EndReason.DISABLED else None
    marks = [Mark(case.now, "switched_off")]
    marks += [] if at is None else [Mark(at, "ended", {"reason": reason_phrase(EndReason.DISABLED)})]
    marks += last_success(case)
    return Found("disabled", Severity.BROKEN, Certainty.CERTAIN, marks, since=at)


def _fine(case: Case) -> Found:
    answers = [ways.answered(one) for one in case.current] if case.facts.qualified else []
    answer = next((one for one in answers if one is not None), None)
    binding = case.current[0]
    source = source_text(binding.received, binding.user_agent)
    marks = [Mark(binding.registered_at, "registered", {"source": source}), silence.renewed(binding)]
    return Found(
        "fine",
        Severity.FINE,
        Certainty.LIKELY if answer is None else Certainty.CERTAIN,
        marks if answer is None else [*marks, answer],
        since=min(one.registered_at for one in case.current),
        variant="unasked" if answer is None else "",
    )


def _common(facts: Facts) -> Fields:
    """What every template may name."""
    return {
        "peer": facts.peer,
        "domain": facts.domain,
        "username": facts.usernames[0] if facts.usernames else facts.peer,
        "address_user": facts.extension or facts.peer,
        "max_contacts": facts.max_contacts,
        "min_expires_s": facts.min_expires_s,
    }
