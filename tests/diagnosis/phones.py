"""Facts made by hand: a phone that is fine, and what can be different about it. No database, no clock."""

import datetime as dt
from dataclasses import replace
from typing import Any, Final

from apps.diagnosis.explain import explain
from apps.diagnosis.facts import BindingFacts, EventFacts, Facts, Finding, StrangerFacts
from apps.registrar.outcomes import END_EVENTS, EndReason
from apps.registrar.site import Site

NOW: Final = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
HOME: Final = ("203.0.113.7", 5062)
AWAY: Final = ("198.51.100.9", 5060)
YEALINK: Final = "Yealink SIP-T46S"
SNOM: Final = "snom D785"


def ago(**length: float) -> dt.datetime:
    return NOW - dt.timedelta(**length)


def binding(**changes: Any) -> BindingFacts:
    """Registered two days ago, renewed five minutes ago, answered a probe 20 s ago; granted an hour."""
    usual = BindingFacts(
        contact="sip:1001@203.0.113.7:5062",
        received=HOME,
        transport="UDP",
        user_agent=YEALINK,
        registered_at=ago(days=2),
        refreshed_at=ago(minutes=5),
        expires_at=ago(minutes=5) + dt.timedelta(hours=1),
        refresh_count=96,
        renewal_gap_s=1800.0,
        late_at=ago(minutes=5) + dt.timedelta(minutes=33),
        probe_state="reachable",
        probe_since=ago(days=2),
        probe_answered_at=ago(seconds=20),
        rtt_ms=18.4,
        rtt_avg_ms=17.0,
    )
    return replace(usual, **changes)


def facts(**changes: Any) -> Facts:
    """Of a peer that has never been heard of."""
    usual = Facts(
        now=NOW,
        peer="1001-desk",
        domain="example.com",
        created_at=ago(days=30),
        extension="1001",
        usernames=("1001-desk",),
    )
    return replace(usual, **changes)


def online(*bindings: BindingFacts, **changes: Any) -> Facts:
    live = bindings or (binding(),)
    return facts(
        **{
            "bindings": live,
            "registered_at": min(one.registered_at for one in live),
            "last_received": live[0].received,
            "last_user_agent": live[0].user_agent,
            "heard_at": min(one.registered_at for one in live),
            "networks": ("203.0.0.0/16",),
            **changes,
        }
    )


def offline(*, reason: str = "expired", since: dt.datetime | None = None, **changes: Any) -> Facts:
    """It was registered for days and ended an hour ago."""
    ended = since or ago(hours=1)
    kind = END_EVENTS[EndReason(reason)]
    end = EventFacts(kind, reason, ended, ended, 1, "sip:1001@203.0.113.7:5062", HOME, None, YEALINK)
    return facts(
        **{
            "events": (end,),
            "registered_at": ago(days=2),
            "ended_at": ended,
            "end_reason": reason,
            "last_received": HOME,
            "last_user_agent": YEALINK,
            "heard_at": ended - dt.timedelta(hours=1),
            "networks": ("203.0.0.0/16",),
            **changes,
        }
    )


def refusal(reason: str, at: dt.datetime | None = None, count: int = 3, **changes: Any) -> EventFacts:
    first = at or ago(minutes=10)
    usual = EventFacts(
        "refused", reason, first, first + dt.timedelta(seconds=30), count, "", HOME, None, YEALINK
    )
    return replace(usual, **changes)


def challenge(reason: str, at: dt.datetime | None = None, count: int = 2, **changes: Any) -> EventFacts:
    return replace(refusal(reason, at, count, event="unanswered"), **changes)


def move(
    at: dt.datetime, to: tuple[str, int], before: tuple[str, int], user_agent: str = YEALINK
) -> EventFacts:
    return EventFacts("moved", "moved", at, at, 1, "sip:1001@192.168.1.20", to, before, user_agent)


def arrival(at: dt.datetime, received: tuple[str, int], user_agent: str = YEALINK) -> EventFacts:
    return EventFacts("registered", "registered", at, at, 1, "sip:1001@x", received, None, user_agent)


def pushed_out(at: dt.datetime, received: tuple[str, int], user_agent: str) -> EventFacts:
    return EventFacts("rejected", "replaced", at, at, 1, "sip:1001@x", received, None, user_agent)


def with_attempts(base: Facts, *events: EventFacts) -> Facts:
    """The facts after these attempts, the newest first, as the peer's activity tells of the last of each."""
    newest = tuple(sorted((*events, *base.events), key=lambda event: event.last_at, reverse=True))
    refused = next((event for event in newest if event.event == "refused"), None)
    unanswered = next((event for event in newest if event.event == "unanswered"), None)
    heard = max([event.last_at for event in events] + ([base.heard_at] if base.heard_at else []))
    return replace(
        base,
        events=newest,
        refused_at=refused.last_at if refused else None,
        refused_reason=refused.reason if refused else None,
        unanswered_at=unanswered.last_at if unanswered else None,
        unanswered_reason=unanswered.reason if unanswered else None,
        heard_at=heard,
    )


def stranger(reason: str, **changes: Any) -> StrangerFacts:
    usual = StrangerFacts(
        reason, "1001-desk", "example.com", HOME, YEALINK, 7, ago(minutes=20), ago(minutes=1)
    )
    return replace(usual, **changes)


def site(**changes: Any) -> Site:
    return replace(Site("203.0.113.7", 12, 9, ago(minutes=40), 4, ago(minutes=25)), **changes)


def codes(given: Facts) -> list[str]:
    return [finding.code for finding in explain(given)]


def first(given: Facts) -> Finding:
    return explain(given)[0]
