"""/api/v1/peers/ and their credentials."""

import datetime as dt

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, Credential, Extension, Peer
from apps.extensions.services import extension_create, peer_create
from apps.registrar.models import PeerActivity
from tests.api.conftest import Register

PEERS = "/api/v1/peers/"


def test_a_second_device_has_its_own_name_and_password(api: APIClient, extension: Extension) -> None:
    body = {
        "extension": "1001",
        "name": "1001-desk",
        "max_contacts": 1,
        "when_full": "reject",
        "qualify": False,
    }
    made = api.post(PEERS, body)
    assert made.status_code == 201
    card = made.json()["registration_string"]
    assert (card["username"], card["sip_uri"]) == ("1001-desk", "sip:1001-desk@example.com")
    shown = api.get(PEERS + "1001-desk").json()
    assert (shown["extension"], shown["max_contacts"], shown["when_full"]) == ("1001", 1, "reject")
    assert (shown["qualify"], shown["qualify_interval_s"]) == (False, 60)
    assert made.json()["password"] not in str(shown)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"extension": "9999", "name": "desk"}, "extension", "not_found"),
        ({"extension": "1001", "name": "1001"}, "name", "name_taken"),
        ({"extension": "1001", "name": "a b"}, "name", "not_a_sip_user"),
        ({"extension": "1001", "name": "desk", "max_contacts": 21}, "max_contacts", "max_value"),
        ({"extension": "1001", "name": "desk", "max_contacts": 1e99}, "max_contacts", "invalid"),
        ({"extension": "1001", "name": "desk", "when_full": "explode"}, "when_full", "invalid_choice"),
        ({"extension": "1001", "name": "desk", "qualify_interval_s": 1}, "qualify_interval_s", "min_value"),
        ({"extension": "1001", "name": "desk", "min_expires_s": 600, "max_expires_s": 60}, None, "invalid"),
    ],
)
def test_a_wrong_value_names_its_field_and_makes_nothing(
    api: APIClient, extension: Extension, body: dict[str, object], field: str | None, code: str
) -> None:
    response = api.post(PEERS, body)
    assert response.status_code == 400
    assert [(error["field"], error["code"]) for error in response.json()["errors"]] == [(field, code)]
    assert Peer.objects.count() == 1


def test_a_peer_may_watch_others_only_when_an_admin_says_so(api: APIClient, peer: Peer) -> None:
    assert api.get(PEERS + "1001/").json()["may_watch"] is False
    assert api.patch(PEERS + "1001/", {"may_watch": True}).json()["may_watch"] is True
    made = api.post(PEERS, {"extension": "1001", "name": "board", "may_watch": True})
    assert made.json()["may_watch"] is True
    changes = AuditEntry.objects.filter(action="peer_update").values_list("changes", flat=True)
    assert list(changes) == [{"may_watch": [False, True]}] * 2


def test_a_change_of_one_limit_is_judged_with_the_other(api: APIClient, peer: Peer) -> None:
    assert api.patch(PEERS + "1001/", {"min_expires_s": 600}).json()["min_expires_s"] == 600
    assert api.patch(PEERS + "1001/", {"max_expires_s": 60}).status_code == 400
    assert api.patch(PEERS + "1001/", {"min_expires_s": None}).json()["min_expires_s"] is None


def test_a_peer_that_is_switched_off_is_disabled_at_once(
    api: APIClient, peer: Peer, register: Register
) -> None:
    register(peer)
    assert api.get(PEERS + "1001/").json()["state"] == "online"
    changed = api.patch(PEERS + "1001/", {"enabled": False}).json()
    assert (changed["state"], changed["state_reason"]) == ("disabled", "peer_disabled")
    assert api.get("/api/v1/registrations/").json()["results"] == []


def test_a_deleted_peer_is_gone(api: APIClient, peer: Peer, register: Register) -> None:
    register(peer)
    assert api.delete(PEERS + "1001/").status_code == 204
    assert api.get(PEERS + "1001/").status_code == 404
    assert api.get("/api/v1/extensions/1001/").json()["peers"] == []


@pytest.mark.parametrize(
    ("activity", "state", "reason"),
    [
        ({}, "never_registered", None),
        ({"refused_at": 5, "refused_reason": "wrong_password"}, "refused", "wrong_password"),
        ({"registered_at": 90, "ended_at": 5, "end_reason": "unregistered"}, "offline", "unregistered"),
        (
            {"registered_at": 90, "refused_at": 5, "refused_reason": "interval_too_brief"},
            "refused",
            "interval_too_brief",
        ),
    ],
)
def test_the_state_says_why(
    api: APIClient, peer: Peer, activity: dict[str, object], state: str, reason: str | None
) -> None:
    now = timezone.now()
    facts = {
        name: now - dt.timedelta(seconds=value) if isinstance(value, int) else value
        for name, value in activity.items()
    }
    if facts:
        PeerActivity.objects.update_or_create(peer=peer, defaults=facts)
    shown = api.get(PEERS + "1001/").json()
    assert (shown["state"], shown["state_reason"]) == (state, reason)
    assert [row["name"] for row in api.get(f"{PEERS}?state={state}").json()["results"]] == ["1001"]


def test_an_expiry_nobody_swept_is_the_reason_and_not_an_older_end(
    api: APIClient, peer: Peer, register: Register
) -> None:
    hours_ago = timezone.now() - dt.timedelta(hours=3)
    PeerActivity.objects.update_or_create(
        peer=peer, defaults={"registered_at": hours_ago, "ended_at": hours_ago, "end_reason": "unregistered"}
    )
    register(peer, ago_s=7000, expires_s=3600)
    shown = api.get(PEERS + "1001/").json()
    assert (shown["state"], shown["state_reason"]) == ("offline", "expired")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?extension=1001", ["1001", "desk"]),
        ("?extension=1001@example.net", []),
        ("?extension=a%20b", []),
        ("?name=desk", ["desk"]),
        ("?username=1002", ["1002"]),
        ("?search=des", ["desk"]),
        ("?state=online", ["desk"]),
        ("?enabled=true&domain=example.com", ["1001", "1002", "desk"]),
    ],
)
def test_the_list_is_filtered(
    api: APIClient, extension: Extension, actor: Actor, register: Register, query: str, names: list[str]
) -> None:
    extension_create(domain=extension.domain, number="1002", actor=actor)
    register(peer_create(extension=extension, name="desk", actor=actor).peer)
    found = api.get(PEERS + query).json()["results"]
    assert [row["name"] for row in found] == names


def test_an_empty_filter_is_refused_and_does_not_list_everything(api: APIClient, peer: Peer) -> None:
    for query in ("?extension=", "?extension=%20", "?state="):
        response = api.get(PEERS + query)
        assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "empty")
    assert len(api.get(PEERS + "?search=").json()["results"]) == 1


def test_an_unknown_state_is_refused(api: APIClient, db: None) -> None:
    errors = api.get(PEERS + "?state=sleepy").json()["errors"]
    assert [(error["field"], error["code"]) for error in errors] == [("state", "invalid_choice")]


def test_the_list_costs_the_same_however_long(
    api: APIClient, extension: Extension, actor: Actor, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    api.get(PEERS)
    for number in range(2000, 2010):
        extension_create(domain=extension.domain, number=str(number), actor=actor)
    with django_assert_num_queries(4):
        assert len(api.get(PEERS).json()["results"]) == 11


def test_credentials_are_listed_without_a_secret(api: APIClient, peer: Peer) -> None:
    response = api.get(PEERS + "1001/credentials/")
    (row,) = response.json()["results"]
    assert set(row) == {"id", "username", "algorithms", "created_at", "valid_until"}
    assert row["algorithms"] == ["MD5", "SHA-256", "SHA-512-256"]
    credential = peer.credentials.get()
    for secret in (credential.ha1_md5, credential.ha1_sha256, credential.ha1_sha512_256):
        assert secret not in response.content.decode()


def test_a_rotated_password_is_shown_once_and_the_old_stays_good_for_the_overlap(
    api: APIClient, peer: Peer
) -> None:
    response = api.post(PEERS + "1001/credentials/rotate/", {"overlap_s": 600})
    assert (response.status_code, response["Cache-Control"]) == (201, "no-store")
    new, old = Credential.objects.filter(peer=peer)
    assert response.json()["id"] == str(new.pk)
    assert response.json()["password"] in response.json()["registration_string"]["registration_string"]
    assert old.valid_until is not None
    assert dt.timedelta(seconds=590) < old.valid_until - timezone.now() <= dt.timedelta(seconds=600)
    assert new.valid_until is None
    assert len(api.get(PEERS + "1001/credentials/").json()["results"]) == 2


def test_a_rotation_without_overlap_ends_every_older_password(api: APIClient, peer: Peer) -> None:
    api.post(PEERS + "1001/credentials/rotate/", {"overlap_s": 600})
    api.post(PEERS + "1001/credentials/rotate/", {"password": "k8-Fuchsbau-72"})
    good = Credential.objects.filter(peer=peer).exclude(valid_until__lte=timezone.now())
    assert good.count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [({"overlap_s": -1}, "overlap_s"), ({"password": "1001"}, "password"), ({"username": "x"}, "username")],
)
def test_a_bad_rotation_changes_nothing(
    api: APIClient, peer: Peer, body: dict[str, object], field: str
) -> None:
    response = api.post(PEERS + "1001/credentials/rotate/", body)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert Credential.objects.get().valid_until is None
