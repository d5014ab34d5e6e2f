"""RFC 3261 §9, §16.8, §16.10 and RFC 3326: calls that are given up."""

from apps.calls.values import Forward
from apps.sipserver.events import Origin
from tests.calls.scene import Heard, Phone, Scene, hop, methods

ALICE = Phone("1001")
BOB = Phone("1002", ("203.0.113.2", 5060), "10.0.0.2")
CAROL = Phone("1003", ("203.0.113.3", 5060), "10.0.0.3")
VIA = "SIP/2.0/UDP 10.0.0.7;rport;branch=z9hG4bKtheinvite"


def cancel(caller: Phone = ALICE, *, via: str = VIA, more: tuple[str, ...] = ()) -> bytes:
    return caller.request("CANCEL", via=via, more=more)


def ringing(scene: Scene, *phones: Phone) -> list[Heard]:
    return scene.place(ALICE, *[hop(phone) for phone in phones], data=ALICE.invite(via=VIA))


def test_p50_cancel_is_200_and_reaches_who_was_heard() -> None:
    scene = Scene()
    rings, silent = ringing(scene, BOB, CAROL)
    scene.say(rings.answer(180), BOB.way)
    ok, to_bob = scene.say(cancel(), ALICE.way)
    assert (ok.start, ok.one("CSeq")) == ("SIP/2.0 200 OK", "1 CANCEL")
    assert (to_bob.method, to_bob.way) == ("CANCEL", BOB.way)
    (to_carol,) = scene.say(silent.answer(180), CAROL.way)
    assert (to_carol.method, to_carol.way) == ("CANCEL", CAROL.way)


def test_p50_our_cancel_says_of_the_invite_what_it_must() -> None:
    scene = Scene()
    path = ("<sip:edge.example;lr>",)
    (invite,) = scene.place(ALICE, hop(BOB, path), data=ALICE.invite(via=VIA))
    scene.say(invite.answer(180), BOB.way)
    _, sent = scene.say(cancel(), ALICE.way)
    assert sent.start == invite.start.replace("INVITE", "CANCEL")
    assert sent.vias == invite.vias[:1]
    assert sent.all("Route") == list(path)
    for name in ("From", "To", "Call-ID"):
        assert sent.one(name) == invite.one(name)
    assert sent.one("CSeq") == "1 CANCEL"


def test_p51_the_invite_ends_as_487_when_the_hops_have() -> None:
    scene = Scene()
    rings, also = ringing(scene, BOB, CAROL)
    scene.say(rings.answer(180), BOB.way)
    scene.say(also.answer(180), CAROL.way)
    scene.say(cancel(), ALICE.way)
    assert methods(scene.say(rings.answer(487), BOB.way)) == ["ACK"]
    ack, back = scene.say(also.answer(486), CAROL.way)
    assert (ack.method, back.method, back.way) == ("ACK", "487", ALICE.way)


def test_p51_no_further_hop_is_tried() -> None:
    scene = Scene()
    verdict = Forward(((hop(BOB),), (hop(CAROL),)))
    (invite,) = scene.place(ALICE, verdict=verdict, data=ALICE.invite(via=VIA))
    scene.say(invite.answer(180), BOB.way)
    scene.say(cancel(), ALICE.way)
    assert methods(scene.say(invite.answer(487), BOB.way)) == ["ACK", "487"]


def test_p51_the_tags_of_the_200_and_the_487_are_one() -> None:
    scene = Scene()
    scene.say(ALICE.invite(via=VIA), ALICE.way)
    ok, terminated = scene.say(cancel(), ALICE.way)
    assert ok.one("To") == terminated.one("To")


def test_p52_cancel_without_its_transaction_is_481() -> None:
    scene = Scene()
    assert methods(scene.say(cancel(), ALICE.way)) == ["481"]
    ringing(scene, BOB)
    elsewhere = ("198.51.100.8", 5060)
    assert methods(scene.say(cancel(), elsewhere)) == ["481"], "of another host"


def test_p53_cancelled_before_anybody_knew_where_to() -> None:
    scene = Scene()
    scene.say(ALICE.invite(via=VIA), ALICE.way)
    assert methods(scene.say(cancel(), ALICE.way)) == ["200", "487"]
    assert scene.decide(Forward(((hop(BOB),),))) == []


def test_p54_the_callers_reason_goes_along() -> None:
    scene = Scene()
    (invite,) = ringing(scene, BOB)
    scene.say(invite.answer(180), BOB.way)
    reasons = ('Reason: Q.850;cause=16;text="Terminated"', "Reason: SIP;cause=487")
    _, sent = scene.say(cancel(more=reasons), ALICE.way)
    assert [f"Reason: {value}" for value in sent.all("Reason")] == list(reasons)


def test_p55_a_2xx_that_crosses_the_cancel_goes_back() -> None:
    scene = Scene()
    (invite,) = ringing(scene, BOB)
    scene.say(invite.answer(180), BOB.way)
    scene.say(cancel(), ALICE.way)
    assert methods(scene.say(invite.answer(200), BOB.way)) == ["200"]


def test_p55_cancel_after_the_answer_changes_nothing() -> None:
    scene = Scene()
    (invite,) = ringing(scene, BOB)
    scene.say(invite.answer(200), BOB.way)
    assert methods(scene.say(cancel(), ALICE.way)) == ["200"]


def test_p50_a_repeated_cancel_is_200_again_and_sends_nothing_more() -> None:
    scene = Scene()
    (invite,) = ringing(scene, BOB)
    scene.say(invite.answer(180), BOB.way)
    assert methods(scene.say(cancel(), ALICE.way)) == ["200", "CANCEL"]
    assert methods(scene.say(cancel(), ALICE.way)) == ["200"]


def test_p62_our_cancel_is_repeated_until_its_200() -> None:
    scene = Scene()
    (invite,) = ringing(scene, BOB)
    scene.say(invite.answer(180), BOB.way)
    _, sent = scene.say(cancel(), ALICE.way)
    assert [one.data for one in scene.wait(1.5)] == [sent.data, sent.data]
    scene.say(sent.answer_cancel(), BOB.way)
    assert scene.wait(20) == []


def test_p51_a_hop_that_never_ends_is_given_up() -> None:
    scene = Scene()
    (invite,) = ringing(scene, BOB)
    scene.say(invite.answer(180), BOB.way)
    _, sent = scene.say(cancel(), ALICE.way)
    scene.say(sent.answer_cancel(), BOB.way)
    (back, *_) = scene.wait(33)
    assert back.method == "487"


def test_p45_timer_c_ends_what_rings_for_ever() -> None:
    scene = Scene()
    verdict = Forward(((hop(BOB),),), ring_s=10_000)
    (invite,) = scene.place(ALICE, verdict=verdict)
    scene.say(invite.answer(180), BOB.way)
    assert scene.wait(180) == []
    assert methods(scene.wait(2))[0] == "CANCEL"
    assert methods(scene.say(invite.answer(487), BOB.way)) == ["ACK", "408"]


def test_p45_a_provisional_sets_timer_c_anew_and_a_hundred_does_not() -> None:
    for status, cancelled in ((183, []), (100, ["CANCEL"])):
        scene = Scene()
        (invite,) = scene.place(ALICE, verdict=Forward(((hop(BOB),),), ring_s=10_000))
        scene.say(invite.answer(180), BOB.way)
        scene.wait(100)
        scene.say(invite.answer(status), BOB.way)
        assert methods(scene.wait(81.2)) == cancelled


def test_p56_a_caller_whose_connection_is_gone_has_hung_up() -> None:
    scene = Scene()
    browser = Phone("1001", Origin("198.51.100.7", 50000, "WSS", "w:7"), "x.invalid")
    (invite,) = scene.place(browser, hop(BOB))
    scene.say(invite.answer(180), BOB.way)
    assert methods(scene.closed("w:7")) == ["CANCEL"]
