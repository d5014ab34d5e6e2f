"""A carrier that challenges our calls (RFC 3261 §22.3): answered with the trunk's account, and never by the caller."""

from dataclasses import replace

import pytest

from apps.calls.values import CarrierAnswer, CarrierLeg, Forward, Hop
from apps.sip.digest import DigestCredentials, ha1, parse_authorization, verify
from tests.calls.scene import Heard, Phone, Scene, Way, methods
from tests.trunks.uplink.carrier import PASSWORD, TRUNK, account

ALICE = Phone("1001")
CARRIER = Phone("49301234", ("192.0.2.9", 5060), "192.0.2.9")
ELSEWHERE: Way = ("192.0.2.99", 5060)
NUMBER = "sip:49301234@192.0.2.9"
OUT = Hop(NUMBER, CARRIER.way, leg=CarrierLeg(account()))
NAMES = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}


@pytest.fixture
def scene() -> Scene:
    return Scene(accounts={(TRUNK, CARRIER.way): account()})


def challenged(request: Heard, status: int = 407, more: str = "", nonce: str = "n1") -> bytes:
    asking = f'{NAMES[status][0]}: Digest realm="carrier", nonce="{nonce}", algorithm=MD5, qop="auth"{more}'
    return request.answer(status, "Prove it", [asking], tag="first")


def proof(request: Heard, status: int = 407) -> DigestCredentials:
    """Its credentials, which are right."""
    credentials = parse_authorization(request.all(NAMES[status][1]), "carrier")
    assert isinstance(credentials, DigestCredentials), request.data
    assert credentials.username == "4940"
    assert credentials.uri == request.start.split()[1]
    secret = ha1(credentials.algorithm, "4940", "carrier", PASSWORD)
    assert verify(credentials, secret, request.method)
    return credentials


def asked_again(scene: Scene, hop: Hop = OUT, status: int = 407) -> tuple[Heard, Heard]:
    """The first INVITE, and the one after the challenge."""
    (first,) = scene.place(ALICE, hop)
    ack, second = scene.say(challenged(first, status), CARRIER.way)
    assert (ack.method, ack.one("CSeq"), ack.vias[0]) == ("ACK", "1 ACK", first.vias[0])
    assert {ack.way, second.way} == {CARRIER.way}
    return first, second


def picked_up(scene: Scene) -> tuple[Heard, Heard]:
    """What the carrier heard last and what the caller did, in an answered call."""
    _, second = asked_again(scene)
    (answer,) = scene.say(second.answer(200, "OK", [f"Contact: <{CARRIER.contact}>"]), CARRIER.way)
    return second, answer


def within(call: tuple[Heard, Heard], method: str, cseq: int, *more: str) -> bytes:
    """What the caller says then."""
    _, answer = call
    routes = [f"Route: {value}" for value in reversed(answer.all("Record-Route"))]
    return ALICE.request(method, CARRIER.contact, cseq=cseq, to=answer.one("To"), more=[*routes, *more])


@pytest.mark.parametrize("status", [401, 407])
def test_a_challenge_is_answered_under_the_next_cseq_number(scene: Scene, status: int) -> None:
    first, second = asked_again(scene, status=status)
    proof(second, status)
    assert (second.start, second.one("CSeq")) == (first.start, "2 INVITE")
    assert second.vias[0] != first.vias[0]
    assert second.one("Call-ID") == first.one("Call-ID")
    assert second.data.partition(b"\r\n\r\n")[2] == first.data.partition(b"\r\n\r\n")[2]


def test_the_caller_hears_of_its_own_cseq_number_and_of_no_challenge(scene: Scene) -> None:
    _, second = asked_again(scene)
    (ringing,) = scene.say(second.answer(180, "Ringing"), CARRIER.way)
    (answer,) = scene.say(second.answer(200, "OK"), CARRIER.way)
    assert [(one.method, one.one("CSeq"), one.way) for one in (ringing, answer)] == [
        ("180", "1 INVITE", ALICE.way),
        ("200", "1 INVITE", ALICE.way),
    ]


def test_what_the_caller_says_within_the_call_has_the_carriers_numbers(scene: Scene) -> None:
    call = picked_up(scene)
    (ack,) = scene.say(within(call, "ACK", 1), ALICE.way)
    (prack,) = scene.say(within(call, "PRACK", 2, "RAck: 7 1 INVITE"), ALICE.way)
    (bye,) = scene.say(within(call, "BYE", 3), ALICE.way)
    assert [one.one("CSeq") for one in (ack, prack, bye)] == ["2 ACK", "3 PRACK", "4 BYE"]
    assert prack.one("RAck") == "7 2 INVITE"
    (answer,) = scene.say(bye.answer(200, "OK"), CARRIER.way)
    assert answer.one("CSeq") == "3 BYE"


def test_so_after_a_restart_too(scene: Scene) -> None:
    call = picked_up(scene)
    again = Scene(accounts=scene.accounts)
    (bye,) = again.say(within(call, "BYE", 2), ALICE.way)
    assert bye.one("CSeq") == "3 BYE"
    (late,) = again.say(call[0].answer(200, "OK"), CARRIER.way)
    assert (late.one("CSeq"), late.way) == ("1 INVITE", ALICE.way)


def test_the_carriers_own_numbers_pass_as_they_are(scene: Scene) -> None:
    second, answer = picked_up(scene)
    routes = [f"Route: {value}" for value in second.all("Record-Route")]
    request = CARRIER.request(
        "BYE", ALICE.contact, cseq=9, from_=answer.one("To"), to=answer.one("From"), more=routes
    )
    (bye,) = scene.say(request.replace(b"Call-ID: call-1", f"Call-ID: {ALICE.call_id}".encode()), CARRIER.way)
    assert (bye.one("CSeq"), bye.way) == ("9 BYE", ALICE.way)
    (done,) = scene.say(bye.answer(200, "OK"), ALICE.way)
    assert (done.one("CSeq"), done.way) == ("9 BYE", CARRIER.way)


def test_a_challenge_within_the_call_is_answered_under_the_same_number(scene: Scene) -> None:
    call = picked_up(scene)
    (bye,) = scene.say(within(call, "BYE", 2), ALICE.way)
    (again,) = scene.say(challenged(bye, nonce="n2"), CARRIER.way)
    assert proof(again).nonce == "n2"
    assert (bye.one("CSeq"), again.one("CSeq")) == ("3 BYE", "3 BYE")
    (done,) = scene.say(again.answer(200, "OK"), CARRIER.way)
    assert (done.method, done.one("CSeq")) == ("200", "2 BYE")


def test_within_the_call_only_servers_of_the_trunk_are_answered(scene: Scene) -> None:
    call = picked_up(scene)
    scene.accounts.clear()
    (bye,) = scene.say(within(call, "BYE", 2), ALICE.way)
    (back,) = scene.say(challenged(bye), CARRIER.way)
    assert (back.method, back.way) == ("407", ALICE.way)


def test_a_wrong_password_is_403_for_the_caller_who_could_not_answer_either(scene: Scene) -> None:
    _, second = asked_again(scene)
    ack, refusal = scene.say(challenged(second, nonce="n2"), CARRIER.way)
    assert (ack.method, ack.one("CSeq")) == ("ACK", "2 ACK")
    assert (refusal.method, refusal.one("CSeq"), refusal.way) == ("403", "1 INVITE", ALICE.way)
    assert not refusal.all("Proxy-Authenticate")


def test_a_nonce_that_was_too_old_is_no_wrong_password_but_not_for_ever(scene: Scene) -> None:
    _, sent = asked_again(scene)
    for number in (3, 4):
        _, sent = scene.say(challenged(sent, more=", stale=true", nonce=f"n{number}"), CARRIER.way)
        assert proof(sent).nonce == f"n{number}"
        assert sent.one("CSeq") == f"{number} INVITE"
    assert methods(scene.say(challenged(sent, more=", stale=true"), CARRIER.way)) == ["ACK", "403"]


def test_a_server_behind_a_proxy_may_challenge_as_well(scene: Scene) -> None:
    _, second = asked_again(scene)
    _, third = scene.say(challenged(second, 401), CARRIER.way)
    assert (proof(third, 401).nonce, proof(third).nonce) == ("n1", "n1")


@pytest.mark.parametrize("asking", ['Basic realm="carrier"', 'Digest realm="c", nonce="n", algorithm=SHA-1'])
def test_what_cannot_be_answered_is_403(scene: Scene, asking: str) -> None:
    (first,) = scene.place(ALICE, OUT)
    answer = first.answer(407, "Prove it", [f"Proxy-Authenticate: {asking}"])
    assert methods(scene.say(answer, CARRIER.way)) == ["ACK", "403"]


def test_without_an_account_the_challenge_is_the_callers(scene: Scene) -> None:
    (first,) = scene.place(ALICE, replace(OUT, leg=None))
    _, back = scene.say(challenged(first), CARRIER.way)
    assert (back.method, len(back.all("Proxy-Authenticate")), back.way) == ("407", 1, ALICE.way)


def test_the_callers_own_credentials_give_way_to_ours(scene: Scene) -> None:
    own = ['Proxy-Authorization: Digest username="x", realm="carrier", nonce="n", uri="sip:x", response="0"']
    (first,) = scene.place(ALICE, data=ALICE.invite(more=own), verdict=Forward(((OUT,),)))
    _, second = scene.say(challenged(first), CARRIER.way)
    assert len(second.all("Proxy-Authorization")) == 1
    proof(second)


def test_whoever_hangs_up_meanwhile_is_not_called_for_again(scene: Scene) -> None:
    invite = ALICE.invite()
    (first,) = scene.place(ALICE, OUT, data=invite)
    scene.say(first.answer(100), CARRIER.way)
    via = invite.split(b"Via: ")[1].split(b"\r\n")[0].decode()
    scene.say(ALICE.request("CANCEL", via=via), ALICE.way)
    assert methods(scene.say(challenged(first), CARRIER.way)) == ["ACK", "487"]


def test_a_cancel_names_the_request_that_rings(scene: Scene) -> None:
    invite = ALICE.invite()
    (first,) = scene.place(ALICE, OUT, data=invite)
    _, second = scene.say(challenged(first), CARRIER.way)
    scene.say(second.answer(180), CARRIER.way)
    via = invite.split(b"Via: ")[1].split(b"\r\n")[0].decode()
    cancel = scene.say(ALICE.request("CANCEL", via=via), ALICE.way)[-1]
    assert (cancel.method, cancel.one("CSeq"), cancel.vias[0]) == ("CANCEL", "2 CANCEL", second.vias[0])


def test_the_next_trunk_is_tried_after_one_that_does_not_want_us(scene: Scene) -> None:
    next_one = Hop(NUMBER, ELSEWHERE)
    (first,) = scene.place(ALICE, verdict=Forward(((OUT,), (next_one,))))
    _, second = scene.say(challenged(first), CARRIER.way)
    _, other = scene.say(challenged(second), CARRIER.way)
    assert (other.way, other.one("CSeq"), other.all("Proxy-Authorization")) == (ELSEWHERE, "1 INVITE", [])


def test_a_message_is_answered_for_as_well(scene: Scene) -> None:
    scene.say(ALICE.request("MESSAGE", body=b"Hello"), ALICE.way)
    (first,) = scene.decide(Forward(((OUT,),)))
    (second,) = scene.say(challenged(first), CARRIER.way)
    proof(second)
    (done,) = scene.say(second.answer(200, "OK"), CARRIER.way)
    assert (done.method, done.one("CSeq")) == ("200", "1 MESSAGE")


BEGINS = replace(OUT, trunk=TRUNK)
PLAIN = Hop(NUMBER, CARRIER.way, trunk=TRUNK)


@pytest.mark.parametrize("status", [200, 403, 486, 503])
def test_the_final_answer_of_a_carrier_is_told(scene: Scene, status: int) -> None:
    (first,) = scene.place(ALICE, PLAIN)
    scene.say(first.answer(180, "Ringing"), CARRIER.way)
    assert scene.told == []
    scene.say(first.answer(status, "As \x1b it \x07 says"), CARRIER.way)
    assert scene.told == [CarrierAnswer(TRUNK, status, "As  it  says")]


def test_whether_our_password_was_refused_or_none_was_there_is_told(scene: Scene) -> None:
    (first,) = scene.place(ALICE, PLAIN)
    scene.say(challenged(first), CARRIER.way)
    assert scene.told == [CarrierAnswer(TRUNK, 407, "Prove it")]

    scene = Scene()
    _, again = asked_again(scene, BEGINS)
    assert scene.told == []
    scene.say(challenged(again, nonce="n2"), CARRIER.way)
    assert scene.told == [CarrierAnswer(TRUNK, 407, "Prove it", proven=True)]


def test_a_carrier_that_says_nothing_is_told_also_where_the_next_is_tried(scene: Scene) -> None:
    other = Phone("49301234", ELSEWHERE, "192.0.2.99")
    scene.place(ALICE, verdict=Forward(((PLAIN,), (replace(PLAIN, destination=other.way),))))
    (second,) = [one for one in scene.wait(5) if one.way == other.way][:1]
    assert scene.told == [CarrierAnswer(TRUNK, None)]
    scene.say(second.answer(200, "OK"), other.way)
    assert [one.status for one in scene.told] == [None, 200]

    alone = Scene()
    alone.place(ALICE, PLAIN)
    alone.wait(40)
    assert alone.told == [CarrierAnswer(TRUNK, None)]


def test_what_we_ended_ourselves_and_what_is_no_carriers_is_not_told(scene: Scene) -> None:
    invite = ALICE.invite(via="SIP/2.0/UDP 10.0.0.7;rport;branch=z9hG4bKgone")
    (first,) = scene.place(ALICE, PLAIN, data=invite)
    scene.say(first.answer(180, "Ringing"), CARRIER.way)
    cancel = ALICE.request("CANCEL", via="SIP/2.0/UDP 10.0.0.7;rport;branch=z9hG4bKgone")
    scene.say(cancel, ALICE.way)
    scene.say(first.answer(487, "Request Terminated"), CARRIER.way)
    (second,) = scene.place(replace(ALICE, call_id="call-2"), OUT)
    scene.say(second.answer(403, "Forbidden"), CARRIER.way)
    assert scene.told == []
