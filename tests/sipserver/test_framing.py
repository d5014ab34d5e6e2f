"""Messages cut out of a stream; C28 and the keep-alive of C109."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.sipserver.framing import MAX_BODY_BYTES, MAX_HEAD_BYTES, Framer, KeepAlive
from tests.patience import PATIENCE_S

PING = b"\r\n\r\n"


def message(name: bytes = b"a", body: bytes = b"", length: bytes | None = None) -> bytes:
    digits = b"%d" % len(body) if length is None else length
    return b"REGISTER sip:%s SIP/2.0\r\nContent-Length: %s\r\n\r\n%s" % (name, digits, body)


def in_chunks(stream: bytes, cuts: list[int]) -> tuple[list[bytes | KeepAlive], Framer]:
    framer = Framer()
    pieces: list[bytes | KeepAlive] = []
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)})
    for begin, end in zip([0, *ends], ends, strict=False):
        pieces += framer.feed(stream[begin:end])
    return pieces, framer


def test_c28_two_messages_in_one_segment_are_two() -> None:
    first, second = message(b"a", b"one"), message(b"b", b"two")
    assert Framer().feed(first + second) == [first, second]


def test_c28_one_message_in_ten_segments_is_one() -> None:
    whole = message(b"a", b"0123456789" * 10)
    step = len(whole) // 9
    pieces, _ = in_chunks(whole, list(range(step, len(whole), step)))
    assert pieces == [whole]


def test_c28_a_body_that_looks_like_a_message_is_a_body() -> None:
    whole = message(b"a", message(b"b") + PING)
    assert Framer().feed(whole) == [whole]


parts = st.one_of(
    st.just(PING),
    st.just(b"\r\n"),
    st.binary(max_size=60).map(lambda body: message(b"x", body)),
    st.binary(max_size=20),
    st.sampled_from(
        [message(length=b"x"), message(length=b"99999999"), b"INVITE x SIP/2.0\r\nTo: y\r\n\r\n"]
    ),
)


@given(st.lists(parts, max_size=8).map(b"".join), st.lists(st.integers(0, 600), max_size=12))
def test_any_chunking_gives_the_same_pieces(stream: bytes, cuts: list[int]) -> None:
    at_once, whole = in_chunks(stream, [])
    chunked, cut = in_chunks(stream, cuts)
    singly, _ = in_chunks(stream, list(range(len(stream))))
    assert chunked == at_once == singly
    assert (cut.broken, cut.inside_message) == (whole.broken, whole.inside_message)


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_what_was_framed_comes_out(bodies: list[bytes]) -> None:
    messages = [message(b"n%d" % number, body) for number, body in enumerate(bodies)]
    assert Framer().feed(b"".join(messages)) == messages


@pytest.mark.parametrize(
    "head",
    [
        b"content-LENGTH:3",
        b"l: 3",
        b"L \t:\t003 ",
        b"Content-Length:\r\n 3",
        b"Content-Length: 3\r\nl: 3",
    ],
)
def test_content_length_is_read_in_every_form(head: bytes) -> None:
    whole = b"OPTIONS sip:a SIP/2.0\r\n" + head + b"\r\nTo: x\r\n\r\nabc"
    assert Framer().feed(whole + message()) == [whole, message()]


@pytest.mark.parametrize(
    "head",
    [
        b"To: x",
        b"Content-Length: ",
        b"Content-Length: -1",
        b"Content-Length: 3x",
        b"Content-Length: 3\r\n 4",
        b"Content-Length: 3\r\nContent-Length: 4",
        b"Content-Length: " + b"9" * 60_000,
        b"Content-Length: %d" % (MAX_BODY_BYTES + 1),
        b"X-Content-Length: 3",
    ],
)
def test_c28_without_a_usable_content_length_the_head_is_the_last_piece(head: bytes) -> None:
    framer = Framer()
    whole = b"OPTIONS sip:a SIP/2.0\r\n" + head + b"\r\n\r\n"
    assert framer.feed(whole + b"abc" + message()) == [whole]
    assert framer.broken
    assert framer.feed(message()) == []


def test_c16_a_head_over_the_limit_is_cut_off() -> None:
    framer = Framer()
    (piece,) = framer.feed(b"x" * (MAX_HEAD_BYTES * 3))
    assert len(piece.value if isinstance(piece, KeepAlive) else piece) == MAX_HEAD_BYTES + 4
    assert framer.broken


def test_c109_a_double_crlf_is_a_ping_and_a_single_one_is_nothing() -> None:
    framer = Framer()
    assert framer.feed(b"\r\n\r\n") == [KeepAlive.PING]
    assert framer.feed(b"\r\n") == []
    assert not framer.inside_message
    assert framer.feed(message() + b"\r\n") == [message()]
    assert framer.feed(b"\r\n\r\n\r\n") == [KeepAlive.PING, KeepAlive.PING]


def test_framing_costs_the_same_per_byte_however_small_the_chunks() -> None:
    whole = message(b"a" * 30_000, b"b" * 60_000)

    def cost_s(size: int) -> float:
        framer = Framer()
        chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
        begin = time.process_time()
        pieces = [piece for chunk in chunks for piece in framer.feed(chunk)]
        assert pieces == [whole]
        return time.process_time() - begin

    assert cost_s(1) < PATIENCE_S  # 90,000 feeds; a quadratic search takes minutes


def test_many_small_messages_at_once_are_cut_in_linear_time() -> None:
    begin = time.process_time()
    assert len(Framer().feed(message() * 20_000 + PING * 20_000)) == 40_000
    assert time.process_time() - begin < PATIENCE_S
