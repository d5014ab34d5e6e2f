"""The ladder and the text file say what happened, and hostile bytes stay text."""

from apps.registrar.trace.ladder import rungs, shown_text, transcript
from tests.registrar.trace.messages import CHALLENGE, REGISTER, message

FIRST = REGISTER.replace(b"CSeq: 2", b"CSeq: 1").replace(b"Authorization", b"X-Nothing")


def test_each_rung_says_method_or_status_and_when() -> None:
    found = rungs([message(FIRST), message(CHALLENGE, inward=False, after_ms=4), message(after_ms=4004)])
    assert [(rung.title, rung.note, rung.gap_words, rung.is_inward) for rung in found] == [
        ("REGISTER", "CSeq 1 REGISTER", "", True),
        ("401 Unauthorized", "CSeq 1 REGISTER", "+4 ms", False),
        ("REGISTER", "CSeq 2 REGISTER · with credentials", "+4.0 s", True),
    ]


def test_a_repeat_is_told() -> None:
    found = rungs([message(FIRST), message(FIRST, after_ms=500), message(FIRST, inward=False)])
    assert [rung.is_repeat for rung in found] == [False, True, False]


def test_what_is_no_plain_text_is_shown_by_its_code() -> None:
    shown = shown_text("A\r\nB\x00\x1b[31m\rC\u202eD\u200b\tE\nF".encode() + b"\xff\\")
    assert shown == "A\nB\\x00\\x1b[31m\\x0dC\\u202eD\\u200b\tE\nF\\xff\\"


def test_a_message_without_text_is_a_rung_too() -> None:
    found = rungs([message(b""), message(b"\x00\x01"), message(b"SIP/2.0 \r\n")])
    assert [rung.title for rung in found] == ["(empty)", "\\x00\\x01", ""]


def test_the_text_file_has_each_message_with_its_way() -> None:
    text = transcript("1001", [message(), message(CHALLENGE, inward=False, after_ms=4, transport="TCP")])
    assert (
        "2026-11-23T10:04:05.250+00:00  phone 203.0.113.7:5062 -> registrar 198.51.100.1:5060  UDP\n" in text
    )
    assert (
        "2026-11-23T10:04:05.254+00:00  phone 203.0.113.7:5062 <- registrar 198.51.100.1:5060  TCP\n" in text
    )
    assert text.count("Call-ID: call-1@phone\n") == 2
    assert "\r" not in text
