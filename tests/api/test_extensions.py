"""/api/v1/extensions/"""

import json
import uuid

import pytest
from django.utils.crypto import get_random_string
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, Domain, Extension
from apps.extensions.services import domain_create, extension_create
from apps.sip.digest import Algorithm, ha1
from tests.api.conftest import Register

EXTENSIONS = "/api/v1/extensions/"


def test_a_new_extension_shows_its_password_once(api: APIClient, domain: Domain) -> None:
    response = api.post(EXTENSIONS, {"extension": "1001", "display_name": "Ada"})
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    made = response.json()
    password = made["password"]
    assert len(password) == 20
    assert made["registration_string"]["registration_string"].startswith(f"1001:{password}@")
    assert made["registration_string"]["sip_uri"] == made["aor"] == "sip:1001@example.com"
    (peer,) = made["peers"]
    assert (peer["name"], peer["username"], peer["state"]) == ("1001", "1001", "never_registered")
    again = api.get(EXTENSIONS + made["id"] + "/")
    assert password not in again.content.decode()
    assert {name: made[name] for name in again.json()} == again.json()


def test_a_given_password_is_the_one_whose_ha1_is_kept(api: APIClient, domain: Domain) -> None:
    body = {"extension": "1001", "username": "ada", "password": "k8-Fuchsbau-71", "enabled": False}
    made = api.post(EXTENSIONS, body).json()
    assert made["password"] == "k8-Fuchsbau-71"
    assert made["enabled"] is False
    assert made["peers"][0]["state"] == "disabled"
    assert made["peers"][0]["state_reason"] == "extension_disabled"
    credential = Extension.objects.get().peers.get().credentials.get()
    assert credential.ha1_md5 == ha1(Algorithm.MD5, "ada", "example.com", "k8-Fuchsbau-71")


def test_the_audit_names_who_came_through_the_api(api: APIClient, domain: Domain) -> None:
    api.post(EXTENSIONS, {"extension": "1001"})
    entry = AuditEntry.objects.get(action="extension_create")
    assert (entry.actor_name, entry.via, entry.target_label) == ("ada", "api", "1001")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"extension": "10 01"}, "extension", "not_a_sip_user"),
        ({"extension": "1001"}, "extension", "number_taken"),
        ({"extension": "1002", "password": "short"}, "password", "weak_password"),
        ({"extension": "1002", "username": "1001"}, "username", "username_taken"),
        ({"extension": "1002", "username": "a b"}, "username", "not_a_sip_user"),
        ({"extension": "1002", "domain": "nowhere.example"}, "domain", "unknown_domain"),
        ({"extension": "1002", "display_name": "a\x00b"}, "display_name", "null_characters_not_allowed"),
        ({"extension": "1002", "display_name": "\ud800"}, "display_name", "surrogate_characters_not_allowed"),
        ({"extension": "1002", "display_name": "a\nb"}, "display_name", "control_characters"),
        ({"extension": "1002", "\ud800": 1}, "?", "unknown_field"),
        ({"extension": ["1002"]}, "extension", "invalid"),
        ({"extension": None}, "extension", "null"),
    ],
)
def test_a_wrong_value_names_its_field(
    api: APIClient, extension: Extension, body: dict[str, object], field: str, code: str
) -> None:
    response = api.generic("POST", EXTENSIONS, json.dumps(body), content_type="application/json")
    assert response.status_code == 400
    assert [(error["field"], error["code"]) for error in response.json()["errors"]] == [(field, code)]
    assert Extension.objects.count() == 1


def test_a_name_that_a_peer_has_is_refused_under_the_apis_name_of_the_field(
    api: APIClient, extension: Extension
) -> None:
    api.post("/api/v1/peers/", {"extension": "1001", "name": "desk"})
    errors = api.post(EXTENSIONS, {"extension": "desk"}).json()["errors"]
    assert [(error["field"], error["code"]) for error in errors] == [("extension", "number_taken")]


@pytest.mark.parametrize("address", ["1001", "1001@example.com", "1001@EXAMPLE.com", "{id}"])
def test_an_extension_is_found_by_number_and_by_id(
    api: APIClient, extension: Extension, address: str
) -> None:
    for slash in ("/", ""):
        response = api.get(EXTENSIONS + address.format(id=extension.pk) + slash)
        assert response.json()["id"] == str(extension.pk)


def test_a_number_that_two_domains_have_is_ambiguous(
    api: APIClient, extension: Extension, actor: Actor
) -> None:
    other = domain_create(name="example.net", actor=actor)
    extension_create(domain=other, number="1001", actor=actor)
    response = api.get(EXTENSIONS + "1001/")
    assert (response.status_code, response.json()["code"]) == (409, "ambiguous")
    assert api.get(EXTENSIONS + "1001@example.net/").json()["domain"] == "example.net"
    needed = api.post(EXTENSIONS, {"extension": "1002"}).json()["errors"]
    assert [(error["field"], error["code"]) for error in needed] == [("domain", "required")]
    assert api.post(EXTENSIONS, {"extension": "1002", "domain": "example.net"}).status_code == 201


def test_a_change_sets_only_what_is_given(api: APIClient, extension: Extension) -> None:
    changed = api.patch(EXTENSIONS + "1001/", {"enabled": False}).json()
    assert (changed["enabled"], changed["display_name"]) == (False, "Ada")
    assert api.patch(EXTENSIONS + "1001/", {"display_name": ""}).json()["display_name"] == ""


def test_disabling_ends_the_registrations(api: APIClient, extension: Extension, register: Register) -> None:
    register(extension.peers.get())
    api.patch(EXTENSIONS + "1001/", {"enabled": False})
    assert api.get("/api/v1/registrations/").json()["results"] == []
    ended = api.get("/api/v1/events/").json()["results"]
    assert [(event["event"], event["reason"]) for event in ended] == [("deactivated", "disabled")]


def test_deleting_takes_the_peers_and_keeps_the_history(
    api: APIClient, extension: Extension, register: Register
) -> None:
    register(extension.peers.get())
    assert api.delete(EXTENSIONS + "1001/").status_code == 204
    assert api.get(EXTENSIONS + "1001/").status_code == 404
    assert api.get("/api/v1/peers/").json()["results"] == []
    (event,) = api.get(f"/api/v1/events/?extension={extension.pk}").json()["results"]
    assert (event["reason"], event["extension"], event["aor"]) == ("deleted", None, "sip:1001@example.com")


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", ["1001", "1002", "2001"]),
        ("?search=100", ["1001", "1002"]),
        ("?search=GRACE", ["1002"]),
        ("?search=%25", []),
        ("?enabled=false", ["2001"]),
        ("?extension=1001", ["1001"]),
        ("?domain=EXAMPLE.com&enabled=true", ["1001", "1002"]),
        ("?domain=example.net", []),
    ],
)
def test_the_list_is_filtered(
    api: APIClient, extension: Extension, actor: Actor, query: str, numbers: list[str]
) -> None:
    extension_create(domain=extension.domain, number="1002", display_name="Grace", actor=actor)
    extension_create(domain=extension.domain, number="2001", enabled=False, actor=actor)
    found = api.get(EXTENSIONS + query).json()["results"]
    assert [row["extension"] for row in found] == numbers


def test_the_list_costs_the_same_however_long(
    api: APIClient, extension: Extension, actor: Actor, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    api.get(EXTENSIONS)
    with django_assert_num_queries(5):
        api.get(EXTENSIONS)
    for number in range(2000, 2010):
        extension_create(domain=extension.domain, number=str(number), actor=actor)
    with django_assert_num_queries(5):
        assert len(api.get(EXTENSIONS).json()["results"]) == 11


def test_an_id_of_something_else_is_a_404(api: APIClient, extension: Extension) -> None:
    for foreign in (extension.peers.get().pk, extension.domain.pk, uuid.uuid4()):
        assert api.get(f"{EXTENSIONS}{foreign}/").status_code == 404
        assert api.delete(f"{EXTENSIONS}{foreign}/").status_code == 404
    assert Extension.objects.filter(pk=extension.pk).exists()


def test_a_random_name_in_the_query_is_no_filter(api: APIClient, domain: Domain) -> None:
    name = get_random_string(12)
    response = api.get(EXTENSIONS, {name: "1"})
    assert response.status_code == 400
    assert response.json()["errors"][0] == {
        "field": name,
        "code": "unknown_filter",
        "detail": "There is no such filter. Known are: cursor, domain, enabled, extension, limit, search.",
    }
