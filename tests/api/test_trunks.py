"""/api/v1/trunks/ and the addresses they are trusted from."""

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer, ResolvedName, TrunkSighting, TrustedAddress
from apps.extensions.services import trunk_create, trusted_address_add
from apps.registrar.models import Stranger
from apps.trunks.services import trusted_host_add
from tests.api.conftest import Register

TRUNKS = "/api/v1/trunks/"
ADDRESSES = "/api/v1/trunks/carrier/ip_addresses/"


def test_a_trunk_is_made_changed_and_deleted(api: APIClient, domain: Domain) -> None:
    made = api.post(TRUNKS, {"name": "carrier"})
    assert (made.status_code, made.json()["ip_addresses"]) == (201, [])
    assert api.patch(TRUNKS + "carrier/", {"enabled": False}).json()["enabled"] is False
    assert [row["name"] for row in api.get(TRUNKS + "?enabled=false").json()["results"]] == ["carrier"]
    assert api.delete(TRUNKS + "carrier").status_code == 204
    assert api.get(TRUNKS + "carrier").status_code == 404


def test_a_trunk_is_no_device_and_a_device_no_trunk(api: APIClient, trunk: Peer, peer: Peer) -> None:
    assert api.get("/api/v1/peers/carrier/").status_code == 404
    assert api.get(TRUNKS + "1001/").status_code == 404
    assert api.post(TRUNKS + "1001/ip_addresses/", {"ip_address": "192.0.2.1"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"ip_address": "203.0.113.7"}, ("203.0.113.7", 32, None, "any")),
        (
            {"ip_address": "203.0.113.0", "cidr_prefix_length": 28, "port": 5060, "transport": "udp"},
            ("203.0.113.0", 28, 5060, "udp"),
        ),
        ({"ip_address": "2001:DB8::", "cidr_prefix_length": 48}, ("2001:db8::", 48, None, "any")),
        ({"ip_address": "::ffff:203.0.113.7"}, ("203.0.113.7", 32, None, "any")),
        (
            {"ip_address": "10.0.0.0", "cidr_prefix_length": 8, "wide_confirmed": True},
            ("10.0.0.0", 8, None, "any"),
        ),
    ],
)
def test_an_address_is_trusted_in_two_parts(
    api: APIClient, trunk: Peer, body: dict[str, object], shown: tuple[object, ...]
) -> None:
    made = api.post(ADDRESSES, body)
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["ip_address"], row["cidr_prefix_length"], row["port"], row["transport"]) == shown
    assert api.get(ADDRESSES).json()["results"] == [row]
    assert api.get(TRUNKS + "carrier/").json()["ip_addresses"] == [row]
    assert api.get(f"{ADDRESSES}{row['id']}/").json() == row
    assert api.delete(f"{ADDRESSES}{row['id']}/").status_code == 204
    assert api.get(ADDRESSES).json()["results"] == []


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"ip_address": "carrier.example"}, "ip_address", "invalid"),
        ({"ip_address": "203.0.113.7", "cidr_prefix_length": 28}, "cidr_prefix_length", "invalid"),
        ({"ip_address": "203.0.113.7", "cidr_prefix_length": 33}, "cidr_prefix_length", "invalid"),
        ({"ip_address": "10.0.0.0", "cidr_prefix_length": 8}, "ip_address", "wide_network"),
        ({"ip_address": "fe80::1%eth0"}, "ip_address", "invalid"),
        ({"ip_address": "203.0.113.7", "port": 0}, "port", "min_value"),
        ({"ip_address": "203.0.113.7", "transport": "sctp"}, "transport", "invalid_choice"),
    ],
)
def test_a_wrong_address_names_its_field(
    api: APIClient, trunk: Peer, body: dict[str, object], field: str, code: str
) -> None:
    response = api.post(ADDRESSES, body)
    assert response.status_code == 400
    assert [(error["field"], error["code"]) for error in response.json()["errors"]] == [(field, code)]
    assert not TrustedAddress.objects.exists()


def test_the_same_address_twice_is_refused(api: APIClient, trunk: Peer) -> None:
    api.post(ADDRESSES, {"ip_address": "203.0.113.7"})
    assert api.post(ADDRESSES, {"ip_address": "203.0.113.7"}).status_code == 400


def test_another_trunks_address_is_a_404(api: APIClient, trunk: Peer, actor: Actor) -> None:
    trunk_create(domain=trunk.domain, name="other", actor=actor)
    made = api.post(ADDRESSES, {"ip_address": "203.0.113.7"}).json()
    foreign = f"/api/v1/trunks/other/ip_addresses/{made['id']}/"
    assert api.get(foreign).status_code == 404
    assert api.delete(foreign).status_code == 404
    assert TrustedAddress.objects.count() == 1


SETTINGS = {
    "server": "sip.carrier.example:5080",
    "call_mode": "redirect",
    "inbound_strip": 5,
    "inbound_add": "1",
    "outbound_prefixes": ["0", "+"],
    "outbound_strip": 1,
    "outbound_add": "+49",
    "priority": 10,
}


def test_a_trunks_settings_are_read_and_changed(api: APIClient, trunk: Peer) -> None:
    before = api.get(TRUNKS + "carrier/").json()
    assert (before["server"], before["call_mode"], before["outbound_prefixes"]) == ("", "proxy", [])
    changed = api.patch(TRUNKS + "carrier/", {**SETTINGS, "enabled": False}).json()
    assert {name: changed[name] for name in SETTINGS} == SETTINGS
    assert changed["enabled"] is False
    assert api.patch(TRUNKS + "carrier/", {"priority": 20}).json()["server"] == SETTINGS["server"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("server", "sip:carrier"),
        ("call_mode", "both"),
        ("inbound_strip", 33),
        ("inbound_add", "abc"),
        ("outbound_prefixes", ["abc"]),
        ("outbound_prefixes", "0"),
        ("priority", -1),
    ],
)
def test_a_wrong_setting_names_its_field_and_changes_nothing(
    api: APIClient, trunk: Peer, field: str, value: object
) -> None:
    response = api.patch(TRUNKS + "carrier/", {"enabled": False, field: value})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert api.get(TRUNKS + "carrier/").json()["enabled"] is True


def test_a_host_name_is_trusted_and_forgotten(api: APIClient, trunk: Peer) -> None:
    made = api.post(
        TRUNKS + "carrier/hosts/", {"name": "SIP.Carrier.example", "port": 5060, "transport": "udp"}
    )
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["name"], row["port"], row["transport"]) == ("sip.carrier.example", 5060, "udp")
    assert api.get(TRUNKS + "carrier/").json()["hosts"] == [row]
    assert api.get(f"{TRUNKS}carrier/hosts/{row['id']}/").json() == row
    assert api.post(TRUNKS + "carrier/hosts/", {"name": "192.0.2.1"}).status_code == 400
    assert api.delete(f"{TRUNKS}carrier/hosts/{row['id']}/").status_code == 204
    assert api.get(TRUNKS + "carrier/hosts/").json()["results"] == []


def test_a_number_is_given_to_an_extension(api: APIClient, trunk: Peer, peer: Peer) -> None:
    made = api.post(TRUNKS + "carrier/numbers/", {"number": "+49 30 555", "extension": "1001"})
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["number"], row["extension"]) == ("+4930555", "1001")
    assert api.get(TRUNKS + "carrier/numbers/").json()["results"] == [row]
    assert api.delete(f"{TRUNKS}carrier/numbers/{row['id']}/").status_code == 204
    wrong = api.post(TRUNKS + "carrier/numbers/", {"number": "+4930555", "extension": "1999"})
    assert [(error["field"], error["code"]) for error in wrong.json()["errors"]] == [
        ("number", "unknown_extension")
    ]


def test_an_address_with_phones_needs_conflicts_confirmed(
    api: APIClient, trunk: Peer, peer: Peer, register: Register
) -> None:
    register(peer)
    body = {"ip_address": "203.0.113.9"}
    refused = api.post(ADDRESSES, body)
    assert [(error["field"], error["code"]) for error in refused.json()["errors"]] == [
        ("ip_address", "conflict")
    ]
    assert api.post(ADDRESSES, {**body, "conflicts_confirmed": True}).status_code == 201


def test_the_status_says_what_was_heard_and_what_is_in_the_way(
    reader: APIClient, trunk: Peer, peer: Peer, register: Register, actor: Actor
) -> None:
    trusted_address_add(trunk=trunk, network="192.0.2.16", actor=actor)
    trusted_host_add(trunk=trunk, name="sip.carrier.example", actor=actor)
    now = timezone.now()
    ResolvedName.objects.create(
        name="sip.carrier.example", addresses=["203.0.113.9"], resolved_at=now, tried_at=now
    )
    TrunkSighting.objects.create(
        peer=trunk, at=now, received_addr="192.0.2.16", received_port=5060, transport="UDP", method="INVITE"
    )
    register(peer)
    Stranger.objects.create(
        reason="call_not_trusted", domain="", username="", received_addr="192.0.2.17", received_port=5060,
        count=12, first_at=now, last_at=now,
    )  # fmt: skip
    status = reader.get(TRUNKS + "carrier/status/").json()
    assert status["last_packet"]["ip_address"] == "192.0.2.16"
    assert status["hosts"][0]["ip_addresses"] == ["203.0.113.9"]
    assert [(one["code"], one["ip_address"]) for one in status["conflicts"]] == [("phones", "203.0.113.9")]
    assert [
        (one["ip_address"], one["count"], one["status"], one["listed"]) for one in status["refusals"]
    ] == [("192.0.2.17", 12, 403, "outside")]
    assert [one["code"] for one in status["findings"]] == ["phones", "neighbour_refused", "heard"]
