"""/api/schema/ and /api/docs/."""

from io import StringIO

import pytest
from django.conf import LazySettings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import User


def test_the_schema_is_complete_and_valid() -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=StringIO())


def test_the_schema_is_for_whoever_is_signed_in(reader: APIClient, nobody: APIClient, admin: User) -> None:
    assert nobody.get("/api/schema/").status_code == 401
    by_token = reader.get("/api/schema/")
    assert by_token.json()["openapi"].startswith("3.")
    browser = Client()
    browser.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.get("/api/schema/").json()["paths"] == by_token.json()["paths"]


def test_every_operation_says_which_problems_it_answers(reader: APIClient) -> None:
    schema = reader.get("/api/schema/").json()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert {"401", "403"} <= set(operation["responses"]), (method, path)
            problem = operation["responses"]["401"]["content"]["application/problem+json"]
            assert problem["schema"]["$ref"].endswith("/Problem")
            assert operation["security"] == [{"token": []}]


@pytest.fixture
def browser(admin: User) -> Client:
    client = Client()
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_the_page_asks_a_stranger_to_sign_in(nobody: APIClient, db: None, settings: LazySettings) -> None:
    settings.LOGIN_URL = "/sign-in/"
    response = nobody.get("/api/docs/")
    assert (response.status_code, response["Location"]) == (302, "/sign-in/?next=/api/docs/")


def test_the_page_keeps_the_sites_policy_and_needs_nothing_from_elsewhere(browser: Client) -> None:
    page = browser.get("/api/docs/")
    text = page.content.decode()
    assert page["Content-Security-Policy"].startswith(
        "default-src 'none'; script-src 'self'; style-src 'self'"
    )
    assert "unsafe" not in page["Content-Security-Policy"]
    assert "<style" not in text
    assert "//" not in text.replace("<!DOCTYPE", "")
    for part in text.split('"'):
        if part.startswith("/static/"):
            assert finders.find(part.removeprefix("/static/")), part
    assert text.count("<script src=") == text.count("<script") == 2


def test_the_pages_script_is_a_file_of_ours(browser: Client) -> None:
    script = browser.get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert 'url: "/api/schema/"' in script.content.decode().replace("\\u002D", "-").replace("\\/", "/")
