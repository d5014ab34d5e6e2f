"""Getting in."""

import pytest
from django.test import Client

from apps.accounts.models import User

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


def test_the_right_password_leads_to_registrations(client: Client, admin: User) -> None:
    answer = client.post("/sign-in/", {"username": admin.username, "password": PASSWORD, "next": ""})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_a_wrong_password_says_so_and_keeps_the_user_name(client: Client, admin: User) -> None:
    answer = client.post("/sign-in/", {"username": admin.username, "password": "wrong"})
    page = answer.content.decode()
    assert "User name or password is wrong" in page
    assert f'value="{admin.username}"' in page


def test_next_stays_on_this_site(client: Client, admin: User) -> None:
    sent = {"username": admin.username, "password": PASSWORD, "next": "https://evil.example/"}
    assert client.post("/sign-in/", sent).headers["Location"] == "/"


def test_f49_ten_wrong_passwords_lock_this_name_from_this_address_only(
    client: Client, admin: User, supervisor: User
) -> None:
    for _ in range(10):
        answer = client.post("/sign-in/", {"username": admin.username, "password": "wrong"})
    assert answer.status_code == 429
    assert "Too many wrong passwords" in answer.content.decode()
    other = client.post("/sign-in/", {"username": supervisor.username, "password": PASSWORD})
    assert other.status_code == 302


def test_every_answer_carries_the_content_security_policy(client: Client) -> None:
    policy = client.get("/sign-in/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
