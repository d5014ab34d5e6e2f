"""Phones of which nothing is heard: late, ended, never there; alone or with their whole site. Pure."""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from apps.diagnosis.case import Case
from apps.diagnosis.facts import BindingFacts, Certainty, Severity
from apps.diagnosis.found import Found, Mark, last_success, reason_phrase, source_text
from apps.diagnosis.wording import length
from apps.registrar.outcomes import EndReason, EventKind
from apps.registrar.site import Site

_DAY: Final = dt.timedelta(days=1)
# How a registration ended -> the finding's code and how it is said.
_ENDS: Final[dict[str, tuple[str, str]]] = {
    EndReason.EXPIRED: ("expired_silent", ""),
    EndReason.UNREGISTERED: ("signed_off", ""),
    EndReason.REPLACED: ("replaced", ""),
    EndReason.DROPPED: ("dropped", ""),
    EndReason.DISABLED: ("dropped", "disabled"),
    EndReason.DELETED: ("dropped", "deleted"),
    EndReason.CREDENTIAL_CHANGED: ("dropped", "credential_changed"),
    EndReason.FLOW_CLOSED: ("flow_closed", ""),
}


def site_down(case: Case) -> Iterator[Found]:
    """Several phones of one address are overdue, and this one is silent too."""
    site = case.facts.site
    if site is None or not site.is_down or not _is_silent(case):
        return
    yield Found(
        "site_down",
        Severity.BROKEN,
        Certainty.CERTAIN if site.overdue >= 3 else Certainty.LIKELY,
        [*_site_marks(site, case.now), *_last_sign(case)],
        since=site.overdue_since,
        fields={"address": site.address, "overdue": site.overdue},
    )


def renewal_late(case: Case) -> Iterator[Found]:
    late = [one for one in case.current if _is_late(case, one) and not case.is_trying(one)]
    if not late:
        return
    marks = [mark for one in late[:2] for mark in (renewed(one), _due(one))]
    yield Found(
        "renewal_late",
        Severity.ATTENTION,
        Certainty.LIKELY,
        marks,
        since=min(one.late_at for one in late if one.late_at is not None),
    )


def replaced(case: Case) -> Iterator[Found]:
    """A different phone took the place of one that has not come back. The same phone under another contact has not."""
    if len(case.live) < case.facts.max_contacts or not case.facts.replaces_when_full:
        return
    agents = {binding.user_agent for binding in case.live}
    gone = [
        event
        for event in case.recent({EventKind.REJECTED}, _DAY)
        if event.reason == EndReason.REPLACED and event.user_agent not in agents
    ]
    if not gone:
        return
    places = {"max_contacts": case.facts.max_contacts}
    marks = [
        Mark(event.at, "replaced", {"source": source_text(event.received, event.user_agent)})
        for event in reversed(gone)
    ]
    yield Found("replaced", Severity.ATTENTION, Certainty.LIKELY, marks, since=gone[-1].at, fields=places)


def ended(case: Case) -> Found:
    """Why it is offline when nothing else tells: how the last registration ended, or that there was none."""
    if case.succeeded_at is None and case.ended_at is None:
        created = case.facts.created_at
        marks = [Mark(created, "created")]
        return Found("never_registered", Severity.BROKEN, Certainty.CERTAIN, marks, since=created)
    at = case.ended_at or case.succeeded_at or case.now
    code, variant = _ENDS[case.end_reason]
    return Found(
        code,
        Severity.BROKEN,
        Certainty.CERTAIN,
        [Mark(at, "ended", {"reason": reason_phrase(case.end_reason)}), *_last_sign(case)],
        since=at,
        variant=variant,
    )


def renewed(binding: BindingFacts) -> Mark:
    source = source_text(binding.received, binding.user_agent)
    fields = {"source": source, "granted": length(binding.granted_s)}
    return Mark(binding.refreshed_at, "renewed", fields)


def _due(binding: BindingFacts) -> Mark:
    at = binding.late_at or binding.expires_at
    if binding.renewal_gap_s is None:
        return Mark(at, "due_unlearned")
    return Mark(at, "due", {"gap": length(binding.renewal_gap_s)})


def _is_silent(case: Case) -> bool:
    """Nothing is heard of this phone though it should be."""
    if not case.live:
        quiet_ends = (EndReason.EXPIRED, EndReason.FLOW_CLOSED)
        return case.ended_at is not None and case.end_reason in quiet_ends and not case.attempted
    return all(_is_quiet(case, binding) for binding in case.current)


def _is_quiet(case: Case, binding: BindingFacts) -> bool:
    unreachable = case.facts.qualified and binding.probe_state == "unreachable"
    return (_is_late(case, binding) or unreachable) and not case.is_trying(binding)


def _is_late(case: Case, binding: BindingFacts) -> bool:
    return binding.late_at is not None and binding.late_at <= case.now


def _site_marks(site: Site, now: dt.datetime) -> Iterator[Mark]:
    if site.last_heard_at is not None:
        yield Mark(site.last_heard_at, "site_heard", {"address": site.address})
    counts = {"overdue": site.overdue, "online": site.online, "phones": site.phones}
    yield Mark(site.overdue_since or now, "site_overdue", counts)


def _last_sign(case: Case) -> list[Mark]:
    if case.live:
        return [renewed(binding) for binding in case.current[:1]]
    return last_success(case)
