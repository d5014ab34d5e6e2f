"""Whatever is known of a peer, also what cannot be: an answer, the worst first, and the same each time."""

import datetime as dt
from ipaddress import ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.diagnosis.explain import HARM, explain
from apps.diagnosis.facts import BindingFacts, EventFacts, Facts, StrangerFacts
from apps.registrar.outcomes import REFUSALS, EndReason, EventKind, UnansweredReason
from apps.registrar.site import Site
from tests.diagnosis.phones import AWAY, HOME, NOW, SNOM, YEALINK

_OFFSETS = [0, 1, 3, 10, 60, 400, 1900, 3601, 50_000, 400_000]
times = st.sampled_from([NOW + dt.timedelta(seconds=sign * s) for s in _OFFSETS for sign in (-1, 1)])
maybe_times = st.none() | times
texts = st.sampled_from(["", YEALINK, SNOM, "{x}", "<b>", "\u202e"]) | st.text(max_size=4)
addresses = st.sampled_from([HOME, AWAY, (HOME[0], 1), ("2001:db8::7", 5060), ("", 0), ("no address", 9)])
contacts = st.sampled_from(
    ["sip:1@192.168.1.2", "sip:1@[fd00::1]:5", "sips:x@host", "", "no contact", "sip:@"]
)
kinds = st.sampled_from([*EventKind, "other"])
reasons = st.sampled_from([*REFUSALS, *EndReason, *UnansweredReason, "moved", "other", ""])
counts = st.integers(0, 9)
networks = st.sampled_from(["203.0.0.0/16", "2001:db8::/32", "nonsense", ""])
numbers = st.none() | st.floats(0, 4000)

bindings = st.builds(
    BindingFacts,
    contact=contacts,
    received=addresses,
    transport=st.sampled_from(["UDP", "TCP", "tls", "WSS"]),
    user_agent=texts,
    registered_at=times,
    refreshed_at=times,
    expires_at=times,
    refresh_count=counts,
    renewal_gap_s=numbers,
    late_at=maybe_times,
    path=st.sampled_from(["", "<sip:edge>"]),
    rewritten=st.sampled_from(["", "via", "contact", "other"]),
    probe_state=st.sampled_from(["unknown", "reachable", "lagging", "unreachable", "other"]),
    probe_since=maybe_times,
    probe_answered_at=maybe_times,
    rtt_ms=numbers,
    rtt_avg_ms=numbers,
)
events = st.builds(
    EventFacts,
    event=kinds,
    reason=reasons,
    at=times,
    last_at=times,
    count=counts,
    received=st.none() | addresses,
    old_received=st.none() | addresses,
    user_agent=texts,
)
strangers = st.builds(
    StrangerFacts,
    reason=st.sampled_from(
        ["unknown_user", "not_our_domain", "wrong_realm", "malformed", "blocked_source", "other"]
    ),
    username=texts,
    domain=texts,
    received=addresses,
    user_agent=texts,
    count=counts,
    first_at=times,
    last_at=times,
    names_from_there=counts,
)
sites = st.builds(Site, texts, counts, counts, maybe_times, counts, maybe_times)
any_facts = st.builds(
    Facts,
    now=st.just(NOW),
    peer=texts,
    domain=texts,
    created_at=times,
    extension=st.none() | texts,
    usernames=st.lists(texts, max_size=2).map(tuple),
    peer_enabled=st.sampled_from([True, True, True, False]),
    max_contacts=st.integers(1, 3),
    replaces_when_full=st.booleans(),
    qualified=st.booleans(),
    bindings=st.lists(bindings, max_size=3).map(tuple),
    events=st.lists(events, max_size=8).map(tuple),
    strangers=st.lists(strangers, max_size=3).map(tuple),
    registered_at=maybe_times,
    ended_at=maybe_times,
    end_reason=st.none() | reasons,
    refused_at=maybe_times,
    refused_reason=st.none() | reasons,
    unanswered_at=maybe_times,
    unanswered_reason=st.none() | reasons,
    last_received=st.none() | addresses,
    heard_at=maybe_times,
    networks=st.lists(networks, max_size=2).map(tuple),
    new_network_at=maybe_times,
    password_changed_at=maybe_times,
    blocked=st.none() | st.just(ip_network("203.0.113.0/24")),
    site=st.none() | sites,
)


@settings(max_examples=100)
@given(any_facts)
def test_any_facts_give_an_answer_with_the_worst_first(facts: Facts) -> None:
    findings = explain(facts)

    codes = [finding.code for finding in findings]
    harm = [HARM.index(finding.severity) for finding in findings]
    assert codes
    assert len(set(codes)) == len(codes)
    assert harm == sorted(harm)
    assert all(1 <= len(finding.evidence) <= 5 for finding in findings)
    assert ("fine" in codes) == (codes[0] == "fine")
    assert findings == explain(facts)
