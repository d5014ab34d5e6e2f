"""What the test phone says is right SIP, and what it hears is read as it was meant."""

import re

import pytest

from apps.registrar.testphone.dialogue import USER_AGENT, Caller, read_reply
from apps.sip.digest import Algorithm, DigestCredentials, ha1, parse_authorization, parse_challenge, verify
from apps.sip.message import Request, parse_request
from apps.sip.params import find_param

PASSWORD = "Tr0ub4dor&3x"


def caller() -> Caller:
    return Caller("1001", PASSWORD, "1001-desk", "example.com", ("127.0.0.1", 40001), "c1@t", "f1", "cn1")


def said(data: bytes) -> Request:
    request = parse_request(data)
    assert isinstance(request, Request)
    return request


def test_the_first_question_has_no_credentials_and_no_contact() -> None:
    request = said(caller().register("z9hG4bKa"))
    assert (request.method, request.value("authorization"), request.value("contact")) == (
        "REGISTER",
        None,
        None,
    )
    assert request.value("user-agent") == USER_AGENT
    assert request.to.uri_text == "sip:1001-desk@example.com"


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("qop", ['qop="auth,auth-int"', "opaque=x"])
def test_each_answer_to_a_challenge_proves_the_password(algorithm: Algorithm, qop: str) -> None:
    phone = caller()
    challenge = parse_challenge(f'Digest realm="a \\"b\\"", nonce="n1", algorithm={algorithm}, {qop}')
    assert challenge is not None
    phone.answer_to(challenge)
    for count in (1, 2):
        request = said(phone.register("z9hG4bKa", contact_expires_s=60))
        credentials = parse_authorization(request.values("authorization"), 'a "b"')
        assert isinstance(credentials, DigestCredentials)
        assert credentials.nc == (count if credentials.qop else 0)
        assert verify(credentials, ha1(algorithm, "1001", 'a "b"', PASSWORD), "REGISTER")
        assert not verify(credentials, ha1(algorithm, "1001", 'a "b"', "another"), "REGISTER")
    assert request.cseq == 2
    assert request.value("contact") == "<sip:1001-desk@127.0.0.1:40001>;q=0;expires=60"


def test_the_password_shows_nowhere() -> None:
    phone = caller()
    challenge = parse_challenge('Digest realm="r", nonce="n", algorithm=MD5, qop="auth"')
    assert challenge is not None
    phone.answer_to(challenge)
    assert PASSWORD not in repr(phone)
    assert PASSWORD.encode() not in phone.register("z9hG4bKa")


@pytest.mark.parametrize(
    "value",
    [
        'Basic realm="r"',
        'Digest realm="r"',
        'Digest realm="r", nonce="n", algorithm=SHA-999',
        "Digest ,,=",
        "",
    ],
)
def test_what_cannot_be_answered_is_no_challenge(value: str) -> None:
    assert parse_challenge(value) is None


ANSWER = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:40001;branch=z9hG4bKa\r\n"
    b"Contact: <sip:1001@127.0.0.1:40001>;expires=60\r\nContact: <sip:1001@192.0.2.1>;expires=9\r\n\r\n"
)


def test_an_answer_is_read_with_its_contacts() -> None:
    reply = read_reply(ANSWER, "z9hG4bKa")
    assert reply is not None
    assert reply.contacts == (("sip:1001@127.0.0.1:40001", 60), ("sip:1001@192.0.2.1", 9))
    brief = read_reply(re.sub(b"200 OK", b"423 Interval Too Brief\r\nMin-Expires: 90", ANSWER), "z9hG4bKa")
    assert brief is not None
    assert (brief.words, brief.min_expires_s) == ("423 Interval Too Brief", 90)


@pytest.mark.parametrize(
    "data",
    [
        ANSWER.replace(b"z9hG4bKa", b"z9hG4bKb"),
        ANSWER.replace(b"200 OK", b"100 Trying"),
        ANSWER.replace(b"200", b"2e2"),
        ANSWER.replace(b"Via", b"X"),
        b"\xff" * 100,
        b"",
    ],
    ids=["another branch", "provisional", "no status", "no Via", "noise", "nothing"],
)
def test_anything_else_is_no_answer(data: bytes) -> None:
    assert read_reply(data, "z9hG4bKa") is None


def test_the_registrar_understands_the_way_back() -> None:
    request = said(caller().register("z9hG4bKa"))
    assert request.vias[0].rport_asked
    assert find_param(request.vias[0].params, "branch") == "z9hG4bKa"
