"""One line for each call that ended, which nobody's SIP text can forge or swell."""

import json
import logging

import pytest

from apps.calls.call_log import LONGEST_LOGGED, CallLog
from apps.calls.values import Ask, Forward, Hop, Refuse, Send
from apps.sip.message import Request, parse_request

CALLER = ("192.0.2.7", 5062)


def ask(call_id: str = "c1", to: str = "sip:1002@example.com", method: str = "INVITE") -> Ask:
    lines = (
        f"{method} {to} SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1",
        "Max-Forwards: 70",
        "From: <sip:1001@example.com>;tag=a",
        f"To: <{to}>",
        f"Call-ID: {call_id}",
        f"CSeq: 2 {method}",
        "Content-Length: 0",
    )
    request = parse_request(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert isinstance(request, Request)
    return Ask(1, request, CALLER)


def answer(status: int, call_id: str = "c1", cseq: str = "2 INVITE") -> Send:
    lines = (f"SIP/2.0 {status} X", "Via: SIP/2.0/UDP 192.0.2.7", f"Call-ID: {call_id}", f"CSeq: {cseq}")
    return Send(("\r\n".join(lines) + "\r\n\r\n").encode(), CALLER)


def lines_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [json.loads(message) for message in caplog.messages]


@pytest.fixture(autouse=True)
def hear_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "apps.calls.call_log")


def test_a_call_has_one_line_with_who_called_whom_how_it_ended_and_when(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = CallLog()
    log.asked(ask(), 10.0)
    log.decided(ask(), Forward(((Hop("sip:a@x", CALLER), Hop("sip:b@x", CALLER)),)))
    log.sent([answer(180)], 10.1)
    assert log.ringing == 1

    log.sent([answer(200), answer(200)], 12.5)

    (line,) = lines_of(caplog)
    assert line == {
        "method": "INVITE",
        "call_id": "c1",
        "from": "sip:1001@example.com",
        "to": "sip:1002@example.com",
        "asked": "sip:1002@example.com",
        "source": "192.0.2.7:5062",
        "transport": "UDP",
        "targets": 2,
        "status": 200,
        "ms": 2500,
    }
    assert (log.ringing, log.counts.calls, log.counts.answered) == (0, 1, 1)


def test_a_challenge_is_no_call_yet(caplog: pytest.LogCaptureFixture) -> None:
    log = CallLog()
    log.asked(ask(), 0.0)
    log.decided(ask(), Refuse(407, "Proxy Authentication Required"))
    log.sent([answer(407)], 0.0)

    assert lines_of(caplog) == []
    assert (log.ringing, log.counts.calls) == (0, 0)


def test_other_requests_and_other_answers_are_no_calls(caplog: pytest.LogCaptureFixture) -> None:
    log = CallLog()
    log.asked(ask(method="MESSAGE"), 0.0)
    assert log.ringing == 0
    log.asked(ask(), 0.0)

    log.sent([answer(200, cseq="2 CANCEL"), answer(200, "another"), Send(b"SIP/2.0 200 INVITE", CALLER)], 0.0)

    assert lines_of(caplog) == []
    assert log.ringing == 1


def test_what_callers_write_is_cut_and_stays_one_line(caplog: pytest.LogCaptureFixture) -> None:
    log = CallLog()
    hostile = 'c1"}' + "x" * 200
    log.asked(ask(hostile, "sip:" + "y" * 400 + "@example.com"), 0.0)
    log.sent([answer(404, hostile)], 0.0)

    (line,) = lines_of(caplog)
    assert len(str(line["call_id"])) == len(str(line["to"])) == LONGEST_LOGGED
    assert "\n" not in caplog.messages[0]
