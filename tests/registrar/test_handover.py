"""Which messages a worker hands to the call process (RFC 3261 §16.3 and on), and which it keeps."""

import pytest

from apps.registrar.handover import is_calls, sort_out
from apps.registrar.rules import Answer
from apps.registrar.triage import ALLOW_WITH_CALLS, triage
from apps.sip.branches import CALLS_MAGIC
from apps.sip.message import Request, parse_request
from apps.sipserver.events import Datagram


def request(
    method: str, uri: str = "sip:1002@example.com", *headers: str, to: str = "<sip:1002@example.com>"
) -> bytes:
    lines = [f"{method} {uri} SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", f"To: {to}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def reply(branch: str) -> bytes:
    return f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\n\r\n".encode()


@pytest.mark.parametrize(
    "method", ["INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE", "INFO", "NOTIFY", "MESSAGE"]
)
def test_c29_requests_between_phones_are_calls(method: str) -> None:
    assert is_calls(request(method))


def test_a_method_nobody_knows_is_passed_on_as_rfc_3261_16_1_wants() -> None:
    assert is_calls(request("FROB"))


@pytest.mark.parametrize(
    "data",
    [
        request("REGISTER", "sip:example.com"),
        b"\r\n" + request("REGISTER", "sip:example.com"),
        request("PUBLISH"),
        request("SUBSCRIBE", "sip:1002@example.com", "Event: reg"),
        request("SUBSCRIBE", "sip:1002@example.com", "o:\r\n REG;id=7"),
        request("SUBSCRIBE", "sip:1002@example.com", "Event: message-summary"),
        request("SUBSCRIBE"),
        request("OPTIONS", "sip:example.com"),
        request("OPTIONS", "sip:192.0.2.9:5060"),
        request("OPTIONS", "sip:ping@192.0.2.9"),
        request("OPTIONS", "sip:ping@192.0.2.9:5060;transport=tcp"),
        request("OPTIONS", "sip:ping@[2001:db8::1]"),
        reply("z9hG4bKq" + "a" * 64),
        b"",
        b"\x00\x01",
        b"INVITE sip:1002@example.com\r\n\r\n",
        b"INVITE  sip:1002@example.com SIP/2.0\r\n\r\n",
    ],
)
def test_what_is_the_registrars_or_no_message_stays(data: bytes) -> None:
    assert not is_calls(data)


@pytest.mark.parametrize(
    "data",
    [
        request("SUBSCRIBE", "sip:1002@example.com", "Event: presence"),
        request("SUBSCRIBE", "sip:1002@example.com", "o: dialog;sla"),
        request("OPTIONS", "sip:1002@example.com"),
        request("OPTIONS", "sip:1002@10.0.0.5", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKcall.1.2"),
        request("OPTIONS", "sip:1002@198.51.100.1:5062", to="<sip:1002@example.com>;tag=1"),
        request("invite"),
        reply(CALLS_MAGIC + "abc"),
    ],
)
def test_what_is_meant_for_a_phone_is_a_calls(data: bytes) -> None:
    assert is_calls(data)


def test_c29_a_server_that_takes_calls_says_so_in_allow() -> None:
    asked, published = (parse_request(_whole(method, "sip:example.com")) for method in ("OPTIONS", "PUBLISH"))
    assert isinstance(asked, Request)
    assert isinstance(published, Request)

    answers = [triage(each, {}, ALLOW_WITH_CALLS) for each in (asked, published)]

    assert [answer.outcome.status for answer in answers if isinstance(answer, Answer)] == [200, 405]
    for answer in answers:
        assert isinstance(answer, Answer)
        allowed = dict(answer.headers)["Allow"].split(", ")
        assert {"INVITE", "ACK", "CANCEL", "BYE", "REGISTER", "OPTIONS", "SUBSCRIBE"} <= set(allowed)
        assert "PUBLISH" not in allowed


def _whole(method: str, uri: str) -> bytes:
    further = ("From: <sip:1001@example.com>;tag=a", "Call-ID: c", f"CSeq: 1 {method}", "Max-Forwards: 70")
    return request(method, uri, *further)


def test_a_batch_is_sorted_in_order() -> None:
    batch: list[Datagram] = [
        (data, ("192.0.2.1", number))
        for number, data in enumerate(
            [request("REGISTER"), request("INVITE"), request("REGISTER"), reply(CALLS_MAGIC + "x"), b"noise"]
        )
    ]

    mine, calls = sort_out(batch)

    assert [origin[1] for _, origin in mine] == [0, 2, 4]
    assert [origin[1] for _, origin in calls] == [1, 3]
    assert sort_out(batch[:1]) == (batch[:1], [])
