"""Extensions and their devices: created, handed over once, changed, deleted."""

import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client

from apps.extensions.audit import Actor
from apps.extensions.models import Credential, Domain, Extension, Peer
from apps.extensions.services import NewPeer, extension_create
from apps.registrar.models import Binding
from apps.sip.digest import Algorithm, ha1
from tests.subscriptions import pending, subscription

pytestmark = pytest.mark.django_db


def value(page: str, field: str) -> str:
    found = re.search(rf'data-field="{field}"[^>]*>([^<]*)<', page)
    assert found is not None
    return found[1]


def test_creating_shows_the_registration_string_and_its_password_works(
    as_admin: Client, domain: Domain
) -> None:
    answer = as_admin.post("/extensions/new/", {"number": "1001", "display_name": "Ann Lee", "password": ""})
    page = answer.content.decode()
    assert answer.status_code == 200
    password = value(page, "password")
    assert value(page, "username") == "1001"
    assert value(page, "domain") == "example.com"
    assert value(page, "registration_string").startswith(f"1001:{password}@")
    credential = Credential.objects.get(username="1001")
    assert credential.ha1_sha256 == ha1(Algorithm.SHA256, "1001", domain.realm, password)
    assert 'data-live="waiting"' in page


def test_the_password_is_in_no_cache_and_on_no_later_page(as_admin: Client, domain: Domain) -> None:
    answer = as_admin.post("/extensions/new/", {"number": "1001"})
    assert answer.headers["Cache-Control"] == "no-store"
    password = value(answer.content.decode(), "password")
    extension = Extension.objects.get()
    for address in ("/", "/extensions/", f"/extensions/{extension.pk}/", "/events/"):
        assert password not in as_admin.get(address).content.decode()
    again = as_admin.post("/extensions/new/", {"number": "1001"}).content.decode()
    assert "exists already" in again
    assert password not in again


def test_an_own_password_is_taken(as_admin: Client, domain: Domain) -> None:
    sent = {"number": "1001", "password_choice": "own", "password": "correct-horse-9"}
    assert value(as_admin.post("/extensions/new/", sent).content.decode(), "password") == "correct-horse-9"


@pytest.mark.parametrize(
    ("sent", "field", "problem"),
    [
        ({"number": "10 01"}, "number", "Use 1 to 64 letters, digits"),
        ({"number": ""}, "number", "This field is required"),
        (
            {"number": "1001", "password_choice": "own", "password": "1001abcd"},
            "password",
            "too easy to guess",
        ),
        ({"number": "1001", "password_choice": "own", "password": ""}, "password", "Type a password"),
        ({"number": "1001", "devices": "99"}, "devices", "less than or equal to 5"),
    ],
)
def test_a_problem_stands_beside_its_field_and_what_was_typed_stays(
    sent: dict[str, str], field: str, problem: str, as_admin: Client, domain: Domain
) -> None:
    page = as_admin.post("/extensions/new/", {**sent, "display_name": "Ann Lee"}).content.decode()
    found = re.search(rf'id="id_{field}_error">([^<]*)<', page)
    assert found is not None
    assert problem in found[1]
    assert 'value="Ann Lee"' in page
    assert f'aria-invalid="true" aria-describedby="id_{field}' in page or f"id_{field}_error" in page
    assert not Extension.objects.exists()


def test_several_devices_get_a_card_each_or_none_is_made(as_admin: Client, domain: Domain) -> None:
    page = as_admin.post("/extensions/new/", {"number": "1001", "devices": "3"}).content.decode()
    assert re.findall(r'data-field="username"[^>]*>([^<]*)<', page) == ["1001", "1001-2", "1001-3"]
    assert len(set(re.findall(r'data-field="password"[^>]*>([^<]*)<', page))) == 3


def test_the_form_suggests_the_next_free_number(as_admin: Client, domain: Domain, actor: Actor) -> None:
    assert 'value="1001"' in as_admin.get("/extensions/new/").content.decode()
    for number in ("200", "201", "9000"):
        extension_create(domain=domain, number=number, actor=actor)
    assert 'value="202"' in as_admin.get("/extensions/new/").content.decode()


def test_the_page_says_how_the_extension_is_doing(
    as_admin: Client, ann: NewPeer, register: Callable[..., Binding]
) -> None:
    address = f"/extensions/{ann.peer.extension_id}/"
    assert "No phone has registered yet." in as_admin.get(address).content.decode()
    register(ann.peer)
    register(ann.peer, contact="sip:1001@10.0.0.1")
    assert "Online on 1 device, 2 contacts." in as_admin.get(address).content.decode()


def test_the_page_shows_the_way_back_to_a_phone_as_text(
    as_admin: Client, ann: NewPeer, register: Callable[..., Binding]
) -> None:
    address = f"/extensions/{ann.peer.extension_id}/"
    register(ann.peer)
    assert "Path" not in as_admin.get(address).content.decode()
    register(
        ann.peer,
        contact="sip:1001@10.0.0.1",
        path="<sip:edge.example.net;lr>",
        instance_id="<urn:uuid:<script>>",
        reg_id=2,
        flow="worker/7",
        pub_gruu="sip:1001@example.com;gr=urn:uuid:1",
        temp_gruu="sip:tgruu.x@example.com;gr",
    )
    page = as_admin.get(address).content.decode()
    for shown in (
        "&lt;sip:edge.example.net;lr&gt;",
        "&lt;urn:uuid:&lt;script&gt;&gt;",
        "flow 2",
        "the registration ends with it",
        "sip:1001@example.com;gr=urn:uuid:1",
        "sip:tgruu.x@example.com;gr",
    ):
        assert shown in page


def test_the_page_shows_who_is_told_of_its_registrations_as_text(as_supervisor: Client, ann: NewPeer) -> None:
    address = f"/extensions/{ann.peer.extension_id}/"
    assert "Nobody subscribes to its registration state." in as_supervisor.get(address).content.decode()
    row = subscription(
        ann.peer,
        "sip:1001@example.com",
        target="sip:<script>@192.0.2.1",
        host="2001:db8::7",
        cseq=3,
        version=3,
    )
    pending(row, attempts=1)
    page = as_supervisor.get(address).content.decode()
    for shown in (
        "sip:&lt;script&gt;@192.0.2.1",
        "[2001:db8::7]:5062",
        "version 2",
        "Waiting for the answer",
    ):
        assert shown in page


def test_a_device_that_may_watch_is_named(as_admin: Client, ann: NewPeer) -> None:
    sent = {"enabled": "on", "max_contacts": "5", "when_full": "replace", "qualify_interval_s": "60"}
    sent["may_watch"] = "on"
    page = as_admin.post(f"/devices/{ann.peer.pk}/edit/", sent, follow=True).content.decode()
    assert "May watch other extensions." in page
    assert Peer.objects.get().may_watch


def test_editing_changes_the_name(as_admin: Client, ann: NewPeer) -> None:
    answer = as_admin.post(f"/extensions/{ann.peer.extension_id}/edit/", {"display_name": "Ann Smith"})
    assert answer.status_code == 302
    assert Extension.objects.get().display_name == "Ann Smith"


def test_disabling_ends_its_bindings_and_enabling_lets_it_back(
    as_admin: Client, ann: NewPeer, register: Callable[..., Binding]
) -> None:
    register(ann.peer)
    page = as_admin.post(f"/extensions/{ann.peer.extension_id}/disable/", follow=True).content.decode()
    assert "signed off and refused" in page
    assert not Binding.objects.exists()
    as_admin.post(f"/extensions/{ann.peer.extension_id}/enable/")
    assert Extension.objects.get().enabled


def test_deleting_asks_first(as_admin: Client, ann: NewPeer) -> None:
    address = f"/extensions/{ann.peer.extension_id}/delete/"
    assert "Delete extension 1001?" in as_admin.get(address).content.decode()
    assert as_admin.post(address).status_code == 302
    assert not Extension.objects.exists()


def test_a_new_password_replaces_the_old_one_once_however_often_the_form_is_sent(
    as_admin: Client, ann: NewPeer
) -> None:
    address = f"/devices/{ann.peer.pk}/password/"
    form = as_admin.get(address).content.decode()
    credential = re.search(r'name="credential" value="([^"]+)"', form)
    assert credential is not None
    sent = {"credential": credential[1], "password": "", "overlap_s": "3600"}
    first = as_admin.post(address, sent)
    assert first.headers["Cache-Control"] == "no-store"
    assert value(first.content.decode(), "password") != ann.registration_string.password
    assert Credential.objects.filter(peer=ann.peer).count() == 2
    again = as_admin.post(address, sent, follow=True)
    assert "changed meanwhile" in again.content.decode()
    assert Credential.objects.filter(peer=ann.peer).count() == 2


def test_a_device_is_added_set_and_removed(as_admin: Client, ann: NewPeer) -> None:
    address = f"/extensions/{ann.peer.extension_id}/devices/new/"
    page = as_admin.post(address, {"name": "1001-desk"}).content.decode()
    assert value(page, "username") == "1001-desk"
    device = Peer.objects.get(name="1001-desk")
    sent = {
        "enabled": "on",
        "max_contacts": "2",
        "when_full": "reject",
        "accepts_no_qop": "on",
        "min_expires_s": "",
        "max_expires_s": "",
        "qualify_interval_s": "30",
    }
    assert as_admin.post(f"/devices/{device.pk}/edit/", sent).status_code == 302
    device.refresh_from_db()
    assert (device.max_contacts, device.when_full, device.accepts_no_qop) == (2, "reject", True)
    assert (device.qualify, device.qualify_interval_s) == (False, 30)
    wrong = as_admin.post(
        f"/devices/{device.pk}/edit/", {**sent, "min_expires_s": "90", "max_expires_s": "60"}
    )
    assert "must rise in that order" in wrong.content.decode()
    assert as_admin.post(f"/devices/{device.pk}/delete/").status_code == 302
    assert not Peer.objects.filter(name="1001-desk").exists()


def test_a_taken_device_name_is_refused_beside_the_field(as_admin: Client, ann: NewPeer) -> None:
    address = f"/extensions/{ann.peer.extension_id}/devices/new/"
    page = as_admin.post(address, {"name": "1001"}).content.decode()
    assert re.search(r'id="id_name_error">1001 is taken', page)


def test_what_is_not_there_is_a_page_of_ours(as_admin: Client) -> None:
    answer = as_admin.get(f"/extensions/{uuid4()}/")
    assert answer.status_code == 404
    assert "Back to Registrations" in answer.content.decode()
