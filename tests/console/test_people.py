"""Admins let people in and out; a password is shown once; one admin remains."""

import re

import pytest
from django.test import Client

from apps.accounts.models import Role, User
from apps.extensions.models import AuditEntry

pytestmark = pytest.mark.django_db


def new_password_in(html: str) -> str:
    found = re.search(r'id="new-password"[^>]*>([^<]+)<', html)
    assert found
    return found[1]


def test_a_supervisor_is_added_and_signs_in_with_the_password_shown(as_admin: Client) -> None:
    answer = as_admin.post("/people/", {"username": "sue", "role": "supervisor"})

    assert answer["Cache-Control"] == "no-store"
    password = new_password_in(answer.content.decode())
    assert User.objects.get(username="sue").role == Role.SUPERVISOR
    assert Client().post("/sign-in/", {"username": "sue", "password": password}).status_code == 302
    assert "new-password" not in as_admin.get("/people/").content.decode()
    assert AuditEntry.objects.filter(action="user_create", target_label="sue", actor_name="ada").exists()


def test_a_taken_name_is_said_beside_the_field(as_admin: Client, supervisor: User) -> None:
    answer = as_admin.post("/people/", {"username": "sam", "role": "admin"})

    assert "already exists" in answer.content.decode()
    assert User.objects.filter(username="sam").count() == 1


def test_a_disabled_person_is_signed_out(as_admin: Client, as_supervisor: Client, supervisor: User) -> None:
    as_admin.post(f"/people/{supervisor.pk}/disable/")
    assert as_supervisor.get("/").status_code == 302

    as_admin.post(f"/people/{supervisor.pk}/enable/")
    assert User.objects.get(pk=supervisor.pk).is_active


def test_the_only_admin_cannot_be_disabled(as_admin: Client, admin: User) -> None:
    answer = as_admin.post(f"/people/{admin.pk}/disable/", follow=True)

    assert "only admin" in answer.content.decode()
    assert User.objects.get(pk=admin.pk).is_active


def test_a_new_password_ends_the_old_one(as_admin: Client, supervisor: User) -> None:
    answer = as_admin.post(f"/people/{supervisor.pk}/password/")

    password = new_password_in(answer.content.decode())
    old = Client().post("/sign-in/", {"username": "sam", "password": "correct horse battery"})
    new = Client().post("/sign-in/", {"username": "sam", "password": password})
    assert (old.status_code, new.status_code) == (200, 302)
