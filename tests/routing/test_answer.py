"""One answer for every door: whom a call tries, in which order, and what it is told if there is nobody."""

import datetime as dt
from itertools import count, permutations
from typing import Any
from uuid import UUID

import pytest

from apps.registrar.gruu import pub_gruu, temp_gruu
from apps.routing.answer import (
    Found,
    Owner,
    RouteAnswer,
    Target,
    answer,
    dialled,
    in_ringing_order,
    is_dial_address,
    of_device,
    ringing_groups,
)
from apps.sip.uri import parse_sip_uri
from apps.sipserver.events import Origin

NOW = dt.datetime(2026, 11, 23, 2, 0, tzinfo=dt.UTC)
AOR = "sip:1001@example.com"
OWNER = Owner(UUID(int=3), enabled=True)
KEY = b"g" * 32
DESK = "<urn:uuid:0f1a>"
_ids = count(1)


def target(name: str = "1001", *, ago_s: int = 0, **facts: Any) -> Target:
    defaults: dict[str, Any] = {
        "aor": AOR,
        "uri": f"sip:{name}@10.0.0.5:5060",
        "destination": Origin("203.0.113.7", 40000),
        "server": "host 0.0.0.0:5060",
        "path": (),
        "q": None,
        "refreshed_at": NOW - dt.timedelta(seconds=ago_s),
        "reachable": True,
        "binding_id": UUID(int=next(_ids)),
        "peer_id": UUID(int=2),
        "peer_name": "1001",
    }
    return Target(**(defaults | facts))


def users(targets: tuple[Target, ...]) -> list[str]:
    return [str(parse_sip_uri(one.uri).user) for one in targets]


def test_by_q_then_the_most_recently_refreshed_and_the_unreachable_last() -> None:
    in_order = [
        target("best", ago_s=1),
        target("same-q", q=1000, ago_s=30),
        target("older", ago_s=90),
        target("low", q=500),
        target("never", q=0),
        target("lost", reachable=False),
        target("lost-and-low", q=900, reachable=False),
    ]
    for some in permutations(in_order, 7):
        assert in_ringing_order(some) == tuple(in_order)


def test_two_that_are_equal_keep_one_order_whatever_order_they_are_read_in() -> None:
    one, other = target("a"), target("b")
    assert in_ringing_order([one, other]) == in_ringing_order([other, one])


@pytest.mark.parametrize(
    ("owner", "is_ours", "has_targets", "found"),
    [
        (OWNER, True, True, Found.TARGETS),
        (OWNER, True, False, Found.NOT_REGISTERED),
        (Owner(UUID(int=3), enabled=False), True, True, Found.DISABLED),
        (Owner(None, enabled=False), True, False, Found.DISABLED),
        (None, True, False, Found.UNKNOWN_USER),
        (None, False, False, Found.NOT_OUR_DOMAIN),
    ],
)
def test_what_an_address_comes_to(
    owner: Owner | None, is_ours: bool, has_targets: bool, found: Found
) -> None:
    told = answer(AOR, owner, [target()] if has_targets else [], is_our_domain=is_ours)
    assert told.found is found
    assert bool(told.targets) is (found is Found.TARGETS)


def whole(*targets: Target) -> RouteAnswer:
    return answer(AOR, OWNER, targets)


def test_a_public_gruu_reaches_all_flows_of_its_device_and_no_other() -> None:
    flows = [target(f"flow{n}", instance_id=DESK, call_id="c", ago_s=n) for n in (1, 2)]
    gruu = parse_sip_uri(pub_gruu(AOR, DESK))
    told = of_device(whole(*flows, target("other", instance_id="<urn:uuid:b>"), target("none")), gruu, KEY)
    assert users(told.targets) == ["flow1", "flow2"]
    assert of_device(whole(target("other")), gruu, KEY).found is Found.NOT_REGISTERED


def test_a_temporary_gruu_ends_with_the_call_id_it_was_given_under() -> None:
    gruu = parse_sip_uri(temp_gruu(KEY, AOR, DESK, "c", 1))
    desk = target("desk", instance_id=DESK, call_id="c")
    assert of_device(whole(desk, target("other")), gruu, KEY).targets == (desk,)
    later = target("desk", instance_id=DESK, call_id="d")
    assert of_device(whole(later), gruu, KEY).found is Found.UNKNOWN_USER


def test_equal_q_rings_at_once_lower_q_in_turn_and_all_that_are_lost_at_last() -> None:
    told = whole(
        target("a"),
        target("b", q=1000, ago_s=9),
        target("c", q=500),
        target("lost", reachable=False),
        target("lost-low", q=100, reachable=False),
    )
    groups = [users(group) for group in ringing_groups(told.targets)]
    assert groups == [["a", "b"], ["c"], ["lost", "lost-low"]]


def test_a_device_with_several_flows_rings_once_by_the_best_of_them() -> None:
    told = whole(
        target("lost-flow", instance_id=DESK, reachable=False),
        target("flow", instance_id=DESK, ago_s=60),
        target("old-flow", instance_id=DESK, ago_s=90),
        target("plain", ago_s=120),
        target("plain", ago_s=150),
    )
    assert [users(group) for group in ringing_groups(told.targets)] == [["flow", "plain", "plain"]]


@pytest.mark.parametrize(
    ("uri", "facts", "is_found"),
    [
        ("sip:1001@203.0.113.7:40000", {}, True),
        ("sip:1001@203.0.113.7:40000;transport=UDP;ob", {}, True),
        ("sip:1001@203.0.113.7:40000;transport=tcp", {}, False),
        ("sip:1002@203.0.113.7:40000", {}, False),
        ("sip:203.0.113.7:40000", {}, False),
        ("sip:1001@203.0.113.7:40001", {}, False),
        ("sip:1001@[2001:db8::7]:40000", {"destination": Origin("2001:db8::7", 40000)}, True),
        ("sips:1001@203.0.113.7:40000", {"destination": Origin("203.0.113.7", 40000, "TLS", "w/1")}, True),
        (
            "sip:1001@203.0.113.7:40000;transport=ws",
            {"destination": Origin("203.0.113.7", 40000, "WSS", "w/1")},
            True,
        ),
        ("sip:1001@203.0.113.7:40000", {"aor": "sip:1001@example.org"}, False),
    ],
)
def test_a_dial_address_reaches_the_phone_that_registered_from_there(
    uri: str, facts: dict[str, Any], is_found: bool
) -> None:
    there = target(**facts)
    told = dialled(parse_sip_uri(uri), "example.com", [there])
    assert (told.found, told.targets, told.is_contact) == (
        (Found.TARGETS, (there,), True) if is_found else (Found.NOT_OUR_DOMAIN, (), False)
    )


def test_only_a_number_with_a_port_may_be_a_dial_address() -> None:
    for text in ("sip:a@192.0.2.1:5060", "sip:a@[2001:db8::1]:5060"):
        assert is_dial_address(parse_sip_uri(text))
    for text in ("sip:a@192.0.2.1", "sip:a@example.com:5060"):
        assert not is_dial_address(parse_sip_uri(text))
