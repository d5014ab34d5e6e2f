"""Responses that come back: what is one, and whose it is."""

import pytest

from apps.sip.reply import parse_reply

VIA = b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n"


@pytest.mark.parametrize(
    ("line", "status", "phrase"),
    [
        (b"SIP/2.0 200 OK", 200, "OK"),
        (b"sip/2.0 100 ", 100, ""),
        (b"SIP/2.0 423 Interval Too Brief", 423, "Interval Too Brief"),
    ],
)
def test_a_status_line_is_read(line: bytes, status: int, phrase: str) -> None:
    reply = parse_reply(line + b"\r\n" + VIA + b"\r\n")
    assert reply is not None
    assert (reply.status, reply.phrase, reply.branch) == (status, phrase, "z9hG4bKa")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"OPTIONS sip:a SIP/2.0",
        b"SIP/2.0 99 x",
        b"SIP/2.0 700 x",
        b"SIP/2.0 2x0 x",
        b"SIP/3.0 200 OK",
        b"SIP/2.0 ",
    ],
)
def test_anything_else_is_none(line: bytes) -> None:
    assert parse_reply(line + b"\r\n" + VIA + b"\r\n") is None


@pytest.mark.parametrize("vias", [b"", VIA + VIA, b"Via: nonsense\r\n"])
def test_without_one_readable_via_it_is_nobodys(vias: bytes) -> None:
    reply = parse_reply(b"SIP/2.0 200 OK\r\n" + vias + b"\r\n")
    assert reply is not None
    assert reply.branch is None
