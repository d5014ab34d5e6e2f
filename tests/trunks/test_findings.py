"""What is said of a trunk, from any facts."""

import datetime as dt
from ipaddress import ip_network
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.trunks.conflicts import Conflict, ConflictCode, Surroundings, conflicts
from apps.trunks.findings import (
    CallsRefused,
    Finding,
    Name,
    Packet,
    Refusal,
    RefusalState,
    Severity,
    TrunkFacts,
    findings,
    neighbourhood,
    state_of,
)
from apps.trunks.trust import Entry

NOW = dt.datetime(2026, 11, 23, 10, 2, tzinfo=dt.UTC)
NORTH, SOUTH = UUID(int=1), UUID(int=2)
ENTRY = Entry(ip_network("192.0.2.16/32"), NORTH)
PACKET = Packet(NOW, "192.0.2.16", 5060, "UDP", "INVITE")


def refusal(state: RefusalState) -> Refusal:
    return Refusal("192.0.2.17", 5060, 403, 12, NOW, NOW, state)


def said(facts: TrunkFacts) -> list[tuple[str, Severity]]:
    return [(one.code, one.severity) for one in findings(facts)]


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (TrunkFacts(enabled=False, entries=[ENTRY], last_packet=PACKET), "disabled"),
        (TrunkFacts(enabled=True, entries=[]), "trusted_from_nowhere"),
        (TrunkFacts(enabled=True, entries=[], names=[Name("a.example")]), "never_heard"),
        (
            TrunkFacts(enabled=True, entries=[], names=[Name("a.example", tried_at=NOW, problem="no")]),
            "name_unresolved",
        ),
        (
            TrunkFacts(
                enabled=True,
                entries=[ENTRY],
                names=[Name("a.example", ("192.0.2.16",), NOW, NOW, "no", is_good=True)],
                last_packet=PACKET,
            ),
            "name_failing",
        ),
        (TrunkFacts(enabled=True, entries=[ENTRY]), "never_heard"),
        (TrunkFacts(enabled=True, entries=[ENTRY], last_packet=PACKET), "heard"),
        (
            TrunkFacts(enabled=True, entries=[ENTRY], refusals=[refusal(RefusalState.OUTSIDE)]),
            "neighbour_refused",
        ),
        (
            TrunkFacts(enabled=True, entries=[ENTRY], refusals=[refusal(RefusalState.OTHER_PORT)]),
            "other_port_refused",
        ),
        (
            TrunkFacts(
                enabled=True,
                entries=[ENTRY],
                refusals=[refusal(RefusalState.TRUSTED_NOW), refusal(RefusalState.OTHER_TRUNK)],
                last_packet=PACKET,
            ),
            "heard",
        ),
    ],
)
def test_each_situation_has_its_verdict(facts: TrunkFacts, verdict: str) -> None:
    assert said(facts)[0][0] == verdict


def test_the_neighbours_finding_names_what_is_trusted_and_offers_the_address() -> None:
    [found, *_] = findings(
        TrunkFacts(enabled=True, entries=[ENTRY], refusals=[refusal(RefusalState.OUTSIDE)])
    )
    assert found.add == "192.0.2.17"
    assert "Trusted is 192.0.2.16." in found.fix
    assert (found.evidence[0].count, found.evidence[0].at) == (12, NOW)


@pytest.mark.parametrize(
    ("network", "around"),
    [
        ("192.0.2.16/32", "192.0.2.0/24"),
        ("192.0.0.0/16", "192.0.0.0/16"),
        ("2001:db8::1/128", "2001:db8::/48"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_the_neighbourhood_is_a_24_or_a_48(network: str, around: str) -> None:
    assert neighbourhood(ip_network(network)) == ip_network(around)


@pytest.mark.parametrize(
    ("host", "is_ours", "is_anothers", "state"),
    [
        ("192.0.2.16", True, False, RefusalState.TRUSTED_NOW),
        ("192.0.2.17", False, True, RefusalState.OTHER_TRUNK),
        ("192.0.2.16", False, False, RefusalState.OTHER_PORT),
        ("192.0.2.17", False, False, RefusalState.OUTSIDE),
    ],
)
def test_what_the_lists_say_of_a_refused_address(
    host: str, is_ours: bool, is_anothers: bool, state: RefusalState
) -> None:
    assert state_of(host, [ENTRY], is_ours, is_anothers) is state


FACTS = st.builds(
    TrunkFacts,
    enabled=st.booleans(),
    entries=st.lists(st.just(ENTRY), max_size=2),
    names=st.lists(
        st.builds(
            Name,
            name=st.just("a.example"),
            addresses=st.just(("192.0.2.16",)),
            tried_at=st.sampled_from([None, NOW]),
            problem=st.sampled_from(["", "no"]),
            is_good=st.booleans(),
        ),
        max_size=2,
    ),
    last_packet=st.sampled_from([None, PACKET]),
    refusals=st.lists(st.sampled_from(RefusalState).map(refusal), max_size=3),
    conflicts=st.lists(
        st.sampled_from(ConflictCode).map(lambda code: Conflict(code, ENTRY.network, "Said.")), max_size=3
    ),
)


@given(FACTS)
def test_any_facts_have_a_verdict_and_the_worst_comes_first(facts: TrunkFacts) -> None:
    found: list[Finding] = findings(facts)
    ranks = [list(Severity).index(one.severity) for one in found if one.code not in ("heard", "never_heard")]
    assert found
    assert ranks == sorted(ranks)
    assert all(one.sentence.endswith((".", "?")) for one in found)
    assert facts.enabled or found[0].severity is Severity.BROKEN


NETWORKS = st.builds(
    lambda host, bits: ip_network((f"198.51.100.{host}", bits), strict=False),
    st.integers(0, 255),
    st.integers(24, 32),
)
LINES = st.builds(
    Entry,
    NETWORKS,
    st.just(SOUTH),
    port=st.sampled_from([None, 5060, 5070]),
    transport=st.sampled_from(["", "UDP", "TLS"]),
)


@given(LINES, LINES)
def test_a_tie_is_said_on_both_pages_and_an_overlap_names_one_winner(one: Entry, other: Entry) -> None:
    names = {SOUTH: "south"}
    here = [found.code for found in conflicts([one], Surroundings([other], names))]
    there = [found.code for found in conflicts([other], Surroundings([one], names))]
    assert here == there
    assert (here == [ConflictCode.SAME_ADDRESS]) == one.ties(other)
    assert bool(here) == one.meets(other)


@pytest.mark.parametrize(
    ("status", "proven", "code", "words"),
    [
        (None, False, "calls_unanswered", "says nothing"),
        (401, False, "calls_challenged", "asks for a password"),
        (407, True, "calls_challenged", "does not take the trunk's password"),
        (403, True, "calls_refused", "403 Not yours"),
        (503, False, "calls_failing", "503 Not yours"),
    ],
)
def test_calls_that_the_carrier_refuses_are_said_with_what_to_do(
    status: int | None, proven: bool, code: str, words: str
) -> None:
    refused = CallsRefused(NOW, NOW + dt.timedelta(minutes=5), 3, status, "Not yours", proven)
    facts = TrunkFacts(enabled=True, entries=[ENTRY], last_packet=PACKET, calls_refused=refused)
    verdict, *others = findings(facts)
    assert (verdict.code, verdict.severity) == (code, Severity.ATTENTION)
    assert words in verdict.sentence
    assert verdict.fix
    [evidence] = verdict.evidence
    assert (evidence.at, evidence.count, evidence.last_at) == (NOW, 3, NOW + dt.timedelta(minutes=5))
    assert [one.code for one in others] == ["heard"]
