"""/api/v1/blocked-sources/"""

import pytest
from rest_framework.test import APIClient

from apps.extensions.models import BlockedSource

SOURCES = "/api/v1/blocked-sources/"


def test_a_source_is_blocked_listed_and_unblocked(api: APIClient) -> None:
    made = api.post(SOURCES, {"ip_address": "203.0.113.0", "cidr_prefix_length": 28, "note": "scanner"})
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["ip_address"], row["cidr_prefix_length"], row["note"]) == ("203.0.113.0", 28, "scanner")
    assert api.get(SOURCES).json()["results"] == [row]
    assert api.get(f"{SOURCES}{row['id']}/").json() == row
    assert api.delete(f"{SOURCES}{row['id']}/").status_code == 204
    assert api.get(f"{SOURCES}{row['id']}/").status_code == 404
    assert not BlockedSource.objects.exists()


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"ip_address": "10.0.0.0", "cidr_prefix_length": 8}, "ip_address", "wide_network"),
        ({"ip_address": "scanner.example"}, "ip_address", "invalid"),
        ({"ip_address": "203.0.113.7", "port": 5060}, "port", "unknown_field"),
        ({"ip_address": "203.0.113.7", "note": "two\nlines"}, "note", "control_characters"),
        ({"ip_address": "198.51.100.7"}, "ip_address", "unique"),
    ],
)
def test_a_wrong_source_names_its_field(
    api: APIClient, body: dict[str, object], field: str, code: str
) -> None:
    api.post(SOURCES, {"ip_address": "198.51.100.7"})
    response = api.post(SOURCES, body)
    assert response.status_code == 400
    assert [(error["field"], error["code"]) for error in response.json()["errors"]] == [(field, code)]
    assert BlockedSource.objects.count() == 1


def test_a_supervisor_reads_and_does_not_block(reader: APIClient) -> None:
    assert reader.get(SOURCES).status_code == 200
    assert reader.post(SOURCES, {"ip_address": "203.0.113.7"}).status_code == 403
