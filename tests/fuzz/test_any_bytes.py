"""Whatever arrives: at most one answer, well formed, back to its sender, in bounded steps, and nothing in the log."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.registrar.regevent.replies import read_reply
from tests.fuzz.checks import (
    check_authorization,
    check_contacts,
    check_history,
    check_message,
    check_steps,
    check_stun,
    check_uri,
    count_steps,
)
from tests.fuzz.registrar import NONCE_KEY, SOURCE, MemoryRegistrar
from tests.fuzz.strategies import (
    CORPUS,
    bent_bindings,
    bent_messages,
    built_registers,
    built_replies,
    built_subscribes,
)
from tests.sip.messages import REQUEST_LINE, register

LARGEST = 65_535


@pytest.fixture(autouse=True)
def silent_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"] == []


@given(st.binary(max_size=300))
def test_any_bytes_get_one_answer_or_silence(data: bytes) -> None:
    check_message(data)


@given(st.binary(max_size=300))
def test_any_bytes_after_a_request_line_get_one_answer_or_silence(data: bytes) -> None:
    check_message(f"{REQUEST_LINE}\r\nVia: SIP/2.0/UDP h\r\n".encode() + data)


@given(bent_bindings() | st.binary(max_size=300))
def test_any_stun_gets_one_small_answer_or_silence(data: bytes) -> None:
    check_stun(data)


@given(bent_messages())
def test_any_bent_message_gets_one_answer_or_silence(data: bytes) -> None:
    check_message(data)


@given(built_registers())
def test_any_register_with_wrong_headers_gets_one_answer_or_silence(data: bytes) -> None:
    check_message(data)


@given(built_subscribes())
def test_any_subscribe_with_wrong_headers_gets_one_answer_or_silence(data: bytes) -> None:
    check_message(data)


@given(st.lists(built_registers() | built_subscribes() | bent_messages(), min_size=1, max_size=4))
def test_whatever_phones_write_their_subscribers_are_told_in_well_formed_documents(data: list[bytes]) -> None:
    check_history(*data)


@given(built_replies() | st.binary(max_size=200).map(b"SIP/2.0 ".__add__))
def test_any_answer_to_a_notify_is_read_or_passed_over(data: bytes) -> None:
    check_message(data)


def test_the_answer_to_a_notify_is_known_by_its_branch() -> None:
    data = next(data for data in CORPUS if b"NOTIFY-BRANCH" in data and data.startswith(b"SIP/2.0 481"))
    reply = read_reply(NONCE_KEY, MemoryRegistrar().with_marks(data), SOURCE[0], None)
    assert reply is not None
    assert reply.ends_subscription


@given(bent_messages() | built_registers() | built_subscribes())
def test_the_steps_to_an_answer_are_bounded(data: bytes) -> None:
    check_steps(data)


@pytest.mark.parametrize(
    "unit", [b",", b";", b"<", b'"', b"\\", b"=", b"%41", b"a;", b"a,", b"<sip:a>,", b":", b"\t", b"\r\n "]
)
@pytest.mark.parametrize("header", ["Via", "From", "To", "Contact", "Authorization", "Require", "Path", "X"])
def test_the_steps_for_the_largest_message_are_bounded(header: str, unit: bytes) -> None:
    start = f"{REQUEST_LINE}\r\n{header}: ".encode()
    data = start + unit * ((LARGEST - len(start) - 4) // len(unit)) + b"\r\n\r\n"
    check_steps(data)
    check_message(data)


def test_a_message_of_a_thousand_lines_takes_bounded_steps() -> None:
    for line in (b"a:", b":", b"Via: SIP/2.0/UDP h;a;b", b"m: <sip:a@b>", b"Require: a,b", b" x"):
        check_steps(
            f"{REQUEST_LINE}\r\n".encode() + (line + b"\r\n") * (LARGEST // (len(line) + 2)) + b"\r\n"
        )


def test_a_step_is_counted() -> None:
    assert count_steps(register()) > 50


def test_the_corpus_passes() -> None:
    for data in CORPUS:
        check_message(data)
        check_history(*data.removeprefix(b"\4").split(b"\0\0"))
        for check in (check_uri, check_contacts, check_authorization):
            check(data[1:].decode(errors="replace"))


@given(st.sampled_from([check_uri, check_contacts, check_authorization]), bent_messages())
def test_any_text_is_a_field_or_its_error(check: object, data: bytes) -> None:
    assert callable(check)
    check(data[1:].decode(errors="replace"))
