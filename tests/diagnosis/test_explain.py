"""The verdict, situation by situation, and what it never does whatever the facts."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_network

import pytest

from apps.diagnosis.explain import HARM, explain
from apps.diagnosis.facts import Certainty, Severity
from apps.registrar.outcomes import REFUSALS, EndReason
from tests.diagnosis.phones import (
    AWAY,
    SNOM,
    ago,
    binding,
    codes,
    facts,
    first,
    offline,
    online,
    refusal,
    site,
    stranger,
    with_attempts,
)
from tests.diagnosis.situations import SITUATIONS, Situation


def _named(situations: Iterable[Situation]) -> list[object]:
    return [pytest.param(one, id=one.name.replace(" ", "_")) for one in situations]


@pytest.mark.parametrize("situation", _named(SITUATIONS))
def test_a_situation_is_named_first_with_its_evidence(situation: Situation) -> None:
    finding = first(situation.facts)

    assert (finding.code, finding.severity) == (situation.code, situation.severity)
    lines = [line.text for line in finding.evidence]
    assert 1 <= len(lines) <= 5
    for piece in situation.evidence:
        assert any(piece in line for line in lines), (piece, lines)


@pytest.mark.parametrize("situation", _named(SITUATIONS))
def test_the_nearest_other_facts_give_another_verdict(situation: Situation) -> None:
    assert situation.otherwise != situation.code
    assert first(situation.nearest).code == situation.otherwise


@pytest.mark.parametrize("situation", _named(SITUATIONS))
def test_the_same_facts_give_the_same_findings(situation: Situation) -> None:
    assert explain(situation.facts) == explain(replace(situation.facts))


@pytest.mark.parametrize("reason", sorted(set(REFUSALS) - {"disabled"}))
def test_every_refusal_is_named_and_an_expiry_under_it_is_said_after_it(reason: str) -> None:
    given = codes(with_attempts(offline(), refusal(reason)))

    assert given == ["wrong_domain" if reason == "not_our_domain" else reason, "expired_refused"]


def test_a_refusal_nobody_knows_is_still_a_refusal() -> None:
    finding = first(with_attempts(facts(), refusal("made_up")))

    assert finding.code == "refused"
    assert "made_up" in finding.sentence


def test_a_refusal_the_ledger_no_longer_holds_counts_by_the_peers_own_facts() -> None:
    finding = first(replace(with_attempts(offline(), refusal("old_password")), events=()))

    assert finding.code == "old_password"
    assert "203.0.113.7:5062" in finding.evidence[0].text


@pytest.mark.parametrize("reason", list(EndReason))
def test_every_end_of_a_registration_is_explained(reason: EndReason) -> None:
    finding = first(offline(reason=reason))

    assert finding.severity == Severity.BROKEN
    assert finding.since == ago(hours=1)


def test_evidence_sums_what_was_refused() -> None:
    attempts = [refusal("wrong_password", ago(minutes=n), count=n) for n in (3, 4, 5)]

    line = first(with_attempts(facts(), *attempts)).evidence[0]

    assert (line.at, line.count) == (ago(minutes=5), 12)
    assert line.last_at is not None
    assert line.last_at > ago(minutes=3)


def test_refusals_of_two_devices_are_both_named() -> None:
    given = with_attempts(
        facts(), refusal("wrong_password"), refusal("old_password", received=AWAY, user_agent=SNOM)
    )

    assert codes(given) == ["old_password", "wrong_password"]


def test_guesses_at_an_online_phones_password_are_a_note_after_fine() -> None:
    given = with_attempts(
        online(), refusal("wrong_password", ago(minutes=1), received=AWAY, user_agent="friendly-scanner")
    )
    fine, note = explain(given)

    assert (fine.code, note.code) == ("fine", "wrong_password")
    assert note.severity == Severity.NOTE
    assert "where this phone has never been" in note.sentence


def test_a_device_refused_between_anothers_renewals_stays_named_after_each_of_them() -> None:
    rows = [refusal("wrong_password", ago(minutes=n), count=6, user_agent=SNOM) for n in range(14)]
    before_renewal = with_attempts(online(), *rows)
    after_renewal = with_attempts(online(binding(refreshed_at=ago(seconds=0))), *rows)

    for given in (before_renewal, after_renewal):
        finding = first(given)
        assert (finding.code, finding.severity) == ("wrong_password", Severity.ATTENTION)
        assert "another device" in finding.sentence


def test_disabled_is_all_there_is_to_say() -> None:
    given = with_attempts(
        offline(peer_enabled=False, site=site(), blocked=ip_network("203.0.113.7/32")), refusal("disabled")
    )

    assert codes(given) == ["disabled"]
    assert first(given).action == "enable"


def test_a_blocked_source_comes_before_its_silent_site() -> None:
    given = offline(site=site(), blocked=ip_network("203.0.113.0/24"))

    assert codes(given)[:2] == ["blocked_source", "site_down"]


def test_a_reboot_leaves_a_late_contact_behind_that_nobody_hears_of() -> None:
    old = binding(refreshed_at=ago(minutes=30), late_at=ago(minutes=1), expires_at=ago(minutes=-30))
    new = binding(contact="sip:1001@203.0.113.7:40001", registered_at=ago(minutes=20), late_at=None)

    assert codes(online(new, old)) == ["fine"]
    assert codes(online(replace(new, user_agent=SNOM), old))[0] == "renewal_late"


def test_a_phone_whose_renewals_are_refused_is_not_called_late() -> None:
    late = binding(refreshed_at=ago(minutes=40), expires_at=ago(minutes=-20), late_at=ago(minutes=7))
    given = with_attempts(online(late, site=site()), refusal("wrong_password"))

    assert codes(given) == ["wrong_password"]
    assert codes(online(late)) == ["renewal_late"]


def test_private_contact_is_a_note_and_not_where_a_proxy_knows_the_way() -> None:
    private = binding(contact="sip:1001@192.168.1.20:5060")

    assert codes(online(private)) == ["fine", "private_contact"]
    assert codes(online(replace(private, path="<sip:edge.example.com;lr>"))) == ["fine"]
    assert codes(online(replace(private, received=("192.168.1.20", 5060)))) == ["fine"]
    assert codes(online(replace(private, contact="sip:1001@[fd00::20]"))) == ["fine", "private_contact"]
    assert codes(online(replace(private, contact="sip:1001@phone.invalid"))) == ["fine"]


def test_fine_says_whether_probes_were_answered() -> None:
    asked, unasked = first(online()), first(online(qualified=False))

    assert asked.certainty == Certainty.CERTAIN
    assert unasked.certainty == Certainty.LIKELY
    assert "not asked" in unasked.sentence
    assert asked.since == ago(days=2)


def test_an_unreachable_phone_that_never_answered_may_ignore_probes() -> None:
    lost = binding(probe_state="unreachable", probes_lost=5, probe_answered_at=None)

    assert first(online(lost)).certainty == Certainty.LIKELY
    assert "the phone ignores probes" in first(online(lost)).fix


def test_strangers_beside_an_online_phone_are_a_note() -> None:
    fine, note = explain(online(strangers=(stranger("not_our_domain", domain="old.example.com"),)))

    assert (fine.code, note.code, note.severity) == ("fine", "wrong_domain", Severity.NOTE)


def test_hostile_text_stays_text() -> None:
    """Braces and markup of a phone's own go through untouched: escaping is for whoever shows it."""
    hostile = "{peer}<script>{0.__class__}"
    finding = first(facts(strangers=(stranger("unknown_user", username=hostile, user_agent=hostile),)))

    assert f"“{hostile}”" in finding.sentence
    assert hostile in finding.evidence[0].text


def test_the_worst_comes_first() -> None:
    for situation in SITUATIONS:
        for given in (situation.facts, situation.nearest):
            harm = [HARM.index(finding.severity) for finding in explain(given)]
            assert harm == sorted(harm)
