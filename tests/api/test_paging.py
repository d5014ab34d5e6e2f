"""Pages by the last row seen: no row twice, none left out, whatever shares an instant."""

import base64
import datetime as dt
import json

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.extensions.audit import Actor
from apps.extensions.models import Domain
from apps.extensions.services import domain_create, extension_create
from apps.registrar.models import RegistrationEvent

EVENTS = "/api/v1/events/"
EXTENSIONS = "/api/v1/extensions/"


@pytest.fixture
def many_events(db: None) -> list[int]:
    """1,250 events, of which 1,200 share one instant; their ids, newest first."""
    now = timezone.now()
    instants = [now] * 1200 + [now - dt.timedelta(seconds=number) for number in range(1, 51)]
    RegistrationEvent.objects.bulk_create(
        RegistrationEvent(
            event_id=5000 - number, at=at, last_at=at, event="expired", reason="expired", aor="sip:x@y"
        )
        for number, at in enumerate(instants)
    )
    return [5000 - number for number in range(1250)]


def test_a_walk_forwards_and_back_meets_every_row_once(api: APIClient, many_events: list[int]) -> None:
    seen: list[int] = []
    url: str | None = EVENTS + "?limit=300"
    previous = None
    while url:
        page = api.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url, previous = page["next"], page["previous"]
    assert seen == many_events
    back: list[int] = []
    while previous:
        page = api.get(previous).json()
        back = [row["id"] for row in page["results"]] + back
        previous = page["previous"]
    assert back == many_events[:1200]


def test_a_row_that_comes_meanwhile_moves_no_page(api: APIClient, domain: Domain, actor: Actor) -> None:
    for number in ("1", "3", "5"):
        extension_create(domain=domain, number=number, actor=actor)
    first = api.get(EXTENSIONS + "?limit=2").json()
    extension_create(domain=domain, number="2", actor=actor)
    second = api.get(first["next"]).json()
    assert [row["extension"] for row in first["results"] + second["results"]] == ["1", "3", "5"]
    assert (first["previous"], second["next"]) == (None, None)


def test_equal_numbers_of_two_domains_are_two_rows(api: APIClient, domain: Domain, actor: Actor) -> None:
    for its_domain in (domain, domain_create(name="example.net", actor=actor)):
        extension_create(domain=its_domain, number="1001", actor=actor)
    first = api.get(EXTENSIONS + "?limit=1").json()
    second = api.get(first["next"]).json()
    domains = [row["domain"] for row in first["results"] + second["results"]]
    assert sorted(domains) == ["example.com", "example.net"]


def test_a_filter_stays_on_the_next_page(api: APIClient, domain: Domain, actor: Actor) -> None:
    for number in ("1", "2", "3"):
        extension_create(domain=domain, number=number, enabled=number != "2", actor=actor)
    first = api.get(EXTENSIONS + "?limit=1&enabled=true").json()
    assert [row["extension"] for row in api.get(first["next"]).json()["results"]] == ["3"]


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "ten", "1e2", "٣", "9" * 40])
def test_a_limit_out_of_range_is_refused(api: APIClient, domain: Domain, limit: str) -> None:
    response = api.get(EXTENSIONS, {"limit": limit})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "limit")


def _made_up(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "ü",
        "A" * 9000,
        base64.urlsafe_b64encode(b"[" * 1000).decode(),
        _made_up(),
        _made_up(False, "x"),
        _made_up(False, "2026-01-01", 1),
        _made_up(False, "2026-01-01T00:00:00", 1),
        _made_up(False, "2026-01-01T00:00:00Z", "x"),
        _made_up(False, "2026-01-01T00:00:00Z", None),
        _made_up(False, "2026-01-01T00:00:00Z", {"a": 1}),
        _made_up(False, "a\x00", 1),
        _made_up(False, "\ud800", 1),
        base64.urlsafe_b64encode(b"{}").decode(),
    ],
)
def test_a_made_up_cursor_is_refused(api: APIClient, db: None, cursor: str) -> None:
    response = api.get(EVENTS, {"cursor": cursor})
    assert response.status_code == 400
    assert [(error["field"], error["code"]) for error in response.json()["errors"]] == [
        ("cursor", "invalid_cursor")
    ]


def test_a_made_up_cursor_of_the_right_shape_only_pages(api: APIClient, many_events: list[int]) -> None:
    assert api.get(EVENTS, {"cursor": _made_up(False, "2026-01-01T00:00:00Z", 10**30)}).status_code == 200
