"""Who registers from where: blocked networks, places never seen, two phones on one account. Pure."""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from apps.diagnosis.case import ARRIVALS, HOUR, Case, within
from apps.diagnosis.facts import Address, Certainty, EventFacts, Severity, StrangerFacts
from apps.diagnosis.found import Found, Mark, address_text, last_success, source_text
from apps.diagnosis.rules.names import MOST_NAMES, tried
from apps.diagnosis.rules.ways import moved
from apps.diagnosis.words import NOWHERE_ELSE
from apps.registrar.outcomes import EndReason, EventKind

_NEW_FOR: Final = dt.timedelta(days=1)
_MOMENT: Final = dt.timedelta(seconds=5)


def blocked_source(case: Case) -> Iterator[Found]:
    """The phone's address is blocked now, or was when somebody with its name came from there."""
    attempts = _blocked_attempts(case)
    address = _blocked_address(case)
    if address is not None:
        yield _blocked_now(case, address, attempts)
    elif attempts and not case.live:
        latest = attempts[0]
        is_its_own = case.succeeded_at is None or case.is_near(latest.received, latest.user_agent)
        yield Found(
            "blocked_source",
            Severity.BROKEN if is_its_own else Severity.ATTENTION,
            Certainty.LIKELY if case.succeeded_at is None else Certainty.POSSIBLE,
            [tried(one) for one in attempts],
            since=min(one.first_at for one in attempts),
            fields={"address": latest.received[0], "network": latest.received[0]},
            variant="stranger",
        )


def unexpected_place(case: Case) -> Iterator[Found]:
    """Online from a network that was new within the last day."""
    facts, at = case.facts, case.facts.new_network_at
    if at is None or at < case.now - _NEW_FOR or not case.live:
        return
    arrival = next(
        (one for one in facts.events if one.event in ARRIVALS and abs(one.at - at) < _MOMENT), None
    )
    received = arrival.received if arrival and arrival.received else case.live[0].received
    here = [binding for binding in case.live if binding.received[0] == received[0]]
    if not here:
        return
    also_elsewhere = any(binding not in here for binding in case.live)
    source = source_text(received, here[0].user_agent)
    known = ", ".join(one for one in facts.networks if not within(received[0], one))
    yield Found(
        "unexpected_place",
        Severity.ATTENTION,
        Certainty.LIKELY if also_elsewhere else Certainty.POSSIBLE,
        [
            Mark(here[0].registered_at, "registered", {"source": source}),
            Mark(at, "new_network"),
            Mark(facts.created_at, "known_networks", {"networks": known or NOWHERE_ELSE}),
        ],
        since=at,
        fields={"address": address_text(received)},
    )


def two_phones(case: Case) -> Iterator[Found]:
    """Its one place went back and forth between user agents, or between addresses, within an hour."""
    arrivals = _displacing(case)
    agents = [event.user_agent for event in arrivals if event.user_agent]
    by_agent = _returns(agents)
    by_address = _returns([event.received for event in arrivals])
    if max(by_agent, by_address) < 2 or not case.live:
        return
    yield Found(
        "two_phones",
        Severity.ATTENTION,
        Certainty.LIKELY if by_agent >= 2 else Certainty.POSSIBLE,
        [_arrived(event) for event in reversed(arrivals)],
        since=arrivals[0].at,
        variant="" if by_agent >= 2 else "addresses",
    )


def _displacing(case: Case) -> list[EventFacts]:
    """Arrivals of the last hour that moved a binding or pushed one out, oldest first."""
    pushed = [
        event.at for event in case.recent({EventKind.REJECTED}, HOUR) if event.reason == EndReason.REPLACED
    ]
    return [
        event
        for event in case.recent(ARRIVALS, HOUR)
        if event.event == EventKind.MOVED or any(abs(event.at - at) < _MOMENT for at in pushed)
    ]


def _returns(visits: Sequence[object]) -> int:
    """How often one comes back to where it was before."""
    seen, returns = set(visits[:1]), 0
    for before, after in pairwise(visits):
        returns += after != before and after in seen
        seen.add(after)
    return returns


def _arrived(event: EventFacts) -> Mark:
    if event.event == EventKind.MOVED:
        return moved(event)
    return Mark(event.at, "registered", {"source": source_text(event.received, event.user_agent)})


def _blocked_attempts(case: Case) -> list[StrangerFacts]:
    since = case.succeeded_at
    attempts = [
        one
        for one in case.facts.strangers
        if one.reason == "blocked_source"
        and one.names_from_there <= MOST_NAMES
        and (since is None or one.last_at > since)
    ]
    return sorted(attempts, key=lambda one: (one.last_at, one.received), reverse=True)


def _blocked_address(case: Case) -> Address | None:
    network, facts = case.facts.blocked, case.facts
    if network is None:
        return None
    addresses: list[Address | None] = [one.received for one in case.live]
    addresses = addresses or [facts.last_received]
    return next((one for one in addresses if one is not None and within(one[0], network)), None)


def _blocked_now(case: Case, address: Address, attempts: list[StrangerFacts]) -> Found:
    network = str(case.facts.blocked)
    fields = {"address": address[0], "network": network}
    return Found(
        "blocked_source",
        Severity.ATTENTION if case.live else Severity.BROKEN,
        Certainty.CERTAIN if attempts or case.live else Certainty.LIKELY,
        [
            Mark(case.now, "blocked_now", fields),
            *[tried(one) for one in attempts],
            *last_success(case),
        ],
        fields=fields,
    )
