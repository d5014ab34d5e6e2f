"""Whether calls find the way to a phone that is registered: probes, NAT, rewriting routers. Pure."""

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from apps.diagnosis.case import HOUR, Case
from apps.diagnosis.facts import BindingFacts, Certainty, EventFacts, Severity
from apps.diagnosis.found import Found, Mark, address_text, source_text
from apps.diagnosis.wording import Fields, Phrase
from apps.diagnosis.words import HEADERS
from apps.registrar.outcomes import EventKind
from apps.registrar.sources import address_of, is_private
from apps.sip.uri import UriError, parse_sip_uri

# What nearly every router keeps an idle UDP mapping for; a shorter expiry keeps it open by itself.
_NAT_KEEPS_S: Final = 30
_SUGGESTED_S: Final = 60
_DAY: Final = dt.timedelta(days=1)


def unreachable(case: Case) -> Iterator[Found]:
    """Registered, and silent to our probes: with the likeliest reason."""
    lost = [one for one in case.current if case.facts.qualified and one.probe_state == "unreachable"]
    if not lost:
        return
    first = lost[0]
    code, variant, certainty, why = _reason(case, first)
    yield Found(
        code,
        Severity.BROKEN if len(lost) == len(case.current) else Severity.ATTENTION,
        certainty,
        [*_probe_marks(case, first), *why],
        since=min((one.probe_since for one in lost if one.probe_since is not None), default=None),
        fields={"suggested_s": max(_SUGGESTED_S, case.facts.min_expires_s), "header": _header(first)},
        variant=variant,
    )


def sip_alg(case: Case) -> Iterator[Found]:
    """Rewritten on the way, while calls seem to arrive all the same."""
    rewritten = [one for one in case.current if one.rewritten]
    if rewritten and not any(one.probe_state == "unreachable" for one in case.current):
        marks = [_rewritten(one) for one in rewritten]
        yield Found(
            "sip_alg",
            Severity.ATTENTION,
            Certainty.LIKELY,
            marks,
            since=rewritten[0].registered_at,
            fields={"header": _header(rewritten[0])},
        )


def lagging(case: Case) -> Iterator[Found]:
    slow = [one for one in case.current if case.facts.qualified and one.probe_state == "lagging"]
    for binding in slow:
        average, answer = binding.rtt_avg_ms or binding.rtt_ms, answered(binding)
        if average is not None and answer is not None:
            yield Found(
                "lagging",
                Severity.ATTENTION,
                Certainty.CERTAIN,
                [answer],
                since=binding.probe_since,
                fields={"rtt_ms": round(average)},
            )


def nat_rebinding(case: Case) -> Iterator[Found]:
    """The same phone from ever new ports. Going back to an earlier port makes it two phones (places.py)."""
    moves = _port_moves(case, max(HOUR, 4 * _longest_gap(case.current)))
    ways = {(one.transport.upper(), one.probe_state == "unreachable") for one in case.current}
    if len(moves) < 3 or ways != {("UDP", False)}:
        return
    renewals = sum(one.refresh_count for one in case.current)
    if 2 * len(moves) < min(renewals, _renewals_within(case)):
        return
    yield Found(
        "nat_rebinding",
        Severity.ATTENTION,
        Certainty.LIKELY,
        [moved(event) for event in reversed(moves)],
        since=moves[0].at,
        fields={"suggested_s": max(_SUGGESTED_S, case.facts.min_expires_s)},
    )


def private_contact(case: Case) -> Iterator[Found]:
    """Over a Path the proxies know the way."""
    for binding in case.current:
        named = private_host(binding.contact)
        if named is None or binding.path or named == binding.received[0]:
            continue
        fields: Fields = {"contact": named, "address": address_text(binding.received)}
        marks = [Mark(binding.registered_at, "contact", fields)]
        yield Found("private_contact", Severity.NOTE, Certainty.CERTAIN, marks, fields=fields)
        return


def answered(binding: BindingFacts) -> Mark | None:
    """The last answer to a probe, with its round trip if it is known."""
    if binding.probe_answered_at is None:
        return None
    if binding.rtt_ms is None:
        return Mark(binding.probe_answered_at, "rtt_unknown")
    return Mark(binding.probe_answered_at, "rtt", {"rtt_ms": round(binding.rtt_ms)})


def moved(event: EventFacts) -> Mark:
    source = source_text(event.received, event.user_agent)
    return Mark(event.at, "moved", {"source": source, "old_address": address_text(event.old_received)})


@lru_cache(maxsize=1024)
def private_host(contact: str) -> str | None:
    """The private address a contact is written with; None for a public one, a name, or what cannot be read."""
    try:
        host = parse_sip_uri(contact).host
    except UriError:
        return None
    return str(address_of(host)) if is_private(host) else None


def _reason(case: Case, binding: BindingFacts) -> tuple[str, str, Certainty, list[Mark]]:
    """Code, variant, certainty and what speaks for it."""
    if binding.transport.upper() != "UDP":
        return "unreachable", "connection", _unreachable_certainty(binding), []
    moves = [event for event in _port_moves(case, _DAY) if event.at >= binding.registered_at]
    if moves and binding.granted_s > _NAT_KEEPS_S and (len(moves) > 1 or binding.probe_answered_at):
        certainty = Certainty.LIKELY if len(moves) > 1 else Certainty.POSSIBLE
        return "pinhole_closed", "", certainty, [moved(event) for event in reversed(moves)]
    if binding.rewritten:
        return "sip_alg", "", Certainty.LIKELY, [_rewritten(binding)]
    return "unreachable", "", _unreachable_certainty(binding), []


def _unreachable_certainty(binding: BindingFacts) -> Certainty:
    """A phone that never answered may be one that ignores probes."""
    return Certainty.LIKELY if binding.probe_answered_at is None else Certainty.CERTAIN


def _probe_marks(case: Case, binding: BindingFacts) -> Iterator[Mark]:
    lost: Fields = {"address": address_text(binding.received), "lost": binding.probes_lost}
    yield Mark(binding.probe_since or case.now, "probes_lost", lost)
    if binding.probe_answered_at is not None:
        yield Mark(binding.probe_answered_at, "probe_answered")
    source = source_text(binding.received, binding.user_agent)
    yield Mark(binding.registered_at, "registered", {"source": source})


def _port_moves(case: Case, span: dt.timedelta) -> list[EventFacts]:
    """Moves to another port of the same address, never back to one it had before, oldest first."""
    moves = [
        event
        for event in case.recent({EventKind.MOVED}, span)
        if event.received and event.old_received and event.received[0] == event.old_received[0]
    ]
    ports = [event.received for event in moves]
    returned = len(set(ports)) < len(ports) or any(
        event.old_received in ports[i:] for i, event in enumerate(moves)
    )
    return [] if returned else moves


def _renewals_within(case: Case) -> int:
    """How many renewals the window of nat_rebinding has room for."""
    gap_s = min((one.renewal_gap_s or one.granted_s / 2 for one in case.current), default=60.0)
    window = max(HOUR, 4 * _longest_gap(case.current))
    return int(window.total_seconds() / max(gap_s, 1))


def _longest_gap(bindings: Sequence[BindingFacts]) -> dt.timedelta:
    return dt.timedelta(seconds=max((one.granted_s for one in bindings), default=0))


def _rewritten(binding: BindingFacts) -> Mark:
    source = source_text(binding.received, binding.user_agent)
    return Mark(binding.refreshed_at, "rewritten", {"header": _header(binding), "source": source})


def _header(binding: BindingFacts) -> str:
    return HEADERS.get(binding.rewritten, Phrase("Contact"))
