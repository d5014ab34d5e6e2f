"""What every test may ask for: a domain, an admin, a supervisor, an actor."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection
from pytest_django import DjangoDbBlocker

from apps.accounts.models import Role, User
from apps.accounts.services import user_create
from apps.extensions.audit import Actor
from apps.extensions.models import Domain
from apps.extensions.services import domain_create


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Async tests leave connections in threads that are gone; the test database could not be dropped."""
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True)
def light_site(settings: LazySettings) -> None:
    """Templates render without collectstatic, and a sign-in costs no slow hash: both are Django's business."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture
def actor() -> Actor:
    return Actor.of_command("test")


@pytest.fixture
def domain(db: None, actor: Actor) -> Domain:
    return domain_create(name="example.com", actor=actor)


@pytest.fixture
def admin(db: None, actor: Actor) -> User:
    return user_create(username="ada", password="correct horse battery", role=Role.ADMIN, actor=actor)


@pytest.fixture
def supervisor(db: None, actor: Actor) -> User:
    return user_create(username="sam", password="correct horse battery", role=Role.SUPERVISOR, actor=actor)
