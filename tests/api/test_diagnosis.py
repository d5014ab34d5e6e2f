"""/diagnosis/: the verdict for programs; and the same in a terminal."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Extension, Peer
from apps.extensions.services import domain_create, extension_create, peer_create
from apps.registrar.models import PeerActivity, RegistrationEvent
from tests.api.conftest import Register

pytestmark = pytest.mark.django_db


def refused(peer: Peer, user_agent: str = "snomD785") -> None:
    now = timezone.now()
    PeerActivity.objects.create(peer=peer, refused_at=now, refused_reason="wrong_password", heard_at=now)
    RegistrationEvent.objects.create(
        at=now,
        last_at=now,
        event_id=1,
        event="refused",
        reason="wrong_password",
        count=3,
        aor="sip:1001@example.com",
        peer_id=peer.pk,
        extension_id=peer.extension_id,
        received_addr="203.0.113.9",
        received_port=5060,
        user_agent=user_agent,
    )


def said(name: str) -> str:
    out = StringIO()
    call_command("diagnose", name, stdout=out)
    return out.getvalue()


def test_a_peers_verdict_has_code_sentence_evidence_and_fix(reader: APIClient, peer: Peer) -> None:
    refused(peer)
    answer = reader.get(f"/api/v1/peers/{peer.pk}/diagnosis/").json()
    verdict = answer["verdict"]
    assert (answer["peer"], answer["extension"], answer["domain"]) == ("1001", "1001", "example.com")
    assert (verdict["code"], verdict["severity"], verdict["certainty"]) == (
        "wrong_password",
        "broken",
        "certain",
    )
    assert verdict["fix"]
    assert any("203.0.113.9:5060" in line["text"] and line["count"] == 3 for line in verdict["evidence"])
    assert answer["findings"][0] == verdict


def test_an_extension_answers_with_the_device_that_rings(
    reader: APIClient, extension: Extension, peer: Peer, actor: Actor, register: Register
) -> None:
    register(peer)
    refused(peer_create(extension=extension, name="1001-soft", actor=actor).peer)
    answer = reader.get("/api/v1/extensions/1001/diagnosis/").json()
    assert (answer["peer"], answer["verdict"]["code"]) == ("1001", "fine")
    assert {each["peer"]: each["verdict"]["code"] for each in answer["peers"]} == {
        "1001": "fine",
        "1001-soft": "wrong_password",
    }


def test_an_extension_without_a_device_has_no_verdict(reader: APIClient, extension: Extension) -> None:
    extension.peers.all().delete()
    answer = reader.get("/api/v1/extensions/1001/diagnosis/").json()
    assert (answer["peer"], answer["verdict"], answer["peers"]) == (None, None, [])


def test_who_is_not_there_is_a_problem(reader: APIClient, peer: Peer) -> None:
    assert reader.get("/api/v1/peers/1009/diagnosis/").json()["code"] == "not_found"
    assert reader.get("/api/v1/extensions/1009/diagnosis/").json()["code"] == "not_found"


def test_without_a_token_nothing_is_said(nobody: APIClient, peer: Peer) -> None:
    assert nobody.get("/api/v1/peers/1001/diagnosis/").status_code == 401
    assert nobody.get("/api/v1/extensions/1001/diagnosis/").status_code == 401


def test_more_devices_are_not_more_queries(
    reader: APIClient,
    extension: Extension,
    actor: Actor,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(2, 12):
        peer_create(extension=extension, name=f"1001-{number}", actor=actor)
    with django_assert_max_num_queries(18):
        assert len(reader.get("/api/v1/extensions/1001/diagnosis/").json()["peers"]) == 11


def test_the_command_says_the_same_in_a_terminal(peer: Peer) -> None:
    refused(peer)
    out = said("1001")
    assert "[wrong_password, broken, certain]" in out
    assert "203.0.113.9:5060" in out
    assert "\n  fix: " in out


def test_the_command_prints_nothing_that_moves_the_terminals_cursor(peer: Peer) -> None:
    refused(peer, user_agent="snom\x1b[2J\x07")
    assert not [character for character in said("1001") if not character.isprintable() and character != "\n"]


def test_the_command_finds_a_device_by_its_own_name(extension: Extension, actor: Actor) -> None:
    peer_create(extension=extension, name="1001-soft", actor=actor)
    assert "1001-soft" not in said("1001-soft").split("[")[0]
    assert "1001-soft: " in said("1001")


def test_the_command_asks_which_of_several(domain: Domain, extension: Extension, actor: Actor) -> None:
    other = domain_create(name="example.org", actor=actor)
    extension_create(domain=other, number="1001", actor=actor)
    with pytest.raises(CommandError, match=r"Say which: 1001@domain") as caught:
        said("1001")
    assert caught.value.returncode == 2
    assert said("1001@example.org")
    with pytest.raises(CommandError, match=r"There is no 1009"):
        said("1009")
