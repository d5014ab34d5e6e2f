"""Who may call whom: nothing but registered phones and trunks is ever called, whoever asks."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from apps.calls.authorizing import Caller, Claimant
from apps.calls.deciding import RING_IN_TURN_S, RING_S, decide, questions
from apps.calls.values import CarrierLeg, Forward, Hop, Refuse, Verdict
from apps.registrar.authentication import Claim
from apps.registrar.gruu import temp_gruu
from apps.routing.answer import Found, Owner, RouteAnswer, Target, Wanted, WantedContact, answer
from apps.sip.digest import Algorithm, DigestCredentials
from apps.sip.uri import parse_sip_uri
from apps.sipserver.addresses import way_to
from apps.sipserver.events import Origin
from apps.trunks.values import CallMode, Trunk
from tests.calls.asking import NO_TRUNKS, TRUNK, FewTrunks, request
from tests.registrar.registrations import DOMAIN
from tests.routing.test_answer import target
from tests.trunks.uplink.carrier import account

ANN = Caller("example.com", "1001", "Ann Lee")
IDENTITY = '"Ann Lee" <sip:1001@example.com>'
CLAIMANT = Claimant(
    DOMAIN, Claim(DigestCredentials("1001", "example.com", "", "", "", Algorithm.MD5, "", 0, None), 0)
)
KEY = b"g" * 32
AOR = "sip:1002@example.com"


def told(
    *targets: Target,
    found: Found = Found.TARGETS,
    caller: Caller | Trunk = ANN,
    uri: str = AOR,
    carriers: FewTrunks = NO_TRUNKS,
    **facts: Any,
) -> Verdict:
    route = answer(AOR, Owner(UUID(int=3), enabled=True), targets) if targets else RouteAnswer(AOR, found)
    return decide(request(uri), caller, [replace(route, **facts)], carriers, lambda: 7)


def asked(uri: str, caller: Claimant | Trunk = CLAIMANT, carriers: FewTrunks = NO_TRUNKS) -> object:
    return questions(request(uri), caller, carriers, KEY)


def test_a_phone_may_ask_for_its_own_domain_alone() -> None:
    assert asked("sip:1002@EXAMPLE.com:5070;user=phone") == (Wanted("example.com", "1002"),)
    for elsewhere in ("sip:1002@example.net", "sip:1002@192.0.2.1", "sip:example.com", "tel:+491234"):
        assert asked(elsewhere) == ()


@pytest.mark.parametrize(
    ("privacy", "withheld"), [("id", True), ("header;ID ; critical", True), ("none", False)]
)
def test_p82_who_asks_to_be_withheld_is_named_to_no_phone_and_no_carrier(
    privacy: str, withheld: bool
) -> None:
    phone = RouteAnswer(AOR, Found.TARGETS, (target(),))
    nobody = RouteAnswer(AOR, Found.UNKNOWN_USER)
    out = FewTrunks(outward={"0301234": ((TRUNK, "+49301234"),)})

    def identity(uri: str, route: RouteAnswer, caller: Caller | Trunk) -> str | None:
        sent = request(uri, headers=[f"Privacy: {privacy}"])
        verdict = decide(sent, caller, [route], out, lambda: 7)
        assert isinstance(verdict, Forward)
        return verdict.groups[0][0].identity

    assert identity(AOR, phone, ANN) == ("" if withheld else IDENTITY)
    assert identity("sip:0301234@example.com", nobody, ANN) == ("" if withheld else IDENTITY)
    assert identity(AOR, phone, TRUNK) == ("" if withheld else None)


def test_a_phones_address_with_its_port_may_be_a_registered_contact() -> None:
    uri = "sip:1002@203.0.113.7:40000;transport=udp"
    assert asked(uri) == (WantedContact("example.com", parse_sip_uri(uri)),)


def test_a_gruu_asks_for_its_aor_and_the_device() -> None:
    public = "sip:1002@example.com;gr=urn:uuid:1"
    assert asked(public) == (Wanted("example.com", "1002", parse_sip_uri(public)),)
    temporary = temp_gruu(KEY, AOR, "<urn:uuid:1>", "c", 1)
    assert asked(temporary) == (Wanted("example.com", "1002", parse_sip_uri(temporary)),)
    assert asked("sip:tgruu.bm90IG91cnM@example.com;gr") == ()


def test_a_trunks_number_counts_whatever_host_is_behind_it() -> None:
    inward = FewTrunks(inward={"4930123": "1002"})
    for host in ("example.com", "192.0.2.1", "pbx.customer.example"):
        assert asked(f"sip:4930123@{host}", TRUNK, inward) == (Wanted("example.com", "1002"),)
    uri = "sip:4930123@192.0.2.1:5060"
    assert asked(uri, TRUNK, inward) == (
        WantedContact("example.com", parse_sip_uri(uri)),
        Wanted("example.com", "1002"),
    )
    assert asked("sip:110@192.0.2.1", TRUNK, inward) == ()


@pytest.mark.parametrize(
    ("found", "status", "reason"),
    [
        (Found.NOT_OUR_DOMAIN, 404, "Not Found"),
        (Found.UNKNOWN_USER, 404, "Not Found"),
        (Found.DISABLED, 403, "Forbidden"),
    ],
)
@pytest.mark.parametrize("caller", [ANN, TRUNK])
def test_what_is_not_there_is_refused_the_same_to_all(
    found: Found, status: int, reason: str, caller: Caller | Trunk
) -> None:
    assert told(found=found, caller=caller) == Refuse(status, reason)


def test_nobody_registered_is_480_and_says_when_to_come_again() -> None:
    refused = Refuse(480, "Temporarily Unavailable", (("Retry-After", "7"),))
    assert told(found=Found.NOT_REGISTERED) == refused


def test_a_route_that_leads_on_is_not_taken() -> None:
    for caller in (ANN, TRUNK):
        sent = request(AOR, headers=["Route: <sip:elsewhere.example;lr>"])
        route = answer(AOR, Owner(UUID(int=3), enabled=True), [target()])
        assert decide(sent, caller, [route], NO_TRUNKS, lambda: 7) == Refuse(403, "Forbidden")


def test_nothing_to_ask_is_404_and_another_scheme_416() -> None:
    assert decide(request("sip:x@example.net"), ANN, [], NO_TRUNKS, lambda: 7) == Refuse(404, "Not Found")
    assert decide(request("tel:+491234"), ANN, [], NO_TRUNKS, lambda: 7) == Refuse(
        416, "Unsupported URI Scheme"
    )


def test_all_phones_ring_at_once_each_at_its_contact_the_way_its_register_came() -> None:
    edge = ("<sip:edge.example.com;lr>",)
    over_tls = Origin("198.51.100.3", 5061, "TLS", "worker/7")
    verdict = told(target("a"), target("b", path=edge, destination=over_tls, ago_s=9))
    assert verdict == Forward(
        (
            (
                Hop("sip:a@10.0.0.5:5060", Origin("203.0.113.7", 40000), (), IDENTITY),
                Hop("sip:b@10.0.0.5:5060", over_tls, edge, IDENTITY),
            ),
        ),
        RING_S,
    )


def test_lower_q_rings_after_a_while_and_the_unreachable_at_last_without_cutting_the_others_short() -> None:
    verdict = told(target("a"), target("b", q=500), target("lost", reachable=False))
    assert isinstance(verdict, Forward)
    assert [len(group) for group in verdict.groups] == [1, 1, 1]
    assert verdict.ring_s == RING_IN_TURN_S
    verdict = told(target("a"), target("lost", reachable=False))
    assert isinstance(verdict, Forward)
    assert ([len(group) for group in verdict.groups], verdict.ring_s) == ([1, 1], RING_S)


def test_what_a_trunk_asserts_stays_and_what_a_phone_asserts_is_replaced() -> None:
    from_trunk, from_phone = told(target(), caller=TRUNK), told(target())
    assert isinstance(from_trunk, Forward)
    assert isinstance(from_phone, Forward)
    assert from_trunk.groups[0][0].identity is None
    assert from_phone.groups[0][0].identity == IDENTITY


def test_a_domain_or_a_trunk_may_send_callers_to_the_phones() -> None:
    behind = target("c", path=("<sip:edge;lr>",), q=300, destination=Origin("198.51.100.3", 5060))
    there = [target("a"), target("b", q=500), behind, target("lost", reachable=False)]
    moved = Refuse(
        302,
        "Moved Temporarily",
        (
            ("Contact", "<sip:a@203.0.113.7:40000;transport=udp>;q=1"),
            ("Contact", "<sip:b@203.0.113.7:40000;transport=udp>;q=0.5"),
            ("Contact", "<sip:c@10.0.0.5:5060>;q=0.3"),
            ("Contact", "<sip:lost@203.0.113.7:40000;transport=udp>;q=0"),
        ),
    )
    assert told(*there, redirects=True) == moved
    redirecting = replace(TRUNK, call_mode=CallMode.REDIRECT)
    assert told(*there, caller=redirecting) == moved
    # Each has its own say.
    assert isinstance(told(*there, caller=TRUNK, redirects=True), Forward)


def test_who_dials_a_phones_own_address_is_relayed_in_any_mode() -> None:
    redirecting = replace(TRUNK, call_mode=CallMode.REDIRECT)
    assert isinstance(told(target(), is_contact=True, caller=redirecting), Forward)
    assert isinstance(told(target(), is_contact=True, redirects=True), Forward)


def test_a_sips_call_goes_over_tls_or_nowhere() -> None:
    secure = target("b", destination=Origin("203.0.113.8", 40001, "TLS", "worker/1"))
    verdict = told(target("a"), secure, uri="sips:1002@example.com")
    assert isinstance(verdict, Forward)
    assert [hop.request_uri for group in verdict.groups for hop in group] == ["sip:b@10.0.0.5:5060"]
    refused = told(target("a"), uri="sips:1002@example.com")
    assert isinstance(refused, Refuse)
    assert refused.status == 480


SOUTH = Trunk(
    UUID(int=8),
    "south",
    "example.com",
    CallMode.PROXY,
    (("2001:db8::5", 5080), ("198.51.100.6", 5060)),
)
OUTWARD = FewTrunks(outward={"0301234": ((TRUNK, "+49301234"), (SOUTH, "0301234"))})


def test_a_number_nobody_has_goes_out_by_each_server_of_each_trunk_in_turn() -> None:
    uri = "sip:0301234@example.com"
    assert told(found=Found.UNKNOWN_USER, uri=uri, carriers=OUTWARD) == Forward(
        (
            (Hop("sip:+49301234@198.51.100.9", ("198.51.100.9", 5060), (), IDENTITY, trunk=TRUNK.peer_id),),
            (
                Hop(
                    "sip:0301234@[2001:db8::5]:5080", ("2001:db8::5", 5080), (), IDENTITY, trunk=SOUTH.peer_id
                ),
            ),
            (Hop("sip:0301234@198.51.100.6", ("198.51.100.6", 5060), (), IDENTITY, trunk=SOUTH.peer_id),),
        ),
        RING_S,
    )


def test_a_trunk_is_called_as_it_was_named_over_what_it_wants_with_its_account() -> None:
    over_tls = way_to(("192.0.2.5", 5061), "TLS", "sip.carrier.example")
    trunk = replace(TRUNK, servers=(over_tls,), host="sip.carrier.example", account=account())
    verdict = told(
        found=Found.UNKNOWN_USER,
        uri="sip:030@example.com",
        carriers=FewTrunks(outward={"030": ((trunk, "030"),)}),
    )
    uri = "sip:030@sip.carrier.example"
    hop = Hop(uri, over_tls, (), IDENTITY, leg=CarrierLeg(account()), trunk=trunk.peer_id)
    assert verdict == Forward(((hop,),), RING_S)


@pytest.mark.parametrize(
    ("found", "caller", "uri"),
    [
        (Found.UNKNOWN_USER, TRUNK, "sip:0301234@example.com"),
        (Found.DISABLED, ANN, "sip:0301234@example.com"),
        (Found.NOT_REGISTERED, ANN, "sip:0301234@example.com"),
        (Found.NOT_OUR_DOMAIN, ANN, "sip:0301234@example.com"),
        (Found.UNKNOWN_USER, ANN, "sip:0301234@example.com;gr=urn:uuid:1"),
        (Found.UNKNOWN_USER, Caller("example.org", "1001", ""), "sip:0301234@example.org"),
    ],
)
def test_nothing_else_goes_out(found: Found, caller: Caller | Trunk, uri: str) -> None:
    assert isinstance(told(found=found, caller=caller, uri=uri, carriers=OUTWARD), Refuse)


def test_a_trunk_without_servers_takes_no_call() -> None:
    none = FewTrunks(outward={"030": ((replace(TRUNK, servers=()), "030"),)})
    assert told(found=Found.UNKNOWN_USER, uri="sip:030@example.com", carriers=none) == Refuse(
        404, "Not Found"
    )


def test_an_extension_is_found_before_a_way_out() -> None:
    carriers = FewTrunks(outward={"1002": ((TRUNK, "1002"),)})
    verdict = told(target("a"), carriers=carriers)
    assert isinstance(verdict, Forward)
    assert verdict.groups[0][0].request_uri == "sip:a@10.0.0.5:5060"
