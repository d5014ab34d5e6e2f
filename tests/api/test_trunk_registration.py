"""/api/v1/trunks/{trunk}/registration/."""

import datetime as dt

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.extensions.models import AuditEntry, Peer
from apps.trunks.models import TrunkRegistration, TrunkRegistrationState
from apps.trunks.uplink.services import trunk_keys

URL = "/api/v1/trunks/carrier/registration/"
STRING = "register => 4940:k8-Fuchsbau-71:auth7@sip.carrier.example:5070/100"


def test_a_registration_string_sets_it_and_no_answer_holds_the_password(api: APIClient, trunk: Peer) -> None:
    answer = api.put(URL, {"registration_string": STRING})
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["registrar"], body["username"], body["auth_username"], body["contact_user"]) == (
        "sip.carrier.example:5070",
        "4940",
        "auth7",
        "100",
    )
    assert (body["state"], body["enabled"], body["expires"]) == ("unregistered", True, 3600)
    kept = TrunkRegistration.objects.get()
    texts = [answer.content.decode(), api.get(URL).content.decode(), repr(kept.__dict__)]
    texts += [repr(entry.changes) for entry in AuditEntry.objects.all()]
    assert not any("Fuchsbau" in text for text in texts)
    assert trunk_keys().open(kept.sealed_password, trunk.pk) == "k8-Fuchsbau-71"


def test_what_is_absent_is_as_in_a_new_one_but_the_password_stays(api: APIClient, trunk: Peer) -> None:
    api.put(URL, {"registration_string": STRING, "enabled": False, "expires": 600})
    before = TrunkRegistration.objects.get()
    body = api.put(URL, {"registrar": "192.0.2.1", "username": "4941"}).json()
    assert (body["auth_username"], body["expires"], body["enabled"]) == ("", 3600, True)
    after = TrunkRegistration.objects.get()
    assert after.sealed_password == before.sealed_password
    assert after.version > before.version


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "registrar", "carrier gives it"),
        ({"registrar": "sip.example", "username": "a"}, "password", "Give the password"),
        ({"registration_string": "no"}, "registration_string", "There is no @"),
        ({"registration_string": "sctp://a:b@c"}, "registration_string", "UDP"),
        ({"registrar": "a b", "username": "a", "password": "b"}, "registrar", "is no server"),
        ({"registrar": "a", "username": "a b", "password": "b"}, "username", "no spaces"),
        ({"registrar": "a", "username": "a", "password": "b\nc"}, "password", "one line"),
        ({"registration_string": "a:b@c~30"}, "expires", "60 to 86,400"),
        ({"expires": 5}, "expires", "60"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    api: APIClient, trunk: Peer, body: dict[str, object], field: str, words: str
) -> None:
    answer = api.put(URL, body)
    assert answer.status_code == 400
    (error,) = [error for error in answer.json()["errors"] if error["field"] == field]
    assert words in error["detail"]
    assert not TrunkRegistration.objects.exists()


def test_how_it_stands_and_why_is_told(api: APIClient, trunk: Peer) -> None:
    api.put(URL, {"registration_string": STRING})
    now = timezone.now()
    registration = TrunkRegistration.objects.get()
    TrunkRegistrationState.objects.create(
        registration=registration,
        version=registration.version,
        state="refused",
        reason="forbidden",
        since=now,
        status=403,
        phrase="Forbidden",
        server="192.0.2.1:5070",
        next_attempt_at=now + dt.timedelta(minutes=10),
    )
    body = api.get(URL).json()
    assert (body["state"], body["reason"], body["last_status"], body["server"]) == (
        "refused",
        "forbidden",
        403,
        "192.0.2.1:5070",
    )
    assert body["detail"].startswith("The carrier says 403 Forbidden: user name or password is wrong")
    assert body["registered_until"] is None
    # Of what was asked for before a change nothing is told any more.
    assert api.put(URL, {"registration_string": STRING}).json()["state"] == "unregistered"


def test_without_a_registration_there_is_nothing(api: APIClient, trunk: Peer, peer: Peer) -> None:
    assert api.get(URL).status_code == api.delete(URL).status_code == 404
    assert api.put("/api/v1/trunks/1001/registration/", {"registration_string": STRING}).status_code == 404
    api.put(URL, {"registration_string": STRING})
    assert api.delete(URL).status_code == 204
    assert not TrunkRegistration.objects.exists()


def test_a_trunk_with_a_registration_can_be_deleted(api: APIClient, trunk: Peer) -> None:
    api.put(URL, {"registration_string": STRING})
    assert api.delete("/api/v1/trunks/carrier/").status_code == 204
    assert not TrunkRegistration.objects.exists()
