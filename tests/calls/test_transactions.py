"""RFC 3261 §17 and RFC 6026: repeats, timers, and what belongs together."""

import pytest

from apps.calls.values import Forward, Refuse
from apps.sipserver.events import Origin
from tests.calls.scene import Heard, Phone, Scene, hop, methods

ALICE = Phone("1001")
BOB = Phone("1002", ("203.0.113.2", 5060), "10.0.0.2")
ON_TCP = Phone("1002", Origin("203.0.113.2", 40000, "TCP", "w:9"), "10.0.0.2")
FROM_TCP = Phone("1001", Origin("198.51.100.7", 40001, "TCP", "w:8"))
VIA = "SIP/2.0/UDP 10.0.0.7;rport;branch=z9hG4bKone"


def times(scene: Scene, seconds: float, to: object, step: float = 0.5) -> list[float]:
    """When something left to that address, in seconds from now."""
    started, found = scene.now, []
    while scene.now < started + seconds:
        found += [scene.now - started for one in scene.wait(step) if one.way == to]
    return found


def message(scene: Scene, caller: Phone, callee: Phone) -> Heard:
    scene.say(caller.request("MESSAGE"), caller.way)
    (sent,) = scene.decide(Forward(((hop(callee),),)))
    return sent


def test_p57_an_invite_over_udp_is_repeated_at_doubling_intervals() -> None:
    scene = Scene()
    scene.place(ALICE, hop(BOB))
    assert times(scene, 33, BOB.way) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


def test_p58_a_provisional_ends_the_repeats() -> None:
    scene = Scene()
    (invite,) = scene.place(ALICE, hop(BOB))
    scene.wait(1)
    scene.say(invite.answer(100), BOB.way)
    assert scene.wait(60) == []


def test_p59_without_any_answer_an_invite_is_408_after_64_t1() -> None:
    scene = Scene()
    scene.place(ALICE, hop(BOB))
    assert not [one for one in scene.wait(31.9) if one.way == ALICE.way]
    assert methods(scene.wait(0.2)) == ["408"]


def test_p60_nothing_is_repeated_over_a_connection() -> None:
    scene = Scene()
    scene.place(FROM_TCP, hop(ON_TCP))
    assert methods(scene.wait(31)) == []
    (answer,) = scene.wait(2)
    assert (answer.method, answer.way) == ("408", FROM_TCP.way)
    assert scene.wait(60) == []
    message(scene, FROM_TCP, ON_TCP)
    assert scene.wait(60) == []


def test_p61_the_ack_of_a_refusal_is_ours_and_repeated() -> None:
    scene = Scene()
    path = ("<sip:edge.example;lr>",)
    (invite,) = scene.place(ALICE, hop(BOB, path))
    ack, _ = scene.say(invite.answer(486, tag="busy"), BOB.way)
    assert ack.start == invite.start.replace("INVITE", "ACK")
    assert ack.vias == invite.vias[:1]
    assert (ack.one("CSeq"), ack.one("To"), ack.all("Route")) == (
        "1 ACK",
        f"{invite.one('To')};tag=busy",
        list(path),
    )
    assert ack.way == BOB.way
    (again,) = scene.say(invite.answer(486, tag="busy"), BOB.way)
    assert again.data == ack.data


def test_p62_anything_else_over_udp_is_repeated_up_to_every_4_s() -> None:
    scene = Scene()
    message(scene, ALICE, BOB)
    assert times(scene, 16, BOB.way) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5]


def test_p62_after_a_provisional_it_is_repeated_every_4_s() -> None:
    scene = Scene()
    sent = message(scene, ALICE, BOB)
    scene.wait(0.1)
    scene.say(sent.answer(100), BOB.way)
    assert times(scene, 9, BOB.way, 0.1) == pytest.approx([0.4, 4.4, 8.4])


def test_p63_nobody_says_408_to_anything_but_an_invite() -> None:
    scene = Scene()
    sent = message(scene, ALICE, BOB)
    assert {one.way for one in scene.wait(40)} == {BOB.way}
    assert scene.proxy.transactions == 0
    assert scene.say(sent.answer(408), BOB.way) == []


def test_p64_a_refusal_over_udp_is_repeated_until_64_t1() -> None:
    scene = Scene()
    scene.say(ALICE.invite(), ALICE.way)
    scene.decide(Refuse(404, "Not Found"))
    assert times(scene, 40, ALICE.way) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert scene.proxy.transactions == 0


def test_p64_a_refusal_over_a_connection_leaves_once() -> None:
    scene = Scene()
    scene.say(FROM_TCP.invite(), FROM_TCP.way)
    assert methods(scene.decide(Refuse(404, "Not Found"))) == ["404"]
    assert scene.wait(60) == []


def test_p65_the_final_answer_to_anything_else_is_said_again_when_asked() -> None:
    scene = Scene()
    data = ALICE.request("MESSAGE")
    scene.say(data, ALICE.way)
    (sent,) = scene.decide(Forward(((hop(BOB),),)))
    assert scene.say(data, ALICE.way) == [], "nothing to say yet"
    (ok,) = scene.say(sent.answer(200), BOB.way)
    (again,) = scene.say(data, ALICE.way)
    assert again.data == ok.data
    scene.wait(33)
    assert scene.proxy.transactions == 0


def test_p66_a_repeat_gets_the_last_provisional() -> None:
    scene = Scene()
    data = ALICE.invite()
    (invite,) = scene.place(ALICE, hop(BOB), data=data)
    (ringing,) = scene.say(invite.answer(180), BOB.way)
    (again,) = scene.say(data, ALICE.way)
    assert again.data == ringing.data


def test_p66_requests_of_rfc_2543_are_told_apart_without_a_cookie() -> None:
    scene = Scene()
    via = "SIP/2.0/UDP 10.0.0.7"
    data = ALICE.invite(via=via)
    scene.say(data, ALICE.way)
    (refused,) = scene.decide(Refuse(404, "Not Found"))
    scene.say(data, ALICE.way)
    assert not scene.asks
    assert scene.say(ALICE.request("ACK", via=via, to=refused.one("To")), ALICE.way) == []
    assert scene.wait(60) == []
    assert methods(scene.say(ALICE.invite(via=via, cseq=2), ALICE.way)) == ["100"]
    assert len(scene.asks) == 1


def test_p67_the_same_branch_from_elsewhere_is_another_transaction() -> None:
    scene = Scene()
    scene.say(ALICE.invite(via=VIA), ALICE.way)
    scene.say(ALICE.invite(via=VIA), ("198.51.100.99", 5060))
    assert len(scene.asks) == 2


def test_p67_a_branch_used_again_for_the_next_request_is_another_transaction() -> None:
    scene = Scene()
    scene.say(ALICE.invite(via=VIA), ALICE.way)
    scene.say(ALICE.invite(via=VIA, cseq=2), ALICE.way)
    assert len(scene.asks) == 2


def test_p68_an_invite_that_was_answered_and_comes_again_is_absorbed() -> None:
    scene = Scene()
    data = ALICE.invite()
    (invite,) = scene.place(ALICE, hop(BOB), data=data)
    scene.say(invite.answer(200), BOB.way)
    assert scene.say(data, ALICE.way) == []
    scene.wait(31)
    assert scene.say(data, ALICE.way) == []
    assert not scene.asks


def test_p68_the_2xx_passes_again_for_64_t1() -> None:
    scene = Scene()
    scene.proxy._layer.key = b"z" * 32  # so that no token helps
    (invite,) = scene.place(ALICE, hop(BOB))
    ok = invite.answer(200)
    scene.say(ok, BOB.way)
    scene.wait(31.9)
    assert methods(scene.say(ok, BOB.way)) == ["200"]
    scene.wait(1)
    assert not scene.proxy._layer.clients
