"""A phone that is gone, and still registered: nobody waits for it longer than for phones that are there."""

import pytest

from apps.calls.response_context import LONGEST_SILENCE_S
from apps.calls.values import Forward
from tests.calls.scene import Phone, Scene, hop, methods

ALICE = Phone("1001")
GONE, BUSY, LATE = [Phone(f"100{n}", (f"203.0.113.{n}", 5060), f"10.0.0.{n}") for n in range(2, 5)]


def test_p81_busy_is_told_after_4_s_and_not_after_32() -> None:
    scene = Scene()
    _, busy = scene.place(ALICE, hop(GONE), hop(BUSY))
    assert methods(scene.say(busy.answer(486), BUSY.way)) == ["ACK"]
    assert "486" not in methods(scene.wait(LONGEST_SILENCE_S - 0.1))
    (told,) = [one for one in scene.wait(0.2) if one.way == ALICE.way]
    assert told.method == "486"


def test_p81_who_is_busy_after_that_is_told_at_once() -> None:
    scene = Scene()
    _, busy = scene.place(ALICE, hop(GONE), hop(BUSY))
    scene.say(busy.answer(180), BUSY.way)
    scene.wait(10)
    assert methods(scene.say(busy.answer(486), BUSY.way)) == ["ACK", "486"]


def test_p81_a_6xx_waits_no_longer_either() -> None:
    scene = Scene()
    _, no = scene.place(ALICE, hop(GONE), hop(BUSY))
    scene.say(no.answer(603), BUSY.way)
    assert methods([one for one in scene.wait(LONGEST_SILENCE_S) if one.way == ALICE.way]) == ["603"]


def test_p81_the_next_group_need_not_wait_for_one_that_says_nothing() -> None:
    scene = Scene()
    scene.place(ALICE, verdict=Forward(((hop(GONE),), (hop(BUSY),)), ring_s=30))
    sent = [one for one in scene.wait(LONGEST_SILENCE_S) if one.way != GONE.way]
    assert [(one.method, one.way) for one in sent] == [("INVITE", BUSY.way)]
    assert methods(scene.say(sent[0].answer(486), BUSY.way)) == ["ACK", "486"]


def test_p81_it_is_told_to_stop_whenever_it_says_something_and_wins_if_it_is_answered() -> None:
    scene = Scene()
    late, busy = scene.place(ALICE, hop(LATE), hop(BUSY))
    scene.say(busy.answer(486), BUSY.way)
    scene.wait(LONGEST_SILENCE_S)
    assert methods(scene.say(late.answer(180), LATE.way)) == ["CANCEL"]
    assert methods(scene.say(late.answer(200), LATE.way)) == ["200"]


@pytest.mark.parametrize("heard", [100, 180])
def test_p81_one_that_said_anything_is_waited_for_as_long_as_it_rings(heard: int) -> None:
    scene = Scene()
    slow, busy = scene.place(ALICE, hop(LATE), hop(BUSY))
    scene.say(slow.answer(heard), LATE.way)
    scene.say(busy.answer(486), BUSY.way)
    assert [one.method for one in scene.wait(60) if one.way == ALICE.way] == []


def test_p81_a_phone_alone_has_its_64_t1() -> None:
    scene = Scene()
    scene.place(ALICE, hop(GONE))
    assert [one.method for one in scene.wait(31.9) if one.way == ALICE.way] == []
    assert [one.method for one in scene.wait(0.2) if one.way == ALICE.way] == ["408"]


def test_p81_nothing_is_left_of_it() -> None:
    scene = Scene()
    _, busy = scene.place(ALICE, hop(GONE), hop(BUSY))
    scene.say(busy.answer(486), BUSY.way)
    scene.wait(300)
    assert (scene.proxy.transactions, scene.proxy.next_due()) == (0, None)
