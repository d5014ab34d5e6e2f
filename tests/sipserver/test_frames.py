import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.sipserver.events import Address, Datagram, Origin
from apps.sipserver.frames import (
    FrameError,
    FrameKind,
    Unframer,
    closed,
    datagram,
    hello,
    read_datagram,
    read_flows,
)

PLACES: list[Address | Origin] = [
    ("192.0.2.7", 5060),
    Origin("fe80::1%3", 65_535, "UDP", None, b"\0\x01" * 10),
    Origin("192.0.2.7", 40_000, "TLS", "host:17:abcdef01/12"),
    Origin("2001:db8::7", 1, "WSS", "host:17:abcdef01/13"),
]


@given(st.lists(st.tuples(st.binary(max_size=300), st.sampled_from(PLACES))), st.integers(1, 50))
def test_datagrams_come_out_as_they_went_in_however_the_stream_is_cut(
    said: list[Datagram], step: int
) -> None:
    stream = b"".join(datagram(data, place) for data, place in said)
    unframer = Unframer()

    frames = [frame for at in range(0, len(stream), step) for frame in unframer.feed(stream[at : at + step])]

    assert [(kind, read_datagram(payload)) for kind, payload in frames] == [
        (FrameKind.DATAGRAM, one) for one in said
    ]


def test_names_come_out_as_they_went_in() -> None:
    frames = Unframer().feed(hello("host:17:abcdef01") + closed(["a/1", "a/2"]) + closed([]))

    assert frames[0] == (FrameKind.HELLO, b"host:17:abcdef01")
    assert [read_flows(payload) for _, payload in frames[1:]] == [["a/1", "a/2"], []]


@pytest.mark.parametrize("noise", [b"\x09\0\0\0\0", b"\x02\xff\xff\xff\xff"])
def test_a_stream_that_is_none_of_ours_is_an_error(noise: bytes) -> None:
    with pytest.raises(FrameError):
        Unframer().feed(noise)


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x63" + bytes(7)])
def test_a_datagram_without_its_head_is_an_error(payload: bytes) -> None:
    with pytest.raises(FrameError):
        read_datagram(payload)
