"""Answers passed back by editing their bytes, and how it is known whose they are."""

import pytest

from apps.registrar.qualify.options import MAGIC as QUALIFY
from apps.registrar.regevent.notify import MAGIC as NOTIFY
from apps.sip.backward import read_response, with_lines, without_top_via
from apps.sip.branches import CALLS_MAGIC, is_calls_reply
from apps.sip.lines import line_value, split_lines
from apps.sip.response import another_response

ANSWER = (
    b"SIP/2.0 180 Ringing\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKcall.a.b\r\nVIA : SIP/2.0/UDP 10.0.0.7\r\n"
    b"f: <sip:a@b>;tag=1\r\nt: <sip:c@d>\r\ni: x\r\nCSEQ: 1\r\n INVITE\r\nl: 0\r\n\r\n"
)


def test_compact_odd_and_folded_lines_are_read() -> None:
    response = read_response(ANSWER)
    assert response is not None
    assert (response.status, response.branch, response.method) == (180, "z9hG4bKcall.a.b", "INVITE")
    assert without_top_via(response) == ANSWER.replace(
        b"v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKcall.a.b\r\n", b""
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"180", b"700"),
        (b"180", b"18"),
        (b"i: x\r\n", b""),
        (b"INVITE", b""),
        (b"f: ", b"f\n: "),
        (b"f: ", b"f: \0"),
        (b"\r\n\r\n", b"\r\n"),
        (b"i: x", b"i: x" + b"\r\nX: y" * 1100),
    ],
)
def test_what_cannot_be_read_is_no_answer(old: bytes, new: bytes) -> None:
    assert read_response(ANSWER.replace(old, new, 1)) is None


def test_vias_that_cannot_be_told_apart_go_nowhere() -> None:
    response = read_response(ANSWER.replace(b";branch=z9hG4bKcall.a.b", b';x=",'))
    assert response is not None
    assert without_top_via(response) is None


def test_folds_stay_in_the_lines_and_are_spaces_in_the_value() -> None:
    lines = split_lines(b"START\r\nReason: a\r\n \t b\r\nTo: c")
    assert lines[1] == (b"reason", b"Reason: a\r\n \t b")
    assert line_value(lines[1][1]) == "a b"


def test_lines_are_added_at_the_end_of_the_head() -> None:
    assert with_lines(b"A\r\nB: 1\r\n\r\nbody", [b"C: 2"]) == b"A\r\nB: 1\r\nC: 2\r\n\r\nbody"


def test_an_answer_made_from_another_holds_no_line_of_others() -> None:
    trying = b"SIP/2.0 100 Trying\r\nTo: x\r\nContent-Length: 0\r\n\r\n"
    assert another_response(trying, 486, "Busy", [("X", "y")]) == (
        b"SIP/2.0 486 Busy\r\nTo: x\r\nX: y\r\nContent-Length: 0\r\n\r\n"
    )
    for reason, value in (("Busy\r\nEvil: 1", "y"), ("Busy", "y\nEvil: 1"), ("Busy", "\0")):
        with pytest.raises(ValueError, match="line break"):
            another_response(trying, 486, reason, [("X", value)])


def test_answers_to_calls_are_told_from_those_to_probes_and_notifications() -> None:
    assert is_calls_reply(ANSWER)
    assert not is_calls_reply(ANSWER[8:])
    assert not is_calls_reply(b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=" + CALLS_MAGIC.encode())
    for magic in (QUALIFY, NOTIFY, b"z9hG4bKcall"):
        assert not is_calls_reply(ANSWER.replace(b"z9hG4bKcall.a.b", magic + b"abc234"))
