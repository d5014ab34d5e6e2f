"""What is bounded: calls at once, and how long anything is remembered."""

from apps.calls.values import Forward, Refuse
from tests.calls.scene import Phone, Scene, hop, methods

BOB = Phone("1002", ("203.0.113.2", 5060), "10.0.0.2")


def caller(number: int) -> Phone:
    return Phone("1001", call_id=f"call-{number}", count=1000 * number)


def test_p76_beyond_the_most_calls_new_ones_are_503_and_soon_welcome_again() -> None:
    scene = Scene(most_calls=3)
    for number in range(3):
        assert methods(scene.say(caller(number).invite(), caller(number).way)) == ["100"]
    (refused,) = scene.say(caller(3).invite(), caller(3).way)
    assert (refused.method, refused.one("Retry-After")) == ("503", "5")
    assert (scene.proxy.refused_for_room, scene.proxy.calls, scene.proxy.transactions) == (1, 3, 3)
    for _ in range(3):
        scene.decide(Refuse(404, "Not Found"))
    scene.wait(33)
    assert methods(scene.say(caller(4).invite(), caller(4).way)) == ["100"]


def test_p76_who_is_in_a_call_may_end_it_in_any_case() -> None:
    scene = Scene(most_calls=4)
    alice = caller(0)
    (invite,) = scene.place(alice, hop(BOB))
    (ok,) = scene.say(invite.answer(200), BOB.way)
    for number in range(1, 5):
        scene.say(caller(number).invite(), caller(number).way)
    assert scene.proxy.refused_for_room == 1
    route = f"Route: {ok.one('Record-Route')}"
    bye = alice.request("BYE", BOB.contact, cseq=2, to=ok.one("To"), more=[route])
    assert methods(scene.say(bye, alice.way)) == ["BYE"]


def test_p77_nothing_is_left_of_calls_that_ended_in_any_way() -> None:
    scene = Scene(most_calls=1000)
    for number in range(60):
        who = caller(number)
        scene.say(who.invite() if number % 3 else who.request("MESSAGE"), who.way)
        if number % 10 == 9:
            continue
        sent = scene.decide(Refuse(403, "Forbidden") if number % 5 == 0 else Forward(((hop(BOB), hop(BOB)),)))
        for one in sent:
            if one.request is not None and number % 7:
                scene.say(one.answer((180, 486, 200, 603)[number % 4]), BOB.way)
        scene.asks.clear()
    scene.wait(300)
    layer = scene.proxy._layer
    assert (len(layer.servers), len(layer.clients), len(layer.asking), len(layer.timers)) == (0, 0, 0, 0)
    assert scene.proxy.next_due() is None


def test_p77_one_that_rings_is_let_go_of_when_it_is_answered() -> None:
    scene = Scene()
    (invite,) = scene.place(caller(1), hop(BOB))
    scene.say(invite.answer(180), BOB.way)
    scene.say(invite.answer(200), BOB.way)
    scene.wait(33)
    assert len(scene.proxy._layer.timers) == 0
