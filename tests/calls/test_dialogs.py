"""RFC 3261 §12.2, §16.11, RFC 5626 §5.3 and RFC 6665: what belongs to a call that is up, with nothing remembered."""

import pytest

from apps.sipserver.events import Origin
from tests.calls.scene import Heard, Phone, Scene, Way, hop, methods

UDP: Way = ("203.0.113.9", 5062)
V6: Way = ("2001:db8::7", 5060)
LINK_LOCAL: Way = ("fe80::1%eth0", 5060)
KNOWN: Way = Origin("203.0.113.9", 5062, "UDP", None, b"\x7f\x00\x00\x01")
TCP: Way = Origin("203.0.113.9", 41000, "TCP", "w3:12")
TLS: Way = Origin("203.0.113.9", 41001, "TLS", "w3:13")
WS: Way = Origin("2001:db8::9", 41002, "WS", "w3:14")
WSS: Way = Origin("203.0.113.9", 41003, "WSS", "w3:15")
WAYS = [UDP, V6, LINK_LOCAL, KNOWN, TCP, TLS, WS, WSS]


def alice(way: Way = ("198.51.100.7", 5060)) -> Phone:
    return Phone("1001", way)


def bob(way: Way = UDP) -> Phone:
    return Phone("1002", way, "10.0.0.9")


def set_up(scene: Scene, caller: Phone, callee: Phone) -> Heard:
    (invite,) = scene.place(caller, hop(callee))
    (ok,) = scene.say(invite.answer(200, more=[f"Contact: <{callee.contact}>"]), callee.way)
    return ok


def by_caller(method: str, ok: Heard, caller: Phone, callee: Phone, cseq: int = 2) -> bytes:
    routes = [f"Route: {value}" for value in reversed(ok.all("Record-Route"))]
    return caller.request(method, callee.contact, cseq=cseq, to=ok.one("To"), more=routes)


def by_callee(method: str, ok: Heard, caller: Phone, callee: Phone, cseq: int = 7) -> bytes:
    routes = [f"Route: {value}" for value in ok.all("Record-Route")]
    return callee.request(
        method, caller.contact, cseq=cseq, from_=ok.one("To"), to=ok.one("From"), more=routes
    )


@pytest.mark.parametrize("way", WAYS)
def test_p70_after_a_restart_bye_goes_both_ways(way: Way) -> None:
    caller, callee = alice(way), bob()
    ok = set_up(Scene(), caller, callee)
    (bye,) = Scene().say(by_caller("BYE", ok, caller, callee), caller.way)
    assert (bye.method, bye.way, bye.start) == ("BYE", callee.way, f"BYE {callee.contact} SIP/2.0")
    again = Scene()
    (bye,) = again.say(by_callee("BYE", ok, caller, callee), callee.way)
    assert (bye.way, bye.start) == (caller.way, f"BYE {caller.contact} SIP/2.0")
    (ok,) = again.say(bye.answer(200), caller.way)
    assert (ok.method, ok.way) == ("200", callee.way)


@pytest.mark.parametrize("way", WAYS)
def test_p75_the_token_names_the_connection_of_the_callee(way: Way) -> None:
    caller, callee = alice(), bob(way)
    ok = set_up(Scene(), caller, callee)
    (bye,) = Scene().say(by_caller("BYE", ok, caller, callee), caller.way)
    assert bye.way == way


@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY", "MESSAGE"])
def test_p71_requests_within_a_dialog_go_on_without_a_question(method: str) -> None:
    scene, caller, callee = Scene(), alice(), bob()
    ok = set_up(scene, caller, callee)
    sent = scene.say(by_caller(method, ok, caller, callee), caller.way)
    assert methods(sent) == (["100", "INVITE"] if method == "INVITE" else [method])
    assert not scene.asks
    (back,) = [one for one in scene.say(sent[-1].answer(200), callee.way) if one.request is None]
    assert (back.method, back.way) == ("200", caller.way)
    assert methods(scene.wait(0.6)) == [], "it is a transaction, and over"


def test_p71_a_request_within_a_dialog_is_repeated_until_answered() -> None:
    scene, caller, callee = Scene(), alice(), bob()
    ok = set_up(scene, caller, callee)
    scene.say(by_caller("BYE", ok, caller, callee), caller.way)
    assert methods(scene.wait(2)) == ["BYE", "BYE"]


def test_p72_the_ack_of_a_2xx_goes_on_and_nothing_is_kept_of_it() -> None:
    scene, caller, callee = Scene(), alice(), bob()
    ok = set_up(scene, caller, callee)
    data = by_caller("ACK", ok, caller, callee, 1)
    before = scene.proxy.transactions
    (ack,) = scene.say(data, caller.way)
    (again,) = scene.say(data, caller.way)
    assert (ack.method, ack.way, again.data) == ("ACK", callee.way, ack.data)
    assert scene.proxy.transactions == before


def test_p72_an_ack_under_the_branch_of_its_invite_goes_on_too() -> None:
    scene, caller, callee = Scene(), alice(), bob()
    via = caller.via()
    (invite,) = scene.place(caller, hop(callee), data=caller.invite(via=via))
    (ok,) = scene.say(invite.answer(200), callee.way)
    route = f"Route: {ok.one('Record-Route')}"
    data = caller.request("ACK", callee.contact, via=via, to=ok.one("To"), more=[route])
    assert methods(scene.say(data, caller.way)) == ["ACK"]


def test_p72_an_ack_without_our_token_is_dropped() -> None:
    scene, caller, callee = Scene(), alice(), bob()
    ok = set_up(scene, caller, callee)
    data = caller.request("ACK", callee.contact, to=ok.one("To"))
    assert scene.say(data, caller.way) == []
    forged = caller.request(
        "ACK", callee.contact, to=ok.one("To"), more=["Route: <sip:abc@192.0.2.1:5060;lr>"]
    )
    assert scene.say(forged, caller.way) == []


def test_p73_a_request_over_a_connection_that_is_gone_is_430() -> None:
    scene, caller, callee = Scene(), alice(), bob(TCP)
    ok = set_up(scene, caller, callee)
    scene.say(by_caller("INFO", ok, caller, callee), caller.way)
    (answer,) = scene.closed("w3:12")
    assert (answer.start, answer.way) == ("SIP/2.0 430 Flow Failed", caller.way)


def test_p74_what_may_come_before_the_answer_is_given_the_same_record_route() -> None:
    scene, caller, callee = Scene(), alice(), bob()
    ok = set_up(scene, caller, callee)
    (notify,) = scene.say(by_callee("NOTIFY", ok, caller, callee), callee.way)
    assert notify.all("Record-Route") == ok.all("Record-Route")
    (bye,) = scene.say(by_callee("BYE", ok, caller, callee, 9), callee.way)
    assert bye.all("Record-Route") == []


def test_p69_either_end_may_have_moved() -> None:
    scene, caller, callee = Scene(), alice(), bob()
    ok = set_up(scene, caller, callee)
    moved = ("198.51.100.200", 61000)
    (bye,) = scene.say(by_caller("BYE", ok, caller, callee), moved)
    assert bye.way == callee.way
    (back,) = scene.say(bye.answer(200), callee.way)
    assert back.way == moved


def test_p69_a_caller_without_rport_is_reached_where_its_via_says() -> None:
    scene, callee = Scene(), bob()
    carrier = Phone("1001", ("198.51.100.7", 33333))
    data = carrier.invite(via="SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKc1")
    (invite,) = scene.place(carrier, hop(callee), data=data)
    (ok,) = scene.say(invite.answer(200), callee.way)
    assert ok.way == ("198.51.100.7", 5060)
    (bye,) = scene.say(by_callee("BYE", ok, carrier, callee), callee.way)
    assert bye.way == ("198.51.100.7", 5060)
