"""Every error is a problem with a stable code, and says nothing that is not the client's business."""

import json
import logging

import pytest
from django.db import IntegrityError, OperationalError
from rest_framework.response import Response
from rest_framework.test import APIClient

from apps.api.views.extensions import ExtensionViewSet
from apps.extensions.models import Extension

EXTENSIONS = "/api/v1/extensions/"


def problem(response: Response, status: int, code: str) -> dict[str, object]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, object] = json.loads(response.content)
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:registrar-admin:problem:{code}"
    assert body["title"]
    assert body["detail"]
    return body


def test_a_request_without_a_token_is_a_401_and_no_redirect(nobody: APIClient, db: None) -> None:
    response = nobody.get(EXTENSIONS)
    problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Token"
    assert response["Cache-Control"] == "no-store"


def test_a_session_is_no_way_into_the_api(admin: object, client: APIClient) -> None:
    client.force_login(admin)  # type: ignore[arg-type]
    problem(client.get(EXTENSIONS), 401, "not_authenticated")
    problem(
        client.post(EXTENSIONS, {"extension": "1"}, content_type="application/json"), 401, "not_authenticated"
    )


@pytest.mark.parametrize(
    "header", ["Token nonsense", "Token ", "Token ra_x y", "token \xff", "Token " + "x" * 9000]
)
def test_a_bad_token_is_a_401_whatever_is_wrong(nobody: APIClient, db: None, header: str) -> None:
    problem(nobody.get(EXTENSIONS, headers={"authorization": header}), 401, "invalid_token")


def test_an_unknown_address_is_a_404(api: APIClient, nobody: APIClient) -> None:
    problem(api.get("/api/v1/nothing/"), 404, "not_found")
    problem(api.post("/api/anything"), 404, "not_found")
    problem(nobody.get("/api/v1/nothing/"), 401, "not_authenticated")


@pytest.mark.parametrize(
    "name", ["9999", "%00", "a%20b", "1001@nowhere", "1001@", "@", "%ED%A0%80", "x" * 300]
)
def test_a_name_nobody_has_is_a_404(api: APIClient, extension: Extension, name: str) -> None:
    problem(api.get(f"{EXTENSIONS}{name}/"), 404, "not_found")


def test_a_wrong_method_is_a_405_with_allow(api: APIClient) -> None:
    response = api.put(EXTENSIONS, {})
    problem(response, 405, "method_not_allowed")
    assert "POST" in response["Allow"]
    problem(api.options(EXTENSIONS), 405, "method_not_allowed")


def test_a_body_that_is_no_json_type_is_a_415(api: APIClient) -> None:
    response = api.post(EXTENSIONS, "extension=1001", content_type="application/x-www-form-urlencoded")
    problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body", ["{", "", "[" * 100_0, '{"extension": NaN}', "\u00ff", '{"a":1' + "0" * 5000 + "}"]
)
def test_a_body_that_cannot_be_read_is_a_400(api: APIClient, body: str) -> None:
    response = api.generic("POST", EXTENSIONS, body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["code"] in ("malformed_json", "invalid")


def test_a_deeply_nested_body_is_a_400(api: APIClient) -> None:
    body = "[" * 60_000
    problem(api.generic("POST", EXTENSIONS, body, content_type="application/json"), 400, "malformed_json")


def test_a_body_over_the_limit_is_a_413(api: APIClient) -> None:
    body = json.dumps({"extension": "1", "display_name": "x" * 70_000})
    problem(api.generic("POST", EXTENSIONS, body, content_type="application/json"), 413, "body_too_large")


@pytest.mark.parametrize("body", ["[]", '"text"', "1", "null"])
def test_a_body_that_is_no_object_is_a_400(api: APIClient, domain: object, body: str) -> None:
    response = api.generic("POST", EXTENSIONS, body, content_type="application/json")
    problem(response, 400, "invalid")


def test_html_is_not_answered(api: APIClient) -> None:
    problem(api.get(EXTENSIONS, headers={"accept": "text/html"}), 406, "not_acceptable")


def test_several_faults_are_named_by_field(api: APIClient, domain: object) -> None:
    body = problem(api.post(EXTENSIONS, {"display_name": "x" * 200, "enabled": "maybe"}), 400, "invalid")
    errors = body["errors"]
    assert isinstance(errors, list)
    assert {(error["field"], error["code"]) for error in errors} == {
        ("extension", "required"),
        ("display_name", "max_length"),
        ("enabled", "invalid"),
    }


def test_our_own_fault_is_logged_once_and_not_shown(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(ExtensionViewSet, "get_queryset", broken)
    with caplog.at_level(logging.ERROR):
        response = api.get(EXTENSIONS)
    problem(response, 500, "server_error")
    assert "secret" not in response.content.decode()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "secret detail" in caplog.text


def test_a_silent_database_is_a_503(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object) -> None:
        raise OperationalError("host=db.internal password=…")

    monkeypatch.setattr(ExtensionViewSet, "get_queryset", broken)
    body = problem(api.get(EXTENSIONS), 503, "unavailable")
    assert "db.internal" not in json.dumps(body)


def test_a_lost_race_is_a_409_and_the_refused_row_is_not_logged(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: object) -> None:
        raise IntegrityError("Failing row contains (ha1 0123)")

    monkeypatch.setattr(ExtensionViewSet, "get_queryset", broken)
    body = problem(api.get(EXTENSIONS), 409, "conflict")
    assert "ha1" not in json.dumps(body) + caplog.text
