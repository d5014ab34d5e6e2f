"""/api/v1/trunks/ and the addresses they are trusted from."""

import pytest
from rest_framework.test import APIClient

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer, TrustedAddress
from apps.extensions.services import trunk_create

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
