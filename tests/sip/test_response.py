"""Group B of the checklist: what an answer looks like and where it goes."""

from __future__ import annotations

import pytest

from apps.sip.message import MalformedRequest
from apps.sip.response import REASON_PHRASES, build_response, response_address, sip_date
from tests.sip.messages import malformed, register, request

SOURCE = ("203.0.113.5", 33333)


def lines(data: bytes) -> list[str]:
    assert data.endswith(b"\r\n\r\n")
    return data.decode().removesuffix("\r\n\r\n").split("\r\n")


def top_via(via: str, source: tuple[str, int] = SOURCE) -> str:
    return lines(build_response(request(register(Via=via)), source, 200, "OK"))[1].removeprefix("Via: ")


def destination(via: str, source: tuple[str, int] = SOURCE) -> tuple[str, int]:
    return response_address(request(register(Via=via)), source)


def test_answer_repeats_what_identifies_the_request() -> None:
    data = register(To="<sip:1001@example.com>;tag=mine", i="x", Call_ID=None)
    answer = build_response(
        request(data), SOURCE, 200, "OK", [("Contact", "<sip:a@h>;expires=5"), ("Date", "now")]
    )

    assert lines(answer) == [
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bK776asdhds;rport=33333;received=203.0.113.5",
        'From: "Alice" <sip:1001@example.com>;tag=456248',
        "To: <sip:1001@example.com>;tag=mine",
        "Call-ID: x",
        "CSeq: 1826 REGISTER",
        "Contact: <sip:a@h>;expires=5",
        "Date: now",
        "Content-Length: 0",
    ]


def test_c36_to_gains_the_given_tag_only_if_it_had_none() -> None:
    bare = request(register(To="sip:1001@example.com;"))
    tagged = request(register(To="sip:1001@example.com;tag=a"))

    assert "To: sip:1001@example.com;tag=t1" in lines(build_response(bare, SOURCE, 200, "OK", to_tag="t1"))
    assert "To: sip:1001@example.com;tag=a" in lines(build_response(tagged, SOURCE, 200, "OK", to_tag="t1"))


def test_c20_received_is_added_when_the_sent_by_is_not_the_source() -> None:
    assert (
        top_via("SIP/2.0/UDP 192.0.2.10;branch=b") == "SIP/2.0/UDP 192.0.2.10;branch=b;received=203.0.113.5"
    )
    assert top_via("SIP/2.0/UDP pc.example.com") == "SIP/2.0/UDP pc.example.com;received=203.0.113.5"
    assert top_via("SIP/2.0/UDP 203.0.113.5:5062;branch=b") == "SIP/2.0/UDP 203.0.113.5:5062;branch=b"


def test_c20_a_received_that_came_along_is_not_believed() -> None:
    assert top_via("SIP/2.0/UDP 203.0.113.5;received=198.51.100.9") == "SIP/2.0/UDP 203.0.113.5"
    assert top_via("SIP/2.0/UDP 192.0.2.1;Received=198.51.100.9;x=y") == (
        "SIP/2.0/UDP 192.0.2.1;x=y;received=203.0.113.5"
    )


def test_c21_rport_is_filled_and_received_added_even_if_equal() -> None:
    via = "SIP/2.0/UDP 203.0.113.5:5070;rport;branch=b"

    assert top_via(via) == "SIP/2.0/UDP 203.0.113.5:5070;rport=33333;branch=b;received=203.0.113.5"
    assert destination(via) == SOURCE


def test_c22_without_rport_the_answer_goes_to_the_sent_by_port() -> None:
    assert destination("SIP/2.0/UDP 192.0.2.10:5070") == ("203.0.113.5", 5070)
    assert destination("SIP/2.0/UDP 192.0.2.10") == ("203.0.113.5", 5060)
    assert destination("SIP/2.0/TLS 192.0.2.10") == ("203.0.113.5", 5061)


def test_c23_maddr_received_and_a_given_rport_do_not_move_the_answer() -> None:
    via = "SIP/2.0/UDP 192.0.2.10;maddr=198.51.100.9;received=198.51.100.9;rport=9999"

    assert destination(via) == ("203.0.113.5", 5060)


def test_c25_several_vias_return_in_order_and_only_the_top_one_is_touched() -> None:
    data = register(
        "v: SIP/2.0/TCP c.example.com;rport;received=1.2.3.4",
        Via='SIP/2.0/UDP a.example.com;x="a,;rport" , SIP/2.0/UDP b.example.com;rport',
    )
    vias = [
        line for line in lines(build_response(request(data), SOURCE, 200, "OK")) if line.startswith("Via")
    ]

    assert vias == [
        'Via: SIP/2.0/UDP a.example.com;x="a,;rport";received=203.0.113.5',
        "Via: SIP/2.0/UDP b.example.com;rport",
        "Via: SIP/2.0/TCP c.example.com;rport;received=1.2.3.4",
    ]


def test_c17_ipv6_sources_are_written_without_brackets_or_zone() -> None:
    source = ("2001:db8::9:1", 5060)

    assert (
        top_via("SIP/2.0/UDP [2001:DB8:0::9:1];branch=b", source) == "SIP/2.0/UDP [2001:DB8:0::9:1];branch=b"
    )
    assert top_via("SIP/2.0/UDP h;rport", ("fe80::1%eth0", 7)) == "SIP/2.0/UDP h;rport=7;received=fe80::1"


def test_c26_twenty_contacts_fit_in_one_answer() -> None:
    contacts = [("Contact", f"<sip:{'a' * 500}@h>;expires={number}") for number in range(20)]

    answer = build_response(request(register()), SOURCE, 200, "OK", contacts)

    assert answer.count(b"\r\nContact: ") == 20


def test_malformed_requests_are_answered_with_what_could_be_read() -> None:
    bad = malformed(register(CSeq="1 INVITE", v="broken", To='"unbalanced <sip:a@b>'))

    assert bad.status == 400
    answer = lines(build_response(bad, SOURCE, bad.status, bad.reason))
    assert answer[0] == f"SIP/2.0 400 {bad.reason}"
    assert "Via: broken" in answer
    assert 'To: "unbalanced <sip:a@b>' in answer
    assert "CSeq: 1 INVITE" in answer
    assert response_address(bad, SOURCE) == SOURCE


def test_answers_to_a_repeated_malformed_request_are_equal() -> None:
    bad = malformed(register(CSeq="x"))

    assert build_response(bad, SOURCE, 400, "") == build_response(
        malformed(register(CSeq="x")), SOURCE, 400, ""
    )
    assert b";tag=" in build_response(bad, SOURCE, 400, "").partition(b"\r\nTo: ")[2].partition(b"\r\n")[0]


def test_silence_cannot_be_answered() -> None:
    silent = MalformedRequest(None, "", "keepalive")

    with pytest.raises(ValueError, match="no answer"):
        build_response(silent, SOURCE, 400, "Bad Request")
    with pytest.raises(ValueError, match="no answer"):
        response_address(silent, SOURCE)


@pytest.mark.parametrize("text", ["a\r\nInjected: x", "a\nb", "a\rb", "a\0b"])
def test_no_line_break_can_get_into_an_answer(text: str) -> None:
    for reason, headers in ((text, []), ("OK", [("X", text)]), ("OK", [(text, "x")])):
        with pytest.raises(ValueError, match="line break"):
            build_response(request(register()), SOURCE, 200, reason, headers)


def test_reason_phrases_are_the_rfcs() -> None:
    assert lines(build_response(request(register()), SOURCE, 423, ""))[0] == "SIP/2.0 423 Interval Too Brief"
    assert REASON_PHRASES[401] == "Unauthorized"


@pytest.mark.parametrize(
    ("epoch_s", "text"),
    [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (1289690940, "Sat, 13 Nov 2010 23:29:00 GMT"),
        (951782400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (4102444799, "Thu, 31 Dec 2099 23:59:59 GMT"),
    ],
)
def test_c74_date_is_gmt_in_rfc_1123_form(epoch_s: int, text: str) -> None:
    assert sip_date(epoch_s) == text
