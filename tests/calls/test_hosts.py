"""Several SIP hosts: what another host holds goes to it, and is sent on there on that host's word alone."""

from dataclasses import dataclass
from uuid import UUID

import pytest

from apps.calls.authorizing import Caller
from apps.calls.deciding import decide
from apps.calls.hosts import Host, OtherHosts
from apps.calls.response_context import LONGEST_SILENCE_S
from apps.calls.values import Forward, Hop, Refuse
from apps.routing.answer import Owner, Target, answer
from apps.sipserver.addresses import format_address
from apps.sipserver.events import Address, Origin
from tests.calls.asking import NO_TRUNKS, request
from tests.calls.scene import Heard, Known, Phone, Scene, Way, hop, methods
from tests.routing.test_answer import AOR, target

HERE, THERE = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
ALICE = Phone("1001")
BOB = Phone("1002", Origin("203.0.113.9", 40_000, "TCP", "there:1:a/7"), "10.0.0.9")
OTHERS = OtherHosts("here 192.0.2.1:5060", [Host(THERE, "there 192.0.2.2:5060", frozenset({"there:1:a"}))])


@dataclass(frozen=True)
class At(Known):
    """A host at an address of its own."""

    address: Address = HERE

    def sent_by(self, towards: Way) -> str:
        return format_address(self.address)

    def is_ours(self, host: str, port: int) -> bool:
        return (host, port) == self.address


def here() -> Scene:
    return Scene(names=At(home=b"here", address=HERE))


def there() -> Scene:
    return Scene(names=At(home=b"over", address=THERE))


def sent_over(scene: Scene) -> Heard:
    """Alice's INVITE on its way to the other host."""
    (invite,) = scene.place(ALICE, Hop(BOB.contact, THERE, onward=BOB.way))
    assert invite.way == THERE
    return invite


def rung(invite: Heard, scene: Scene) -> Heard:
    """As Bob hears it from his host, which asked nobody."""
    (ringing,) = scene.say(invite.data, HERE)
    assert scene.asks == []
    return ringing


def answered(ours: Scene, theirs: Scene) -> Heard:
    """The 200 as Alice hears it."""
    ringing = rung(sent_over(ours), theirs)
    (back,) = theirs.say(ringing.answer(200, more=[f"Contact: <{BOB.contact}>"]), BOB.way)
    assert back.way == HERE
    (ok,) = ours.say(back.data, THERE)
    assert ok.way == ALICE.way
    return ok


def bye(sender: Phone, to: str, ok: Heard, routes: list[str], from_: str | None = None) -> bytes:
    return sender.request(
        "BYE",
        to,
        cseq=2,
        from_=from_,
        to=ok.one("From") if from_ else ok.one("To"),
        more=[f"Route: {r}" for r in routes],
    )


def test_p79_what_another_host_holds_goes_to_it_and_on_to_the_phone() -> None:
    ringing = rung(sent_over(here()), there())
    assert ringing.way == BOB.way
    assert ringing.start == f"INVITE {BOB.contact} SIP/2.0"
    assert ringing.all("Route") == []
    assert ["@192.0.2.2:5060" in ringing.all("Record-Route")[0], len(ringing.vias)] == [True, 3]


def test_p79_a_call_between_hosts_is_ended_by_either_side_even_after_restarts() -> None:
    ok = answered(here(), there())
    *theirs, ours = ok.all("Record-Route")

    (on_its_way,) = here().say(bye(ALICE, BOB.contact, ok, [ours, *theirs[::-1]]), ALICE.way)
    assert (on_its_way.way, on_its_way.all("Route")) == (THERE, theirs[::-1])
    (heard,) = there().say(on_its_way.data, HERE)
    assert (heard.way, heard.all("Route")) == (BOB.way, [])

    (on_its_way,) = there().say(bye(BOB, ALICE.contact, ok, [*theirs, ours], ok.one("To")), BOB.way)
    assert (on_its_way.way, on_its_way.all("Route")) == (HERE, [ours])
    (heard,) = here().say(on_its_way.data, THERE)
    assert (heard.way, heard.all("Route")) == (ALICE.way, [])


def test_p79_a_2xx_after_a_restart_of_either_finds_the_caller() -> None:
    ringing = rung(sent_over(here()), there())
    (back,) = there().say(ringing.answer(200), BOB.way)
    assert back.way == HERE
    (ok,) = here().say(back.data, THERE)
    assert ok.way == ALICE.way


def test_p79_giving_up_reaches_the_phone_through_its_host() -> None:
    ours, theirs = here(), there()
    data = ALICE.invite(via="SIP/2.0/UDP 10.0.0.7;rport;branch=z9hG4bKgiven.up")
    (invite,) = ours.place(ALICE, Hop(BOB.contact, THERE, onward=BOB.way), data=data)
    ringing = rung(invite, theirs)
    (provisional,) = theirs.say(ringing.answer(180), BOB.way)
    ours.say(provisional.data, THERE)
    cancel = ALICE.request("CANCEL", via="SIP/2.0/UDP 10.0.0.7;rport;branch=z9hG4bKgiven.up")
    (cancelled,) = [one for one in ours.say(cancel, ALICE.way) if one.method == "CANCEL"]
    assert cancelled.way == THERE
    assert [(one.method, one.way) for one in theirs.say(cancelled.data, HERE)] == [
        ("200", HERE),
        ("CANCEL", BOB.way),
    ]


def test_p79_a_connection_that_its_host_has_lost_is_480() -> None:
    ours, theirs = here(), there()
    rung(sent_over(ours), theirs)
    (refusal,) = theirs.closed("there:1:a/7")
    assert "480" in methods(ours.say(refusal.data, THERE))


def test_p81_a_phone_of_another_host_that_says_nothing_holds_up_nobody_either() -> None:
    """Its host says nothing for it."""
    ours, theirs = here(), there()
    busy = Phone("1002", ("203.0.113.8", 5060), "10.0.0.8")
    over, near = ours.place(ALICE, Hop(BOB.contact, THERE, onward=BOB.way), hop(busy))
    rung(over, theirs)
    ours.say(near.answer(486), busy.way)
    assert methods([one for one in ours.wait(LONGEST_SILENCE_S) if one.way == ALICE.way]) == ["486"]


def test_p81_what_the_phone_says_first_its_host_says_too() -> None:
    theirs = there()
    ringing = rung(sent_over(here()), theirs)
    assert [(one.method, one.way) for one in theirs.say(ringing.answer(100), BOB.way)] == [("100", HERE)]
    assert methods(theirs.say(ringing.answer(180), BOB.way)) == ["180"]


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ("Call-ID: call-1", "Call-ID: call-2"),
        (";tag=1001tag", ";tag=other"),
        ("Route: <sip:A", "Route: <sip:B"),
    ],
)
def test_p80_a_ticket_is_good_for_the_call_it_was_made_for(said: str, changed: str) -> None:
    theirs = there()
    data = sent_over(here()).data.replace(said.encode(), changed.encode(), 1)
    assert changed.encode() in data
    assert methods(theirs.say(data, HERE)) == ["100"]
    assert len(theirs.asks) == 1  # like anybody's


def test_p80_no_ticket_of_anothers_key_is_believed() -> None:
    stranger = Scene(names=At(home=b"here", address=HERE), key=b"x" * 32)
    theirs = there()
    assert methods(theirs.say(sent_over(stranger).data, HERE)) == ["100"]
    assert len(theirs.asks) == 1


def test_p80_a_token_is_no_ticket_and_a_ticket_no_token() -> None:
    ours, theirs = here(), there()
    invite = sent_over(ours)
    ok = answered(here(), there())
    ticket = invite.one("Route")
    assert methods(theirs.say(bye(ALICE, BOB.contact, ok, [ticket]), ALICE.way)) == ["403"]
    token = ok.all("Record-Route")[0]
    assert methods(theirs.say(ALICE.invite(more=[f"Route: {token}"], cseq=9), ALICE.way)) == ["100"]
    assert len(theirs.asks) == 1


def test_p80_where_hosts_share_a_name_the_other_hosts_token_is_understood() -> None:
    """Behind one name a request within a dialog may come to either."""
    ours = here()
    (invite,) = ours.place(ALICE, Hop(BOB.contact, ("203.0.113.9", 5062)))
    (ok,) = ours.say(invite.answer(200), ("203.0.113.9", 5062))
    twin = Scene(names=At(home=b"twin", address=HERE))
    (heard,) = twin.say(bye(ALICE, BOB.contact, ok, [ok.one("Record-Route")]), ALICE.way)
    assert heard.way == ("203.0.113.9", 5062)


def verdict(*targets: Target, uri: str = AOR) -> Forward | Refuse:
    route = answer(AOR, Owner(UUID(int=3), enabled=True), targets)
    ann = Caller("example.com", "1001", "")
    told = decide(request(uri), ann, [route], NO_TRUNKS, lambda: 7, OTHERS)
    assert isinstance(told, Forward | Refuse)
    return told


def ways(told: Forward | Refuse) -> list[tuple[Way, Way | None]]:
    assert isinstance(told, Forward), told
    return [(hop.destination, hop.onward) for group in told.groups for hop in group]


def test_a_connection_is_its_workers_and_a_udp_phone_its_sockets() -> None:
    flow = Origin("203.0.113.9", 40_000, "TLS", "there:1:a/7")
    assert ways(verdict(target(destination=flow, server=""))) == [(THERE, flow)]
    udp = Origin("203.0.113.9", 40_000, "UDP", None, b"local")
    assert ways(verdict(target(destination=udp, server="there 192.0.2.2:5060"))) == [(THERE, udp)]


def test_what_is_ours_goes_straight_and_so_does_what_was_a_dead_hosts() -> None:
    flow = Origin("203.0.113.9", 40_000, "TCP", "here:1:a/7")
    assert ways(verdict(target(destination=flow, server=""))) == [(flow, None)]
    udp = Origin("203.0.113.9", 40_000, "UDP", None, b"local")
    assert ways(verdict(target(destination=udp, server="here 192.0.2.1:5060"))) == [(udp, None)]
    assert ways(verdict(target(destination=udp, server="gone 192.0.2.9:5060"))) == [
        (udp._replace(local=None), None)
    ]


def test_a_sips_call_is_not_sent_to_another_host() -> None:
    flow = Origin("203.0.113.9", 40_000, "TLS", "there:1:a/7")
    told = verdict(target(destination=flow, server=""), uri=AOR.replace("sip:", "sips:"))
    assert isinstance(told, Refuse)
    assert told.status == 480
