"""RFC 3261 §16.5 and §16.7: several hops, and which of their answers goes back."""

import pytest

from apps.calls.values import Forward, Refuse
from apps.sipserver.events import Origin
from tests.calls.scene import Heard, Phone, Scene, hop, methods

ALICE = Phone("1001")
PHONES = [Phone(f"100{n}", (f"203.0.113.{n}", 5060), f"10.0.0.{n}") for n in range(2, 6)]
B, C, D, E = PHONES


def finals(scene: Scene, sent: list[Heard], *statuses: int) -> list[Heard]:
    """Each phone answers in turn; what the caller hears in all."""
    out: list[Heard] = []
    for one, status in zip(sent, statuses, strict=True):
        challenge = [f'Proxy-Authenticate: Digest realm="r{status}"'] if status in (401, 407) else []
        out += scene.say(one.answer(status, more=challenge), one.way)
    return [one for one in out if one.way == ALICE.way]


def test_p14_a_refusal_is_repeated_until_its_ack() -> None:
    scene = Scene()
    data = ALICE.invite()
    scene.say(data, ALICE.way)
    headers = (("Proxy-Authenticate", 'Digest realm="pbx.example"'),)
    (refused,) = scene.decide(Refuse(407, "Proxy Authentication Required", headers))
    assert refused.start == "SIP/2.0 407 Proxy Authentication Required"
    assert refused.one("Proxy-Authenticate") == 'Digest realm="pbx.example"'
    assert ";tag=" in refused.one("To")
    assert [one.data for one in scene.wait(1)] == [refused.data]
    via = data.split(b"\r\n")[1].decode().partition(": ")[2]
    assert scene.say(ALICE.request("ACK", via=via, to=refused.one("To")), ALICE.way) == []
    assert scene.wait(60) == []


def test_p15_the_hops_of_a_group_ring_at_once_and_groups_in_turn() -> None:
    scene = Scene()
    first = scene.place(ALICE, verdict=Forward(((hop(B), hop(C)), (hop(D),))))
    assert [one.way for one in first] == [B.way, C.way]
    assert methods(scene.say(first[0].answer(486), B.way)) == ["ACK"]
    ack, invite = scene.say(first[1].answer(480), C.way)
    assert (ack.method, invite.method, invite.way) == ("ACK", "INVITE", D.way)
    _, busy = scene.say(invite.answer(404), D.way)
    assert busy.method == "486"


def test_p16_a_group_that_rang_long_enough_is_cancelled_and_the_next_rings() -> None:
    scene = Scene()
    (invite,) = scene.place(ALICE, verdict=Forward(((hop(B),), (hop(C),)), ring_s=20))
    scene.say(invite.answer(180), B.way)
    cancel, second = scene.wait(20)
    assert (cancel.method, cancel.way, cancel.all("Reason")) == ("CANCEL", B.way, [])
    assert (second.method, second.way) == ("INVITE", C.way)
    scene.say(cancel.answer_cancel(), B.way)
    assert methods(scene.say(invite.answer(487), B.way)) == ["ACK"]
    scene.say(second.answer(180), C.way)
    (cancel,) = scene.wait(20)
    assert methods(scene.say(second.answer(487), C.way)) == ["ACK", "408"]


def test_p16_one_that_answers_after_its_time_wins_still() -> None:
    scene = Scene()
    (invite,) = scene.place(ALICE, verdict=Forward(((hop(B),), (hop(C),)), ring_s=20))
    scene.say(invite.answer(180), B.way)
    _, second = scene.wait(20)
    scene.say(second.answer(180), C.way)
    assert methods(scene.say(invite.answer(200), B.way)) == ["200", "CANCEL"]


def test_p17_no_more_than_20_hops_in_all() -> None:
    many = tuple(hop(B) for _ in range(15))
    scene = Scene()
    sent = scene.place(ALICE, verdict=Forward((many, many)))
    out = [one for invite in sent for one in scene.say(invite.answer(486), B.way)]
    assert len(sent) + sum(one.method == "INVITE" for one in out) == 20


def test_p18_a_verdict_without_hops_is_480() -> None:
    scene = Scene()
    assert methods(scene.place(ALICE, verdict=Forward(()))) == ["480"]
    assert methods(scene.place(Phone("1001", call_id="c2"), verdict=Forward(((), ())))) == ["480"]


def test_p32_answers_lose_our_via_and_nothing_else() -> None:
    scene = Scene()
    (invite,) = scene.place(ALICE, hop(B))
    data = invite.answer(183, "Session  Progress", ["x-ODD :  y", "X-Fold: a\r\n  b"])
    data = data.replace(b"Content-Length: 0\r\n\r\n", b"Content-Length: 3\r\n\r\n\x00\xffx")
    (back,) = scene.say(data, B.way)
    assert back.data == data.replace(f"Via: {invite.vias[0]}\r\n".encode(), b"")
    assert back.way == ALICE.way


def test_p32_of_vias_in_one_line_the_first_goes() -> None:
    scene = Scene()
    (invite,) = scene.place(ALICE, hop(B))
    data = invite.answer(180).replace(b"\r\nVia: SIP/2.0/UDP 10.0.0.7", b" , SIP/2.0/UDP 10.0.0.7")
    (back,) = scene.say(data, B.way)
    assert back.vias == invite.vias[1:]


def test_p33_an_answer_without_another_via_is_dropped() -> None:
    scene = Scene()
    (invite,) = scene.place(ALICE, hop(B))
    assert scene.say(invite.answer(180).replace(f"Via: {invite.vias[1]}\r\n".encode(), b""), B.way) == []


@pytest.mark.parametrize("branch", ["z9hG4bKcall.", "z9hG4bKcall.0123456789ab.u77", "z9hG4bKother"])
def test_p33_an_answer_to_nothing_we_sent_is_dropped(branch: str) -> None:
    scene = Scene()
    (invite,) = scene.place(ALICE, hop(B))
    ours = invite.vias[0].partition("branch=")[2]
    for status in (180, 302, 486, 603):
        assert scene.say(invite.answer(status).replace(ours.encode(), branch.encode()), B.way) == []


def test_p34_a_hundred_stays_here_and_other_provisionals_go_back() -> None:
    scene = Scene()
    (invite,) = scene.place(ALICE, hop(B))
    assert scene.say(invite.answer(100), B.way) == []
    assert methods(scene.say(invite.answer(180), B.way)) == ["180"]
    assert methods(scene.say(invite.answer(183), B.way)) == ["183"]


@pytest.mark.parametrize("final", [200, 486])
def test_p34_a_180_that_its_final_answer_overtook_goes_no_further(final: int) -> None:
    """Two workers read one socket: what came first may be handed over last."""
    scene = Scene()
    (invite,) = scene.place(ALICE, hop(B))
    assert str(final) in methods(scene.say(invite.answer(final), B.way))
    assert scene.say(invite.answer(180), B.way) == []


def test_p34_once_one_has_answered_nobody_hears_the_others_ring() -> None:
    scene = Scene()
    answers, rings = scene.place(ALICE, hop(B), hop(C))
    assert methods(scene.say(answers.answer(200), B.way)) == ["200"]
    assert methods(scene.say(rings.answer(180), C.way)) == ["CANCEL"]


def test_p35_every_2xx_goes_back() -> None:
    scene = Scene()
    one, two = scene.place(ALICE, hop(B), hop(C))
    assert "200" in methods(scene.say(one.answer(200, tag="b"), B.way))
    (late,) = scene.say(two.answer(200, tag="c"), C.way)
    assert (late.method, late.way) == ("200", ALICE.way)
    assert methods(scene.say(one.answer(200, tag="b"), B.way)) == ["200"], "its repeat"


def test_p36_the_first_to_answer_wins_and_the_others_are_told_so() -> None:
    scene = Scene()
    one, two, silent = scene.place(ALICE, hop(B), hop(C), hop(D))
    scene.say(two.answer(180), C.way)
    ok, cancel = scene.say(one.answer(200), B.way)
    assert (ok.method, ok.way) == ("200", ALICE.way)
    assert (cancel.method, cancel.way) == ("CANCEL", C.way)
    assert cancel.one("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    scene.say(cancel.answer_cancel(), C.way)
    assert methods(scene.say(two.answer(487), C.way)) == ["ACK"]
    assert methods(scene.say(silent.answer(180), D.way)) == ["CANCEL"], "as soon as it says anything"


def test_p37_a_6xx_ends_it_for_all() -> None:
    scene = Scene()
    one, two = scene.place(ALICE, verdict=Forward(((hop(B), hop(C)), (hop(D),))))
    scene.say(two.answer(180), C.way)
    _, cancel = scene.say(one.answer(603), B.way)
    assert (cancel.method, cancel.way, cancel.one("Reason")) == ("CANCEL", C.way, "SIP;cause=603")
    assert methods(scene.say(two.answer(487), C.way)) == ["ACK", "603"]


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ((486, 302), "302"),
        ((500, 486), "486"),
        ((404, 603), "603"),
        ((486, 484), "484"),
        ((486, 415), "415"),
        ((408, 486), "486"),
        ((486, 480), "486"),
        ((503, 500), "500"),
        ((503, 502), "502"),
        ((503, 404), "404"),
    ],
)
def test_p38_the_best_answer_goes_back(statuses: tuple[int, int], best: str) -> None:
    scene = Scene()
    assert methods(finals(scene, scene.place(ALICE, hop(B), hop(C)), *statuses)) == [best]


def test_p39_all_challenges_go_back_together() -> None:
    scene = Scene()
    (back,) = finals(scene, scene.place(ALICE, hop(B), hop(C), hop(D)), 486, 401, 407)
    assert back.method == "401"
    assert back.all("Proxy-Authenticate") == ['Digest realm="r401"', 'Digest realm="r407"']


def test_p40_a_503_goes_back_as_500() -> None:
    scene = Scene()
    (back,) = finals(scene, scene.place(ALICE, hop(B)), 503)
    assert back.start == "SIP/2.0 500 Server Internal Error"


def test_p41_of_anything_but_an_invite_one_final_answer_goes_back() -> None:
    scene = Scene()
    scene.say(ALICE.request("MESSAGE"), ALICE.way)
    one, two = scene.decide(Forward(((hop(B), hop(C)),)))
    assert methods(scene.say(one.answer(200), B.way)) == ["200"]
    assert scene.say(two.answer(200), C.way) == []


def test_p42_where_nobody_answers_it_is_408() -> None:
    scene = Scene()
    scene.place(ALICE, hop(B))
    assert next(one for one in scene.wait(33) if one.way == ALICE.way).method == "408"


def test_p43_a_2xx_after_a_restart_finds_its_caller() -> None:
    browser = Phone("1001", Origin("198.51.100.7", 50000, "WSS", "w:7"), "x.invalid")
    (invite,) = Scene().place(browser, hop(B))
    again = Scene()
    (ok,) = again.say(invite.answer(200), B.way)
    assert (ok.way, ok.vias) == (browser.way, invite.vias[1:])
    assert again.say(invite.answer(180), B.way) == []
    assert Scene(key=b"x" * 32).say(invite.answer(200), B.way) == [], "not one we made"


def test_p44_a_2xx_goes_back_even_after_another_final_answer() -> None:
    scene = Scene()
    (invite,) = scene.place(ALICE, hop(B))
    scene.say(invite.answer(180), B.way)
    scene.wait(181 + 33)  # Timer C, and no answer to the CANCEL: 408 went back
    assert methods(scene.say(invite.answer(200), B.way)) == ["200"]


def test_p46_a_hop_that_cannot_be_reached_is_over_and_the_others_decide() -> None:
    scene = Scene()
    on_tcp = Phone("1002", Origin("203.0.113.2", 40000, "TCP", "w:9"))
    _, two = scene.place(ALICE, hop(on_tcp), hop(C))
    assert scene.closed("w:9") == []
    assert methods(scene.say(two.answer(603), C.way))[-1] == "603"


def test_p47_a_lost_connection_counts_as_430_and_is_480_to_the_caller() -> None:
    scene = Scene()
    on_tcp = Phone("1002", Origin("203.0.113.2", 40000, "TCP", "w:9"))
    scene.place(ALICE, verdict=Forward(((hop(on_tcp),), (hop(C),))))
    (second,) = scene.closed("w:9", "w:10")
    assert second.way == C.way
    assert methods(scene.say(second.answer(430), C.way))[-1] == "480"


@pytest.mark.parametrize("length", ["9", "-1", "x", "0\r\nContent-Length: 3", "99999999999999999999999"])
def test_p48_an_answer_that_came_cut_short_is_dropped(length: str) -> None:
    scene = Scene()
    (invite,) = scene.place(ALICE, hop(B))
    data = invite.answer(180).replace(b"Content-Length: 0", f"Content-Length: {length}".encode())
    assert scene.say(data + b"1234", B.way) == []


def test_p48_an_answer_that_goes_to_a_stream_says_its_length() -> None:
    scene = Scene()
    (invite,) = scene.place(ALICE, hop(B))
    (back,) = scene.say(invite.answer(183).replace(b"Content-Length: 0\r\n", b"") + b"v=0\r\n", B.way)
    assert back.one("Content-Length") == "5"


def test_p49_an_answer_to_another_method_under_our_branch_is_dropped() -> None:
    scene = Scene()
    (invite,) = scene.place(ALICE, hop(B))
    assert scene.say(invite.answer(486).replace(b"CSeq: 1 INVITE", b"CSeq: 1 BYE"), B.way) == []
    assert scene.say(invite.answer(200).replace(b"CSeq: 1 INVITE", b"CSeq: 1 CANCEL"), B.way) == []
