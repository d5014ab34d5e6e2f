"""/api/v1/peers/{peer}/trace/."""

import pytest
from rest_framework.test import APIClient

from apps.extensions.models import Peer
from apps.registrar.trace.models import Trace, TracedMessage

pytestmark = pytest.mark.django_db

TRACE = "/api/v1/peers/1001/trace/"


@pytest.fixture
def traced(api: APIClient, peer: Peer) -> Peer:
    """With a running trace and three messages."""
    assert api.post(TRACE, {}).status_code == 201
    trace = Trace.objects.get()
    for number in range(3):
        TracedMessage.objects.create(
            trace=trace,
            at=trace.started_at,
            direction="in",
            source="203.0.113.7:5062",
            destination="198.51.100.1:5060",
            transport="UDP",
            data=b"REGISTER \x00 %d" % number,
            size=9000,
        )
    return peer


def test_a_trace_is_on_until_it_is_stopped(api: APIClient, traced: Peer) -> None:
    on = api.get(TRACE).json()
    assert (on["is_on"], on["started_by"], on["message_count"]) == (True, "ada", 3)
    assert api.delete(TRACE).status_code == 204
    assert api.get(TRACE).json()["is_on"] is False
    assert api.delete(TRACE).status_code == 204


def test_no_trace_is_said_so(api: APIClient, peer: Peer) -> None:
    assert api.get(TRACE).json() == {
        "is_on": False,
        "started_by": "",
        "started_at": None,
        "until": None,
        "message_count": 0,
    }


def test_the_messages_are_walked_in_pages(reader: APIClient, traced: Peer) -> None:
    first = reader.get(f"{TRACE}messages/?limit=2").json()
    rest = reader.get(first["next"]).json()
    found = first["results"] + rest["results"]
    assert [message["text"] for message in found] == [f"REGISTER \\x00 {number}" for number in range(3)]
    assert (found[0]["size"], found[0]["source"], rest["next"]) == (9000, "203.0.113.7:5062", None)


@pytest.mark.parametrize("minutes", [4, 1441, "x", None])
def test_another_length_is_refused(minutes: object, api: APIClient, peer: Peer) -> None:
    answer = api.post(TRACE, {"minutes": minutes})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["minutes"]


def test_a_peer_nobody_knows_is_not_found(api: APIClient, peer: Peer) -> None:
    assert api.get("/api/v1/peers/1009/trace/").status_code == 404
