"""/api/v1/registrations/, /lookup/ and /events/: what is live, in which order it rings, and what was."""

import uuid

import pytest
from django.conf import settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, Extension, Peer
from apps.extensions.services import extension_create, peer_create
from apps.registrar.gruu import gruu_key, pub_gruu, temp_gruu
from apps.registrar.models import Binding, Probe, ProbeState, RegistrationEvent
from tests.api.conftest import Register

REGISTRATIONS = "/api/v1/registrations/"
LOOKUP = "/api/v1/lookup/"
EVENTS = "/api/v1/events/"


def event(event_id: int, **fields: object) -> RegistrationEvent:
    at = timezone.now()
    facts: dict[str, object] = {
        "at": at,
        "last_at": at,
        "event": "registered",
        "reason": "ok",
        "aor": "sip:x@y",
    }
    return RegistrationEvent.objects.create(event_id=event_id, **(facts | fields))


def test_a_live_registration_is_shown_with_all_that_is_known(
    api: APIClient, peer: Peer, register: Register
) -> None:
    binding = register(
        peer,
        q=500,
        path="<sip:edge;lr>",
        instance_id="<urn:uuid:1>",
        reg_id=1,
        refresh_count=3,
        flow="worker/7",
        pub_gruu="sip:1001@example.com;gr=urn:uuid:1",
        temp_gruu="sip:tgruu.x@example.com;gr",
    )
    (row,) = api.get(REGISTRATIONS).json()["results"]
    assert 3580 < row.pop("expires_s") <= 3590
    for at in ("registered_at", "refreshed_at", "expires_at"):
        row.pop(at)
    assert row == {
        "id": str(binding.binding_id),
        "aor": "sip:1001@example.com",
        "peer": "1001",
        "peer_id": str(peer.pk),
        "extension": "1001",
        "extension_id": str(peer.extension_id),
        "domain": "example.com",
        "contact": "sip:1001@192.0.2.1:5060",
        "received_addr": "203.0.113.9",
        "received_port": 40001,
        "transport": "UDP",
        "user_agent": "Phone/1",
        "call_id": "call-1",
        "cseq": 2,
        "q": 0.5,
        "path": "<sip:edge;lr>",
        "instance_id": "<urn:uuid:1>",
        "reg_id": 1,
        "has_flow": True,
        "pub_gruu": "sip:1001@example.com;gr=urn:uuid:1",
        "temp_gruu": "sip:tgruu.x@example.com;gr",
        "probe_state": None,
        "rtt_ms": None,
        "refresh_count": 3,
    }
    assert api.get(f"{REGISTRATIONS}{binding.binding_id}/").json()["id"] == row["id"]


def test_an_expired_registration_is_not_there_swept_or_not(
    api: APIClient, peer: Peer, register: Register
) -> None:
    binding = register(peer, ago_s=61, expires_s=60)
    assert api.get(REGISTRATIONS).json()["results"] == []
    assert api.get(f"{REGISTRATIONS}{binding.binding_id}/").status_code == 404
    assert api.delete(f"{REGISTRATIONS}{binding.binding_id}/").status_code == 404
    assert api.get(LOOKUP + "?extension=1001").json()["contacts"] == []


def test_a_dropped_registration_ends_with_an_event_and_an_audit_row(
    api: APIClient, peer: Peer, register: Register
) -> None:
    binding = register(peer)
    assert api.delete(f"{REGISTRATIONS}{binding.binding_id}/").status_code == 204
    assert not Binding.objects.exists()
    assert AuditEntry.objects.filter(action="registration_drop", via="api", actor_name="ada").count() == 1
    (row,) = api.get(EVENTS).json()["results"]
    assert (row["event"], row["reason"], row["peer"], row["extension"]) == (
        "deactivated",
        "dropped",
        "1001",
        "1001",
    )
    assert api.delete(f"{REGISTRATIONS}{binding.binding_id}/").status_code == 404


@pytest.mark.parametrize("name", ["1", "nonsense", "-" * 36, "a25b9d2c-a388-4b9f-ae1d-583053e284f6"])
def test_an_id_nobody_has_is_a_404(api: APIClient, db: None, name: str) -> None:
    assert api.get(f"{REGISTRATIONS}{name}/").status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?extension=1001", 2),
        ("?extension=1001@example.com", 2),
        ("?extension=9999", 0),
        ("?peer=desk", 1),
        ("?aor=sip:1001@EXAMPLE.com;transport=udp", 1),
        ("?domain=example.com", 3),
        ("?domain=example.net", 0),
        ("?search=Snom", 1),
        ("?search=203.0.113.", 3),
        ("?search='%3B--", 0),
    ],
)
def test_the_list_is_filtered(
    api: APIClient, extension: Extension, actor: Actor, register: Register, query: str, found: int
) -> None:
    register(extension.peers.get())
    register(peer_create(extension=extension, name="desk", actor=actor).peer, user_agent="snom/8")
    register(extension_create(domain=extension.domain, number="1002", actor=actor).peer)
    assert len(api.get(REGISTRATIONS + query).json()["results"]) == found


def test_an_address_that_is_no_sip_address_is_refused(api: APIClient, db: None) -> None:
    for query in (REGISTRATIONS + "?aor=1001", LOOKUP + "?aor=tel:1001", LOOKUP + "?aor=sip:"):
        response = api.get(query)
        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == "aor"


def test_the_list_costs_two_queries_however_long(
    api: APIClient, peer: Peer, register: Register, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    api.get(REGISTRATIONS)
    for _ in range(5):
        register(peer)
    with django_assert_num_queries(2):
        assert len(api.get(REGISTRATIONS).json()["results"]) == 5


def test_a_lookup_of_an_extension_gives_all_its_peers_in_ringing_order(
    api: APIClient, extension: Extension, actor: Actor, register: Register
) -> None:
    first = extension.peers.get()
    register(first, contact="sip:low@h", q=100, ago_s=1)
    register(first, contact="sip:old@h", ago_s=90)
    register(first, contact="sip:new@h", ago_s=5)
    desk = peer_create(extension=extension, name="desk", actor=actor).peer
    register(desk, contact="sip:desk@h", q=1000, ago_s=30)
    for query in ("?extension=1001", "?aor=sip:1001@example.com", "?extension=1001&domain=example.com"):
        found = api.get(LOOKUP + query).json()
        assert (found["aor"], found["extension"], found["peer"]) == ("sip:1001@example.com", "1001", None)
        assert [row["contact"] for row in found["contacts"]] == [
            "sip:new@h",
            "sip:desk@h",
            "sip:old@h",
            "sip:low@h",
        ]
    found = api.get(LOOKUP + "?aor=sip:desk@example.com").json()
    assert (found["extension"], found["peer"]) == ("1001", "desk")
    assert [row["contact"] for row in found["contacts"]] == ["sip:desk@h"]


def test_a_contact_that_probes_do_not_reach_is_tried_last(
    api: APIClient, peer: Peer, register: Register
) -> None:
    lost = register(peer, contact="sip:lost@h", q=1000)
    Probe.objects.create(binding_id=lost.binding_id, peer_id=peer.pk, state=ProbeState.UNREACHABLE)
    register(peer, contact="sip:low@h", q=1, ago_s=60)
    found = api.get(LOOKUP + "?extension=1001").json()
    assert [row["contact"] for row in found["contacts"]] == ["sip:low@h", "sip:lost@h"]
    assert [row["probe_state"] for row in found["contacts"]] == [None, "unreachable"]


def test_a_contact_says_how_others_dial_it(api: APIClient, peer: Peer, register: Register) -> None:
    register(peer, contact="sip:1001@10.0.0.5:5062", path="<sip:edge;lr>", ago_s=60)
    register(peer, contact="sip:1001@10.0.0.5:5062")
    there, behind = api.get(LOOKUP + "?extension=1001").json()["contacts"]
    assert there["dial_strings"] == {
        "pjsip": "PJSIP/1001/sip:1001@203.0.113.9:40001;transport=udp",
        "sip": "SIP/1001@203.0.113.9:40001",
        "sofia": "sofia/internal/sip:1001@203.0.113.9:40001;transport=udp",
        "uri": there["dial_uri"],
    }
    assert behind["dial_strings"]["pjsip"] is None
    assert behind["dial_strings"]["sofia"] == "sofia/internal/sip:1001@10.0.0.5:5062;fs_path=sip%3Aedge%3Blr"


def test_an_unknown_extension_is_told_from_one_that_nobody_answers(
    api: APIClient, extension: Extension
) -> None:
    assert api.get(LOOKUP + "?extension=1001").json()["contacts"] == []
    for query in (
        "?extension=9999",
        "?aor=sip:9999@example.com",
        "?extension=1001&domain=no.example",
        "?extension=",
    ):
        response = api.get(LOOKUP + query)
        assert (response.status_code, response.json()["code"]) == (404, "unknown_extension"), query


DESK = "<urn:uuid:0f1a>"


def gruus(aor: str = "sip:1001@example.com", call_id: str = "call-1") -> dict[str, str]:
    key = gruu_key(settings.SECRET_KEY)
    return {"public": pub_gruu(aor, DESK), "temporary": temp_gruu(key, aor, DESK, call_id, 1)}


@pytest.mark.parametrize("kind", ["public", "temporary"])
def test_a_gruu_finds_all_flows_of_its_one_device(
    api: APIClient, peer: Peer, register: Register, kind: str
) -> None:
    register(peer)
    register(peer, instance_id="<urn:uuid:other>", call_id="call-1")
    flows = [register(peer, instance_id=DESK, reg_id=flow) for flow in (1, 2)]
    answer = api.get(LOOKUP, {"aor": gruus()[kind]})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["aor"], found["extension"]) == ("sip:1001@example.com", "1001")
    assert {contact["id"] for contact in found["contacts"]} == {str(flow.binding_id) for flow in flows}


@pytest.mark.parametrize(
    "gruu",
    [
        *gruus("sip:9999@example.com").values(),
        *gruus("sip:1001@example.org").values(),
        gruus()["public"] + "b",
        gruus(call_id="an older call")["temporary"],
        "sip:tgruu.bm90IG91cnM@example.com;gr",
        "sip:1001@example.com;gr",
    ],
    ids=["user", "user, temporary", "domain", "domain, temporary", "device", "call", "seal", "no seal"],
)
def test_an_unknown_gruu_is_answered_like_an_unknown_address(
    api: APIClient, peer: Peer, register: Register, gruu: str
) -> None:
    register(peer, instance_id=DESK)
    answer = api.get(LOOKUP, {"aor": gruu})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_extension")


def test_a_gruu_of_a_disabled_or_silent_device_is_unknown(
    api: APIClient, peer: Peer, register: Register
) -> None:
    register(peer, instance_id=DESK, ago_s=61, expires_s=60)
    assert api.get(LOOKUP, {"aor": gruus()["public"]}).status_code == 404
    register(peer, instance_id=DESK)
    api.patch("/api/v1/peers/1001/", {"enabled": False})
    assert api.get(LOOKUP, {"aor": gruus()["public"]}).status_code == 404


def test_a_disabled_extension_has_no_contacts(
    api: APIClient, extension: Extension, register: Register
) -> None:
    register(extension.peers.get())
    Extension.objects.update(enabled=False)
    found = api.get(LOOKUP + "?extension=1001").json()
    assert (found["enabled"], found["contacts"]) == (False, [])


@pytest.mark.parametrize("query", ["", "?aor=sip:1001@example.com&extension=1001", "?number=1001"])
def test_a_lookup_needs_exactly_one_address(api: APIClient, extension: Extension, query: str) -> None:
    assert api.get(LOOKUP + query).status_code == 400


@pytest.mark.parametrize(
    ("fields", "dial_uri"),
    [
        ({"contact": "sip:1001@10.0.0.5:5062"}, "sip:1001@203.0.113.9:40001;transport=udp"),
        ({"contact": "sip:1001@10.0.0.5;transport=udp;ob"}, "sip:1001@203.0.113.9:40001;transport=udp;ob"),
        ({"contact": "sip:10.0.0.5"}, "sip:203.0.113.9:40001;transport=udp"),
        ({"contact": "sip:a:secret@[2001:db8::5]:5060"}, "sip:a@203.0.113.9:40001;transport=udp"),
        (
            {"contact": "sip:1001@10.0.0.5", "received_addr": "2001:db8::9"},
            "sip:1001@[2001:db8::9]:40001;transport=udp",
        ),
        ({"contact": "sip:1001@10.0.0.5", "path": "<sip:edge;lr>"}, "sip:1001@10.0.0.5"),
        ({"contact": "tel:+491234"}, "tel:+491234"),
    ],
)
def test_a_contact_is_dialled_where_its_packets_come_from(
    api: APIClient, peer: Peer, register: Register, fields: dict[str, object], dial_uri: str
) -> None:
    register(peer, **fields)
    (row,) = api.get(LOOKUP + "?extension=1001").json()["contacts"]
    assert row["dial_uri"] == dial_uri


def test_events_come_newest_first_and_are_filtered(api: APIClient, peer: Peer) -> None:
    event(1, peer_id=peer.pk, extension_id=peer.extension_id)
    event(2, event="refused", reason="wrong_password", peer_id=peer.pk, count=7)
    event(3, peer_id=uuid.uuid4())

    def ids(query: str) -> list[int]:
        return [row["id"] for row in api.get(EVENTS + query).json()["results"]]

    assert ids("") == [3, 2, 1]
    assert ids("?event=refused") == [2]
    assert ids("?peer=1001") == ids(f"?peer={peer.pk}") == [2, 1]
    assert ids("?extension=1001") == [1]
    assert ids("?since=2999-01-01T00:00:00Z") == []
    assert len(ids("?since=2000-01-01T00:00:00Z")) == 3
    for wrong in ("?since=yesterday", "?event=exploded", "?type=refused"):
        assert api.get(EVENTS + wrong).status_code == 400
