"""Whose message it is, without a parser that the message could break."""

from uuid import UUID

import pytest

from apps.registrar.trace.matching import Traced, call_id, concerned
from tests.registrar.trace.messages import CHALLENGE, REGISTER

DESK = Traced(UUID(int=1), frozenset({"1001", "1001-desk"}), frozenset({"example.com"}))
SERVED = frozenset({"example.com", "example.net"})
OPTIONS = b"OPTIONS sip:x@192.0.2.9 SIP/2.0\r\nf: <sip:example.com>\r\nt: <sip:1001@example.com>\r\ni: probe-1\r\n\r\n"


def is_concerned(data: bytes) -> bool:
    return concerned(data, [DESK], SERVED) == {DESK.peer_id}


@pytest.mark.parametrize(
    "data",
    [
        REGISTER,
        CHALLENGE,
        OPTIONS,
        REGISTER.replace(b"\r\n", b"\n"),
        b"\xff\xfe no request at all\r\nFrom: sip:1001@example.com",
        b"To:\r\n <sip:%31001@EXAMPLE.com:5060>\r\n",
        b'Authorization: Digest username="1001-desk", realm="example.com"\r\n',
        b"To: <sip:1001@192.0.2.1>\r\n",
    ],
    ids=[
        "request",
        "answer",
        "compact names",
        "line feeds",
        "noise",
        "folded",
        "credentials",
        "wrong server",
    ],
)
def test_a_message_that_names_the_peer_is_its_own(data: bytes) -> None:
    assert is_concerned(data)


@pytest.mark.parametrize(
    "data",
    [
        b"To: <sip:10010@example.com>\r\n",
        b"To: <sip:1001@example.net>\r\n",
        b'Authorization: Digest username="1001", realm="example.net"\r\n',
        b"Contact: <sip:1001@example.com>\r\n",
        b"",
    ],
    ids=["longer name", "another domain of ours", "another realm of ours", "contact alone", "nothing"],
)
def test_a_message_of_somebody_else_is_not(data: bytes) -> None:
    assert not is_concerned(data)


def test_the_call_id_is_found_in_both_spellings() -> None:
    assert (call_id(REGISTER), call_id(OPTIONS), call_id(b"")) == (b"call-1@phone", b"probe-1", None)
