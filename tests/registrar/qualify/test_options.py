"""A probe's bytes, the branch its answer is known by, and what an answer says."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.registrar.qualify.answers import ProbeAnswer, read_answers, take_up
from apps.registrar.qualify.options import Mark, Target, build_options, make_branch, read_branch
from apps.registrar.regevent.values import Way
from tests.registrar.qualify.phones import KEY, answer_to, read_options

HOST = "203.0.113.7"
BINDING = UUID("0f1a2b3c-4d5e-4f60-8172-8394a5b6c7d8")
SENT_US = 5_000_000
MARK = Mark(BINDING, 7, 500, SENT_US)
TARGET = Target("sip:1001@10.0.0.7:5062;ob?x=y", "sip:1001@example.com", Way(HOST, 5062))


def probe(mark: Mark = MARK, target: Target = TARGET) -> bytes:
    return build_options(target, "192.0.2.1:5060", make_branch(KEY, mark, HOST), "c0ffee")


def heard(data: bytes, *, host: str = HOST, after_ms: float = 20) -> list[ProbeAnswer]:
    return read_answers(KEY, [(data, (host, 5062))], SENT_US + int(after_ms * 1000))


def test_a_probe_asks_the_contact_for_the_aor_outside_any_dialog() -> None:
    request = read_options(probe())
    assert request.request_uri_text == "sip:1001@10.0.0.7:5062;ob"
    assert (request.from_.uri_text, request.to.uri_text) == ("sip:example.com", "sip:1001@example.com")
    assert (request.to.tag, request.cseq, request.call_id) == (None, 1, "c0ffee@example.com")
    assert [request.value(name) for name in ("max-forwards", "accept", "route")] == [
        "70",
        "application/sdp",
        None,
    ]
    assert request.vias[0].text.startswith("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKq")


def test_a_probe_goes_along_the_path_of_its_binding() -> None:
    target = Target("sip:1001@10.0.0.7", TARGET.aor, Way(HOST, 5062, "TCP", "w/1"), "<sip:p;lr>")
    request = read_options(probe(target=target))
    assert (request.value("route"), request.vias[0].transport) == ("<sip:p;lr>", "TCP")


@given(
    st.builds(
        Mark, st.uuids(), st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1), st.integers(0, 2**48 - 1)
    )
)
def test_a_branch_says_which_probe_it_was_whatever_its_case(mark: Mark) -> None:
    branch = make_branch(KEY, mark, HOST)
    assert read_branch(KEY, branch, HOST) == mark
    assert read_branch(KEY, "z9hG4bKq" + branch[8:].upper(), HOST) == mark


@pytest.mark.parametrize("at", [8, 30, 50, 71])
def test_a_forged_branch_counts_for_nothing(at: int) -> None:
    branch = make_branch(KEY, MARK, HOST)
    forged = branch[:at] + ("a" if branch[at] != "a" else "b") + branch[at + 1 :]
    assert read_branch(KEY, forged, HOST) is None
    assert read_branch(b"other", branch, HOST) is None
    assert read_branch(KEY, branch, "203.0.113.8") is None


@pytest.mark.parametrize("status", [100, 200, 302, 404, 405, 486, 500, 603])
def test_any_answer_shows_life(status: int) -> None:
    assert heard(answer_to(probe(), status)) == [ProbeAnswer(BINDING, 7, status, 20.0)]


@pytest.mark.parametrize("status", [408, 430, 504])
def test_a_proxy_that_got_no_answer_is_no_sign_of_life(status: int) -> None:
    assert heard(answer_to(probe(), status)) == []


@pytest.mark.parametrize(
    "data",
    [
        answer_to(probe()).replace(b"SIP/2.0 200", b"SIP/2.0 999"),
        answer_to(probe()).replace(b"SIP/2.0 200", b"SIP/2.0 2xx"),
        answer_to(probe()).replace(b"Via: ", b"Via: SIP/2.0/UDP proxy;branch=z9hG4bK1\r\nVia: "),
        answer_to(probe()).replace(b"Via: SIP/2.0/UDP ", b"Via: "),
        probe(),
        b"SIP/2.0 200 z9hG4bKq",
        b"SIP/2.0 z9hG4bKq\r\n\r\n",
    ],
)
def test_what_is_no_answer_of_ours_is_ignored(data: bytes) -> None:
    assert heard(data) == []


def test_an_answer_from_another_host_counts_for_nothing() -> None:
    assert heard(answer_to(probe()), host="203.0.113.8") == []


@pytest.mark.parametrize(("after_ms", "rtt_ms"), [(499.0, 499.0), (500.0, None), (900.0, None)])
def test_after_a_repeat_the_round_trip_is_unknown(after_ms: float, rtt_ms: float | None) -> None:
    (answer,) = heard(answer_to(probe()), after_ms=after_ms)
    assert answer.rtt_ms == rtt_ms


def test_over_a_connection_nothing_is_repeated_and_every_round_trip_counts() -> None:
    (answer,) = heard(answer_to(probe(Mark(BINDING, 7, 0, SENT_US))), after_ms=900)
    assert answer.rtt_ms == 900


def test_of_several_answers_the_first_says_how_long_and_the_last_says_what() -> None:
    known: dict[UUID, ProbeAnswer] = {}
    for answer in (
        ProbeAnswer(BINDING, 7, 100, 20.0),
        ProbeAnswer(BINDING, 7, 200, 60.0),
        ProbeAnswer(BINDING, 6, 404, 1.0),
    ):
        take_up(known, answer)
    assert known == {BINDING: ProbeAnswer(BINDING, 7, 200, 20.0)}
    take_up(known, ProbeAnswer(BINDING, 8, 200, 5.0))
    assert known[BINDING].number == 8
