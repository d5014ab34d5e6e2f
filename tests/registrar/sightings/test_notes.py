"""What a worker remembers of attempts that came to nothing: pure, bounded, each thing once."""

import datetime as dt
from uuid import UUID

import pytest

from apps.registrar import outcomes
from apps.registrar.bindings import DomainPolicy
from apps.registrar.outcomes import UnansweredReason
from apps.registrar.sightings.notes import (
    MOST_CHALLENGES,
    MOST_NAMES_PER_HOST,
    MOST_STRANGERS,
    Sightings,
    Stranger,
    StrangerKey,
)
from apps.sip.digest import Algorithm
from apps.sip.message import MalformedRequest, Request, parse_request
from tests.registrar.phone import Phone

NOW = dt.datetime(2026, 11, 23, 2, 0, tzinfo=dt.UTC)
DOMAIN = DomainPolicy(UUID(int=1), "example.com", "example.com", (Algorithm.SHA256,), 60, 3600, 3600)
HOST = "203.0.113.7"
# When a phone that hears no answer sends the same request again (RFC 3261 §17.1.2.2).
REPEATS_S = (0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)


def after(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


def request(data: bytes) -> Request:
    parsed = parse_request(data)
    assert isinstance(parsed, Request), parsed
    return parsed


def challenged(sightings: Sightings, data: bytes, at_s: float = 0, host: str = HOST) -> None:
    sightings.challenged(request(data), DOMAIN, (host, 5062), after(at_s))


def due(sightings: Sightings, at_s: float) -> list[tuple[str, UnansweredReason, int]]:
    found = sightings.due_challenges(after(at_s), 1000)
    return [(key.username, one.reason, one.attempts) for key, one in found.items()]


def authorization(realm: str = "example.com", algorithm: str = "SHA-256") -> str:
    return (
        f'Authorization: Digest username="1001", realm="{realm}", nonce="elsewhere", uri="sip:example.com", '
        f'response="{"0" * 64}", algorithm={algorithm}, cnonce="c1", qop=auth, nc=00000001'
    )


def strangers(sightings: Sightings) -> list[tuple[str, str, str, int]]:
    return [(key.reason, key.domain, key.username, one.count) for key, one in sightings.strangers.items()]


def test_a_phone_that_repeats_itself_does_not_hear_us() -> None:
    sightings, data = Sightings(), Phone("1001", "").register()
    for at_s in (0, *REPEATS_S[:4]):
        challenged(sightings, data, at_s)
    assert due(sightings, 7.9) == []
    assert due(sightings, 8) == [("1001", UnansweredReason.UNHEARD, 1)]


def test_one_attempt_is_told_once_however_long_it_is_repeated() -> None:
    sightings, data = Sightings(), Phone("1001", "").register()
    found = []
    for at_s in (0, *REPEATS_S):
        challenged(sightings, data, at_s)
        found += due(sightings, at_s)
    assert found + due(sightings, 60) == [("1001", UnansweredReason.UNHEARD, 1)]
    assert not sightings.challenges


def test_repeats_shared_with_another_worker_are_known_by_how_long_they_go_on() -> None:
    sightings, data = Sightings(), Phone("1001", "").register()
    for at_s in (0.5, 3.5):
        challenged(sightings, data, at_s)
    assert due(sightings, 9) == [("1001", UnansweredReason.UNHEARD, 1)]


def test_a_phone_that_falls_silent_heard_and_did_nothing() -> None:
    sightings = Sightings()
    challenged(sightings, Phone("1001", "").register())
    assert due(sightings, 11.9) == []
    assert due(sightings, 12) == [("1001", UnansweredReason.IGNORED, 1)]
    assert due(sightings, 13) == []


def test_repeats_that_waited_for_a_worker_together_tell_nothing() -> None:
    sightings, data = Sightings(), Phone("1001", "").register()
    for at_s in (0, 0, 0.01, 0.2, 0.2, 0.3):
        challenged(sightings, data, at_s)
    assert due(sightings, 12) == [("1001", UnansweredReason.IGNORED, 1)]


def test_nothing_follows_from_what_happened_while_the_worker_was_pressed() -> None:
    sightings, deaf, mute = Sightings(), Phone("1001", ""), Phone("1002", "")
    repeated, silent = deaf.register(), mute.register()
    for at_s in (0, *REPEATS_S[:4]):
        challenged(sightings, repeated, at_s)
    challenged(sightings, silent)
    sightings.pressed += 1
    assert due(sightings, 12) == []
    for at_s in REPEATS_S[4:]:
        challenged(sightings, repeated, at_s)
    assert due(sightings, 32) == [], "the same attempt is the same doubt"

    again = deaf.register()
    for at_s in (0, *REPEATS_S[:4]):
        challenged(sightings, again, 33 + at_s)
    challenged(sightings, mute.register(), 33)
    assert due(sightings, 45) == [
        ("1001", UnansweredReason.UNHEARD, 1),
        ("1002", UnansweredReason.IGNORED, 1),
    ]


def test_new_requests_are_attempts_and_no_repeats() -> None:
    sightings, phone = Sightings(), Phone("1001", "")
    for at_s in range(0, 12, 2):
        challenged(sightings, phone.register(), at_s)
    assert due(sightings, 12) == [("1001", UnansweredReason.IGNORED, 6)]
    challenged(sightings, phone.register(), 14)
    assert due(sightings, 26) == [("1001", UnansweredReason.IGNORED, 1)]


def test_credentials_from_there_are_an_answer_and_from_elsewhere_are_none() -> None:
    sightings, phone = Sightings(), Phone("1001", "")
    for host in (HOST, "203.0.113.8"):
        challenged(sightings, phone.register(), host=host)
    sightings.claimed(request(phone.register()), DOMAIN, (HOST, 40000))
    assert [key.host for key in sightings.due_challenges(after(12), 1000)] == ["203.0.113.8"]


@pytest.mark.parametrize(
    "data",
    [
        Phone("1001", "").register([]),
        Phone("1001", "").register(["*"], expires=0),
        Phone("1001", "").register(expires=0),
        Phone("1001", "").register(method="SUBSCRIBE"),
        Phone("1001", "").register(to="<sip:example.com>"),
        Phone("1001", "").register(to=f"<sip:{'9' * 65}@example.com>"),
    ],
    ids=["query", "star", "sign-off", "subscribe", "nobody", "too long"],
)
def test_only_who_wants_to_be_bound_is_waited_for(data: bytes) -> None:
    sightings = Sightings()
    challenged(sightings, data)
    assert due(sightings, 12) == []


def test_credentials_under_a_nonce_of_another_address_are_no_silence() -> None:
    sightings = Sightings()
    challenged(sightings, Phone("1001", "").register(headers=[authorization()]))
    assert due(sightings, 12) == []


def test_an_algorithm_we_do_not_offer_is_no_answer() -> None:
    sightings = Sightings()
    challenged(sightings, Phone("1001", "").register(headers=[authorization(algorithm="MD5")]))
    assert due(sightings, 12) == [("1001", UnansweredReason.IGNORED, 1)]


def test_a_foreign_realm_is_a_stranger_and_no_silence() -> None:
    sightings, phone = Sightings(), Phone("1001", "")
    challenged(sightings, phone.register())
    challenged(sightings, phone.register(headers=[authorization("asterisk\u202e")]))
    assert strangers(sightings) == [("wrong_realm", "asterisk", "1001", 1)]
    assert due(sightings, 12) == []


def test_challenges_are_bounded_and_the_oldest_go() -> None:
    sightings = Sightings()
    parsed = request(Phone("1001", "").register())
    for number in range(MOST_CHALLENGES + 5):
        sightings.challenged(parsed, DOMAIN, (f"10.0.{number // 256}.{number % 256}", 5060), NOW)
    assert len(sightings.challenges) == MOST_CHALLENGES
    assert next(iter(sightings.challenges)).host == "10.0.0.5"


def test_what_triage_refuses_is_noted_by_its_reason() -> None:
    sightings, parsed = Sightings(), request(Phone("1001", "").register(request_uri="sip:example.org"))
    for outcome in (outcomes.NOT_OUR_DOMAIN, outcomes.NOT_OUR_DOMAIN, outcomes.BAD_CONTACT, outcomes.BAD_TO):
        sightings.refused(parsed, outcome, (HOST, 5062), NOW)
    assert strangers(sightings) == [
        ("not_our_domain", "example.org", "1001", 2),
        ("bad_contact", "example.org", "1001", 1),
    ]
    sightings = Sightings()
    options = request(Phone("1001", "").register(method="OPTIONS"))
    sightings.refused(options, outcomes.NOT_OUR_DOMAIN, (HOST, 5062), NOW)
    assert strangers(sightings) == []


@pytest.mark.parametrize(
    ("line", "changed", "noted"),
    [
        ("CSeq: 1 REGISTER", "CSeq: x REGISTER", [("malformed", "example.com", "1001", 1)]),
        ("To: <sip:1001@example.com>", "To: <sip:1001@example.com>;tag=\0", []),
        ("CSeq: 1 REGISTER", "CSeq: 1 OPTIONS", []),
    ],
)
def test_a_malformed_register_is_noted_if_its_to_can_be_read(
    line: str, changed: str, noted: list[object]
) -> None:
    parsed = parse_request(Phone("1001", "").register().decode().replace(line, changed).encode())
    assert isinstance(parsed, MalformedRequest)
    sightings = Sightings()
    sightings.malformed(parsed, (HOST, 5062), NOW)
    assert strangers(sightings) == noted


def test_what_is_noted_of_a_stranger_is_bounded_and_can_be_shown() -> None:
    sightings, parsed = Sightings(), request(Phone("1001", "", user_agent="u" * 500).register())
    sightings.unknown_user("\u202e\u2066\t" + "9" * 100, DOMAIN, parsed, (HOST, 5062), NOW)
    ((key, stranger),) = sightings.strangers.items()
    assert key.username == "9" * 61
    assert len(stranger.user_agent) <= 256


def test_a_scanner_does_not_push_others_out() -> None:
    sightings, parsed = Sightings(), request(Phone("1001", "").register())
    sightings.unknown_user("10O1", DOMAIN, parsed, ("203.0.113.8", 5062), NOW)
    for number in range(3 * MOST_STRANGERS):
        sightings.unknown_user(str(number), DOMAIN, parsed, (HOST, 5062), NOW)
    assert len(sightings.strangers) == 1 + MOST_NAMES_PER_HOST
    assert next(iter(sightings.strangers)).username == "10O1"


def test_strangers_are_bounded_and_taken_a_few_at_a_time() -> None:
    calls: list[None] = []
    sightings, parsed = Sightings(lambda: calls.append(None)), request(Phone("1001", "").register())
    for number in range(MOST_STRANGERS + 5):
        source = (f"10.0.{number // 256}.{number % 256}", 5060)
        sightings.blocked(parsed, source, NOW)
    assert len(sightings.strangers) == MOST_STRANGERS
    calls.clear()
    taken = sightings.take_strangers(50)
    assert [key.host for key in taken][:2] == ["10.0.0.5", "10.0.0.6"]
    assert len(calls) == 1
    assert len(sightings.strangers) == MOST_STRANGERS - 50
    assert taken[StrangerKey("blocked_source", "example.com", "1001", "10.0.0.5")] == Stranger(
        5060, "Yealink SIP-T46S 66.86.0.15", NOW, NOW
    )
