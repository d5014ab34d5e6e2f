"""/api/v1/extensions/{extension}/subscriptions/: who is told of an extension's registrations."""

import datetime as dt

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from apps.extensions.audit import Actor
from apps.extensions.models import Extension, Peer
from apps.extensions.services import extension_create, peer_create
from tests.subscriptions import pending, subscription

URL = "/api/v1/extensions/1001/subscriptions/"


def test_a_subscription_is_shown_with_all_that_is_known(
    reader: APIClient, extension: Extension, peer: Peer
) -> None:
    row = subscription(peer, extension.aor, flow="worker/7", cseq=4, version=3)
    (shown,) = reader.get(URL).json()["results"]
    assert 590 < shown.pop("expires_s") <= 600
    assert {shown.pop("notified_at"), shown.pop("expires_at")}
    assert shown == {
        "id": str(row.subscription_id),
        "aor": "sip:1001@example.com",
        "peer": "1001",
        "peer_id": str(peer.pk),
        "subscriber": "sip:1001@example.com",
        "contact": "sip:1001@192.0.2.1:5060",
        "received_addr": "203.0.113.9",
        "received_port": 5062,
        "transport": "UDP",
        "has_flow": True,
        "call_id": "dialog-1",
        "notify_cseq": 4,
        "notify_version": 2,
        "notify_state": "answered",
    }


def test_those_to_its_peers_are_listed_and_those_to_others_and_expired_ones_are_not(
    api: APIClient, extension: Extension, peer: Peer, actor: Actor
) -> None:
    desk = peer_create(extension=extension, name="1001-desk", actor=actor).peer
    other = extension_create(domain=extension.domain, number="1002", actor=actor).peer
    subscription(other, extension.aor)
    subscription(desk, "sip:1001-desk@example.com")
    subscription(peer, "sip:1002@example.com")
    subscription(peer, extension.aor, expires_at=timezone.now() - dt.timedelta(seconds=1))
    rows = api.get(URL).json()["results"]
    assert [(row["aor"], row["peer"]) for row in rows] == [
        ("sip:1001-desk@example.com", "1001-desk"),
        ("sip:1001@example.com", "1002"),
    ]


@pytest.mark.parametrize(("attempts", "state"), [(0, "queued"), (2, "unanswered")])
def test_a_notify_without_an_answer_says_so(
    api: APIClient, extension: Extension, peer: Peer, attempts: int, state: str
) -> None:
    pending(subscription(peer, extension.aor), attempts)
    assert api.get(URL).json()["results"][0]["notify_state"] == state


def test_the_list_is_paged_and_costs_the_same_for_many(
    api: APIClient, extension: Extension, peer: Peer, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    made = {str(subscription(peer, extension.aor).subscription_id) for _ in range(7)}
    with django_assert_max_num_queries(7):
        page = api.get(URL, {"limit": 4}).json()
    found = page["results"] + api.get(page["next"]).json()["results"]
    assert {row["id"] for row in found} == made
    assert api.get(URL, {"serach": "x"}).status_code == 400


def test_an_unknown_extension_has_no_list(api: APIClient, extension: Extension) -> None:
    assert api.get("/api/v1/extensions/9999/subscriptions/").status_code == 404
