"""RFC 3261 §16.4 and §12.2: what a Route says to us, and who is believed."""

import pytest

from apps.calls.tokens import Ends, make_token
from apps.calls.values import Forward
from apps.sipserver.events import Origin
from tests.calls.scene import US, Heard, Known, Phone, Scene, hop, methods

ALICE = Phone("1001")
BOB = Phone("1002", ("203.0.113.9", 5062), "10.0.0.9")


def answered(scene: Scene, caller: Phone = ALICE, callee: Phone = BOB) -> Heard:
    """A call is set up: the 200 as the caller hears it."""
    (invite,) = scene.place(caller, hop(callee))
    (ok,) = scene.say(invite.answer(200, more=[f"Contact: <{callee.contact}>"]), callee.way)
    return ok


def within(sender: Phone, method: str, ok: Heard, routes: list[str], *, cseq: int = 2) -> bytes:
    """A request of the caller within the dialog."""
    return sender.request(
        method, BOB.contact, cseq=cseq, to=ok.one("To"), more=[f"Route: {r}" for r in routes]
    )


def test_p08_routes_that_name_us_are_gone_from_the_question() -> None:
    scene = Scene()
    scene.say(ALICE.invite(more=["Route: <sip:pbx.example;lr>, <sip:192.0.2.1:5060;lr>"]), ALICE.way)
    (ask,) = scene.asks
    assert ask.request.values("route") == ()
    assert "route" not in {name for name, _ in ask.request.headers}
    (sent,) = scene.decide(Forward(((hop(BOB),),)))
    assert sent.all("Route") == []


def test_p09_a_strict_router_before_us_is_understood() -> None:
    scene = Scene()
    ok = answered(scene)
    ours = ok.one("Record-Route").strip("<>")
    data = ALICE.request("BYE", ours, cseq=2, to=ok.one("To"), more=[f"Route: <{BOB.contact}>"])
    (bye,) = scene.say(data, ALICE.way)
    assert (bye.start, bye.way, bye.all("Route")) == (f"BYE {BOB.contact} SIP/2.0", BOB.way, [])


@pytest.mark.parametrize(
    "routes", [["<sip:203.0.113.66;lr>"], ["<sip:pbx.example;lr>", "<sip:203.0.113.66;lr>"]]
)
def test_p10_a_route_of_others_is_not_followed(routes: list[str]) -> None:
    scene = Scene()
    sent = scene.say(ALICE.invite(more=[f"Route: {route}" for route in routes]), ALICE.way)
    assert methods(sent) == ["403"]
    assert not scene.asks


def test_p10_a_route_that_cannot_be_read_is_400() -> None:
    assert methods(Scene().say(ALICE.invite(more=['Route: "<sip:x']), ALICE.way)) == ["400"]


def test_p11_a_forged_token_is_403() -> None:
    scene = Scene()
    ok = answered(scene)
    forged = make_token(b"x" * 32, Ends(ALICE.way, ("203.0.113.66", 5060)), ALICE.call_id, "1001tag")
    assert methods(scene.say(within(ALICE, "BYE", ok, [f"<sip:{forged}@{US};lr>"]), ALICE.way)) == ["403"]


@pytest.mark.parametrize("position", range(0, 36, 3))
def test_p11_a_token_with_a_letter_changed_is_403(position: int) -> None:
    scene = Scene()
    ok = answered(scene)
    route = ok.one("Record-Route")
    at = route.index(":") + 1 + position
    bent = route[:at] + ("B" if route[at] == "A" else "A") + route[at + 1 :]
    assert methods(scene.say(within(ALICE, "BYE", ok, [bent]), ALICE.way)) == ["403"]


def test_p11_the_token_of_another_call_is_403() -> None:
    scene = Scene()
    ok = answered(scene)
    other = Phone("1001", call_id="call-2")
    assert methods(scene.say(within(other, "BYE", ok, [ok.one("Record-Route")]), ALICE.way)) == ["403"]
    stranger = Phone("1003", ("198.51.100.99", 5060))
    data = stranger.request("BYE", BOB.contact, to="<sip:1002@pbx.example>;tag=guess", cseq=2)
    data = data.replace(b"Max-", f"Route: {ok.one('Record-Route')}\r\nMax-".encode())
    assert methods(scene.say(data, stranger.way)) == ["403"]


def test_p11_a_token_in_a_request_that_begins_something_leads_nowhere() -> None:
    """Who was disabled since cannot call again on the strength of an old call."""
    scene = Scene()
    ok = answered(scene)
    sent = scene.say(ALICE.invite(more=[f"Route: {ok.one('Record-Route')}"], cseq=7), ALICE.way)
    assert methods(sent) == ["100"]
    assert len(scene.asks) == 1


def test_p12_what_was_put_in_twice_is_taken_out_twice() -> None:
    browser = Phone("1001", Origin("198.51.100.7", 50000, "WSS", "w:7"), "x.invalid")
    scene = Scene()
    ok = answered(scene, browser)
    routes = list(reversed(ok.all("Record-Route")))
    assert len(routes) == 2
    (bye,) = scene.say(within(browser, "BYE", ok, routes), browser.way)
    assert (bye.way, bye.all("Route")) == (BOB.way, [])


def test_p12_our_preloaded_route_before_the_token_is_taken_out_too() -> None:
    scene = Scene()
    ok = answered(scene)
    (bye,) = scene.say(within(ALICE, "BYE", ok, ["<sip:pbx.example;lr>", ok.one("Record-Route")]), ALICE.way)
    assert (bye.way, bye.all("Route")) == (BOB.way, [])


def test_p12_our_token_is_known_under_a_name_we_lost() -> None:
    ok = answered(Scene())
    renamed = Scene(names=Known(secure="192.0.2.77:443"))
    route = ok.one("Record-Route").replace(US, "old.example:5070")
    (bye,) = renamed.say(within(ALICE, "BYE", ok, [route]), ALICE.way)
    assert bye.way == BOB.way


def test_p69_a_further_route_below_ours_stays_and_the_flow_is_the_tokens() -> None:
    scene = Scene()
    ok = answered(scene)
    edge = "<sip:edge.example;lr>"
    (bye,) = scene.say(within(ALICE, "BYE", ok, [ok.one("Record-Route"), edge]), ALICE.way)
    assert (bye.way, bye.all("Route")) == (BOB.way, [edge])


def test_p25_a_strict_router_after_us_gets_its_own_uri_first() -> None:
    scene = Scene()
    ok = answered(scene)
    (bye,) = scene.say(within(ALICE, "BYE", ok, [ok.one("Record-Route"), "<sip:old.example>"]), ALICE.way)
    assert bye.start == "BYE sip:old.example SIP/2.0"
    assert bye.all("Route") == [f"<{BOB.contact}>"]
