"""Who may begin a call: RFC 3261 §22.3, RFC 7616, and nobody hears why he may not."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

import pytest

from apps.calls.authorizing import Caller, Claimant, Means, approach, authorize
from apps.calls.nonce_counts import NonceCounts
from apps.calls.values import Ask, Ignore, Refuse
from apps.registrar.authentication import NOBODY, NONCE_LIFETIME_S
from apps.registrar.bindings import Account, DomainPolicy
from apps.registrar.blocking import blocked_networks
from apps.sip.digest import Algorithm, ha1
from apps.sipserver.events import Origin
from tests.calls.asking import CARRIER, NO_TRUNKS, PHONE, TRUNK, CallingPhone, FewTrunks, ask, request
from tests.registrar.registrations import ACCOUNT, DOMAIN

PASSWORD = "Tr0ub4dor&3x"
NOW_S = 1_800_000_000
TWO_ALGORITHMS = replace(DOMAIN, algorithms=(Algorithm.SHA256, Algorithm.MD5))
ANN = replace(
    ACCOUNT,
    peer_name="desk",
    ha1s={one: (ha1(one, "1001", "example.com", PASSWORD),) for one in Algorithm},
)


def means(
    now_s: int = NOW_S,
    *,
    carriers: FewTrunks = NO_TRUNKS,
    counts: NonceCounts | None = None,
    blocked: str = "",
    domains: Mapping[str, DomainPolicy] | None = None,
) -> Means:
    return Means(
        domains or {"example.com": TWO_ALGORITHMS},
        blocked_networks(blocked),
        now_s,
        carriers,
        counts or NonceCounts(NOW_S - 60),
        NOBODY,
        b"k" * 32,
        lambda: 7,
    )


def judged(asked: Ask, by: Means, account: Account | None = ANN) -> Caller | Refuse:
    claimant = approach(asked, by)
    assert isinstance(claimant, Claimant)
    return authorize(asked, claimant, account, "Ann Lee", by)


def challenged(phone: CallingPhone, by: Means) -> CallingPhone:
    refused = approach(phone.ask(), by)
    assert isinstance(refused, Refuse)
    phone.read(refused)
    return phone


def test_without_credentials_it_is_challenged_once_per_algorithm_the_strongest_first() -> None:
    refused = approach(ask(request()), means())
    assert isinstance(refused, Refuse)
    assert (refused.status, refused.reason) == (407, "Proxy Authentication Required")
    assert [name for name, _ in refused.headers] == ["Proxy-Authenticate"] * 2
    assert ["SHA-256" in value for _, value in refused.headers] == [True, False]
    assert "stale" not in refused.headers[0][1]


@pytest.mark.parametrize(
    "method", ["INVITE", "MESSAGE", "SUBSCRIBE", "REFER", "PUBLISH", "NOTIFY", "INFO", "OPTIONS"]
)
def test_every_method_that_begins_something_is_asked_for_the_password(method: str) -> None:
    refused = approach(ask(request(method=method)), means())
    assert isinstance(refused, Refuse)
    assert refused.status == 407


@pytest.mark.parametrize("algorithm", [Algorithm.MD5, Algorithm.SHA256])
def test_the_right_password_makes_a_caller(algorithm: Algorithm) -> None:
    by = means()
    phone = challenged(CallingPhone("1001", PASSWORD, algorithm=algorithm), by)
    caller = judged(phone.ask(), by)
    assert caller == Caller("example.com", "1001", "Ann Lee")


def test_credentials_meant_for_a_registrar_are_none_for_a_proxy() -> None:
    sent = request(
        headers=[
            'Authorization: Digest username="1001", realm="example.com", nonce="a", uri="sip:x", response="b"'
        ]
    )
    assert isinstance(approach(ask(sent), means()), Refuse)


def test_whatever_is_wrong_the_refusal_is_the_same() -> None:
    by = means()
    wrong = challenged(CallingPhone("1001", "wrong"), by)
    told = [
        judged(wrong.ask(), by),
        judged(wrong.ask(), by, account=None),
        judged(wrong.ask(), by, replace(ANN, enabled=False)),
        judged(challenged_again("1001", PASSWORD, wrong.nonce).ask(), by, replace(ANN, enabled=False)),
    ]
    assert all(one == told[0] for one in told)
    assert isinstance(told[0], Refuse)
    assert told[0].status == 407
    # The phone sees that its answer was wrong, not its nonce.
    assert wrong.nonce in told[0].headers[0][1]
    assert "stale" not in told[0].headers[0][1]


def challenged_again(username: str, password: str, nonce: str) -> CallingPhone:
    return CallingPhone(username, password, nonce=nonce)


def test_a_replayed_count_is_answered_stale_and_the_next_one_is_good() -> None:
    by = means()
    phone = challenged(CallingPhone("1001", PASSWORD), by)
    first = phone.ask()
    assert isinstance(judged(first, by), Caller)
    again = judged(first, by)
    assert isinstance(again, Refuse)
    assert "stale=true" in again.headers[0][1]
    assert isinstance(judged(phone.ask(), by), Caller)


def test_what_a_disabled_phone_sent_cannot_be_sent_again_once_it_is_let_in() -> None:
    by = means()
    sent = challenged(CallingPhone("1001", PASSWORD), by).ask()
    assert isinstance(judged(sent, by, replace(ANN, enabled=False)), Refuse)
    assert isinstance(judged(sent, by), Refuse)


def test_an_old_nonce_is_stale_and_one_for_another_address_is_nobodys() -> None:
    phone = challenged(CallingPhone("1001", PASSWORD), means())
    late = judged(phone.ask(), means(NOW_S + NONCE_LIFETIME_S + 1))
    assert isinstance(late, Refuse)
    assert "stale=true" in late.headers[0][1]
    elsewhere = approach(ask(phone.ask().request, ("203.0.113.8", 5062)), means())
    assert isinstance(elsewhere, Refuse)
    assert "stale" not in elsewhere.headers[0][1]


@pytest.mark.parametrize(
    ("from_", "is_own"),
    [
        ("<sip:1001@example.com>", True),
        ('"Boss" <sips:desk@EXAMPLE.com:5070>', True),
        ("<sip:1002@example.com>", False),
        ("<sip:example.com>", False),
    ],
)
def test_from_is_one_of_the_phones_own_addresses_or_it_is_403(from_: str, is_own: bool) -> None:
    by = means()
    phone = challenged(CallingPhone("1001", PASSWORD), by)
    judgement = judged(phone.ask(from_=from_), by)
    assert isinstance(judgement, Caller) if is_own else judgement == Refuse(403, "Forbidden")


def test_a_trunk_is_known_by_where_its_packet_comes_from_and_by_nothing_in_it() -> None:
    by = means(carriers=FewTrunks(at={CARRIER: TRUNK}))
    assert approach(ask(request(), CARRIER), by) is TRUNK
    told = approach(
        ask(request(headers=["X-Trunk: north", "P-Asserted-Identity: <sip:north@example.com>"]), PHONE), by
    )
    assert isinstance(told, Refuse)
    over_tcp = Origin(*CARRIER, "TCP", "worker/1")
    assert isinstance(approach(ask(request(), over_tcp), by), Refuse)


def test_who_is_blocked_gets_no_answer_be_it_a_trunk() -> None:
    by = means(carriers=FewTrunks(at={CARRIER: TRUNK}), blocked="198.51.100.0/24 203.0.113.7/32")
    assert approach(ask(request(), CARRIER), by) == Ignore()
    assert approach(ask(request(), PHONE), by) == Ignore()


@pytest.mark.parametrize("from_", ["<sip:y@example.org>", "<sip:1001@192.0.2.1>", "<tel:+491234>"])
@pytest.mark.parametrize("uri", ["sip:1002@example.com", "sip:1002@example.org", "sip:0301234@192.0.2.1"])
def test_who_is_not_even_from_a_domain_of_ours_is_403_without_a_challenge(uri: str, from_: str) -> None:
    assert approach(ask(request(uri, from_=from_)), means()) == Refuse(403, "Forbidden")


def test_the_callers_own_domain_asks_for_the_password() -> None:
    other = replace(TWO_ALGORITHMS, name="example.net", realm="example.net", domain_id=UUID(int=7))
    both = means(domains={"example.com": TWO_ALGORITHMS, "example.net": other})
    told = approach(ask(request("sip:x@example.net")), both)
    assert isinstance(told, Refuse)
    assert 'realm="example.com"' in told.headers[0][1]


def test_credentials_that_break_the_grammar_are_400() -> None:
    sent = request(headers=['Proxy-Authorization: Digest realm="example.com", username="a'])
    told = approach(ask(sent), means())
    assert isinstance(told, Refuse)
    assert told.status == 400


@pytest.mark.parametrize(
    ("display_name", "identity"),
    [
        ("Ann Lee", '"Ann Lee" <sip:1001@example.com>'),
        ("", "<sip:1001@example.com>"),
        ('A"\\, <sip:x>', '"A\\"\\\\, <sip:x>" <sip:1001@example.com>'),
        ("Zoë", '"Zoë" <sip:1001@example.com>'),
    ],
)
def test_a_display_name_stays_within_its_quotes(display_name: str, identity: str) -> None:
    assert Caller("example.com", "1001", display_name).identity == identity


def test_counts_before_this_memory_began_are_worth_nothing_and_new_nonces_always_count() -> None:
    counts = NonceCounts(since_s=100)
    assert not counts.take("old", 100, 1)
    assert counts.take("new", counts.issue_s(100), 1)
    assert not counts.take("new", 101, 1)
    assert counts.take("new", 101, 2)


def test_a_nonce_that_was_forgotten_is_not_taken_again() -> None:
    counts = NonceCounts(since_s=100, most=2)
    assert all(counts.take(str(at), at, 1) for at in (101, 102, 103))
    assert not counts.take("101", 101, 1)
    assert not counts.take("101", 101, 2)
    assert counts.take("103", 103, 2)
