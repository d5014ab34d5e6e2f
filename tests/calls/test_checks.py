"""RFC 3261 §16.3 and §18: whether a request may go on."""

import pytest

from apps.calls.values import Forward, Refuse
from apps.sipserver.events import Origin
from tests.calls.scene import Phone, Scene, hop, methods

ALICE = Phone("1001")
BOB = Phone("1002", ("203.0.113.9", 5062), "10.0.0.9")


@pytest.mark.parametrize("uri", ["tel:+15551234", "http://pbx.example/", "urn:service:sos"])
def test_p01_another_scheme_is_416(uri: str) -> None:
    scene = Scene()
    (answer,) = scene.say(ALICE.request("INVITE", uri), ALICE.way)
    assert answer.method == "416"
    assert not scene.asks


def test_p02_max_forwards_0_is_483() -> None:
    scene = Scene()
    (answer,) = scene.say(ALICE.invite(forwards="0"), ALICE.way)
    assert answer.method == "483"
    assert not scene.asks


@pytest.mark.parametrize("forwards", ["-1", "abc", "256", "", "1" * 5000])
def test_p02_max_forwards_that_is_no_number_is_400(forwards: str) -> None:
    (answer,) = Scene().say(ALICE.invite(forwards=forwards), ALICE.way)
    assert answer.method == "400"


def test_p03_what_comes_back_as_it_left_is_482() -> None:
    scene = Scene()
    back = ("203.0.113.50", 5060)
    looping = Phone("1002", back).contact
    uri = "sip:1002@pbx.example"
    (sent,) = scene.place(ALICE, hop(Phone("x", back)), data=ALICE.invite(uri))
    # the other side sends it back under the Request-URI it first had
    data = sent.data.replace(sent.start.encode(), f"INVITE {uri} SIP/2.0".encode())
    data = data.replace(b"SIP/2.0\r\n", b"SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.50;branch=z9hG4bKback\r\n", 1)
    assert looping
    assert methods(scene.say(data, back)) == ["482"]


def test_p03_a_spiral_under_another_request_uri_goes_on() -> None:
    scene = Scene()
    back = ("203.0.113.50", 5060)
    (sent,) = scene.place(ALICE, hop(Phone("x", back)))
    data = sent.data.replace(sent.start.encode(), b"INVITE sip:1003@pbx.example SIP/2.0")
    data = data.replace(b"SIP/2.0\r\n", b"SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.50;branch=z9hG4bKback\r\n", 1)
    assert methods(scene.say(data, back)) == ["100"]
    assert scene.asks


def test_p04_proxy_require_is_420_with_every_tag() -> None:
    more = ["Proxy-Require: sec-agree, privacy", "Proxy-Require: foo"]
    (answer,) = Scene().say(ALICE.invite(more=more), ALICE.way)
    assert (answer.method, answer.one("Unsupported")) == ("420", "sec-agree, privacy, foo")


def test_p05_what_is_malformed_gets_its_answer_and_an_ack_silence() -> None:
    scene = Scene()
    broken = ALICE.invite().replace(b"CSeq: 1 INVITE", b"CSeq: x INVITE")
    assert methods(scene.say(broken, ALICE.way)) == ["400"]
    assert scene.say(ALICE.request("ACK").replace(b"CSeq: 1 ACK", b"CSeq: x ACK"), ALICE.way) == []
    assert scene.say(ALICE.request("ACK", "tel:1"), ALICE.way) == []


def test_p05_noise_is_silence() -> None:
    scene = Scene()
    for noise in (b"", b"\r\n\r\n", b"\0", b"hello", b"SIP/2.0 200 OK\r\n\r\n", b"SIP/2.0 abc\r\n\r\n"):
        assert scene.say(noise, ALICE.way) == []


def test_p06_on_a_stream_no_content_length_is_400() -> None:
    way = Origin("198.51.100.7", 40000, "TCP", "w:1")
    phone = Phone("1001", way)
    scene = Scene()
    (answer,) = scene.say(phone.invite().replace(b"Content-Length: 39\r\n", b""), way)
    assert (answer.method, answer.way) == ("400", way)
    assert scene.say(phone.request("ACK").replace(b"Content-Length: 0\r\n", b""), way) == []


def test_p07_answers_of_the_checks_keep_no_state() -> None:
    scene = Scene()
    data = ALICE.invite(forwards="0")
    first, again = scene.say(data, ALICE.way), scene.say(data, ALICE.way)
    assert first[0].data == again[0].data
    assert scene.proxy.transactions == 0


def test_p13_the_question_comes_once_and_100_at_once() -> None:
    scene = Scene()
    data = ALICE.invite()
    assert methods(scene.say(data, ALICE.way)) == ["100"]
    assert methods(scene.say(data, ALICE.way)) == ["100"]
    assert len(scene.asks) == 1


def test_p13_a_hundred_has_no_tag_and_nothing_but_invite_gets_one() -> None:
    scene = Scene()
    (trying,) = scene.say(ALICE.invite(), ALICE.way)
    assert trying.one("To") == "<sip:1002@pbx.example>"
    assert scene.say(ALICE.request("MESSAGE", cseq=2), ALICE.way) == []
    assert len(scene.asks) == 2


def test_p13_a_question_nobody_answers_is_500_in_the_end() -> None:
    scene = Scene()
    scene.say(ALICE.invite(), ALICE.way)
    assert methods(scene.wait(33))[0] == "500"
    assert scene.decide(Forward(((hop(BOB),),))) == []


def test_p13_a_refusal_says_the_reason_it_is_given_or_the_usual_one() -> None:
    scene = Scene()
    for cseq, (refuse, start) in enumerate(
        (
            (Refuse(403, "Not today"), "SIP/2.0 403 Not today"),
            (Refuse(480, ""), "SIP/2.0 480 Temporarily Unavailable"),
            (Refuse(699, ""), "SIP/2.0 699 "),
            (Refuse(302, "", (("Contact", "<sip:a@b>\r\nEvil: 1"),)), "SIP/2.0 500 Server Internal Error"),
        )
    ):
        scene.say(ALICE.invite(cseq=cseq), ALICE.way)
        assert [one.start for one in scene.decide(refuse)] == [start]
