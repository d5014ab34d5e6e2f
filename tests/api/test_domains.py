"""/api/v1/domains/: the same settings, judged and audited as on the Settings page."""

import pytest
from rest_framework.test import APIClient

from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, Domain
from apps.extensions.services import DOMAIN_FIELDS, domain_create

DOMAINS = "/api/v1/domains/"
ONE = f"{DOMAINS}example.com/"


def test_a_domain_is_shown_with_every_setting(reader: APIClient, domain: Domain) -> None:
    (row,) = reader.get(DOMAINS).json()["results"]
    assert row.pop("created_at")
    assert set(row) == DOMAIN_FIELDS | {"id", "name", "realm"}
    assert (row["name"], row["realm"], row["digest_order"]) == (
        "example.com",
        "example.com",
        "strongest_first",
    )
    assert (row["edge_proxies"], row["service_routes"]) == ([], [])
    for name in ("example.com", "EXAMPLE.com", str(domain.pk)):
        assert reader.get(f"{DOMAINS}{name}/").json()["id"] == str(domain.pk)


def test_a_change_is_stored_as_the_page_stores_it_and_audited(api: APIClient, domain: Domain) -> None:
    sent = {
        "digest_order": "md5_first",
        "max_expires_s": 7200,
        "expires_spread_percent": 25,
        "raise_brief": True,
        "call_mode": "redirect",
        "edge_proxies": ["192.0.2.0/28", "2001:db8::1"],
        "service_routes": ["<sip:a.example.com;lr>", "<sip:b.example.com;lr>"],
    }
    shown = api.patch(ONE, sent).json()
    assert {name: shown[name] for name in sent} == sent | {
        "edge_proxies": ["192.0.2.0/28", "2001:db8::1/128"]
    }
    domain.refresh_from_db()
    assert domain.service_routes == "<sip:a.example.com;lr>\n<sip:b.example.com;lr>"
    entry = AuditEntry.objects.get(action="domain_update")
    assert (entry.actor_name, entry.via, set(entry.changes)) == ("ada", "api", set(sent))
    assert api.patch(ONE, {"edge_proxies": []}).json()["edge_proxies"] == []


@pytest.mark.parametrize(
    ("sent", "field", "code"),
    [
        ({"min_expires_s": 0}, "min_expires_s", "min_value"),
        ({"max_expires_s": 604_801}, "max_expires_s", "max_value"),
        ({"min_expires_s": 3601}, None, "invalid"),
        ({"expires_spread_percent": 51}, "expires_spread_percent", "max_value"),
        ({"digest_order": "rot13"}, "digest_order", "invalid_choice"),
        ({"call_mode": "guess"}, "call_mode", "invalid_choice"),
        ({"edge_proxies": ["everywhere"]}, "edge_proxies", "not_a_network"),
        ({"edge_proxies": "192.0.2.1"}, "edge_proxies", "not_a_list"),
        ({"service_routes": ["sip:a.example.com"]}, "service_routes", "not_a_route"),
        ({"service_routes": ["<sip:a;lr>\r\nX: y"]}, "service_routes", "not_a_route"),
        ({"realm": "x"}, "realm", "unknown_field"),
        ({"name": "example.net"}, "name", "unknown_field"),
    ],
)
def test_a_wrong_value_names_its_field_and_changes_nothing(
    api: APIClient, domain: Domain, sent: dict[str, object], field: str | None, code: str
) -> None:
    response = api.patch(ONE, sent)
    assert response.status_code == 400
    assert [(error["field"], error["code"]) for error in response.json()["errors"]] == [(field, code)]
    assert not AuditEntry.objects.filter(action="domain_update").exists()


def test_several_domains_are_told_apart_also_by_an_ipv6_address(
    api: APIClient, domain: Domain, actor: Actor
) -> None:
    domain_create(name="2001:db8::5", actor=actor)
    assert [row["name"] for row in api.get(DOMAINS).json()["results"]] == ["2001:db8::5", "example.com"]
    assert api.patch(f"{DOMAINS}2001:db8::5/", {"outbound": False}).json()["outbound"] is False
    assert api.get(ONE).json()["outbound"] is True


@pytest.mark.parametrize(
    "name", ["example.org", "example.com@x", "%00", "00000000-0000-0000-0000-000000000001"]
)
def test_a_domain_that_is_not_served_is_a_404(api: APIClient, domain: Domain, name: str) -> None:
    assert api.get(f"{DOMAINS}{name}/").status_code == 404


def test_domains_are_neither_made_nor_removed_here(api: APIClient, domain: Domain) -> None:
    assert api.post(DOMAINS, {"name": "example.net"}).status_code == 405
    assert api.delete(ONE).status_code == 405
