"""What every test may ask for: a domain, an admin, a supervisor, an actor."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import hypothesis
import pytest
from django.conf import LazySettings, settings
from django.db import OperationalError, connection, transaction
from django.db.backends.postgresql.operations import DatabaseOperations
from psycopg.errors import LockNotAvailable
from pytest_django import DjangoDbBlocker

from apps.accounts.models import Role, User
from apps.accounts.services import user_create
from apps.extensions.audit import Actor
from apps.extensions.models import Domain
from apps.extensions.services import domain_create

# Well below PostgreSQL's deadlock_timeout of 1 s: the flush is always the one that gives way.
FLUSH_WAITS: Final = "SET LOCAL lock_timeout = '100ms'"
FLUSH_TRIES: Final = 300

# How long examples take says how busy the machine is, and nothing of what is tested.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def static_folder() -> None:
    """Whoever serves pages looks for it when he starts, before any test's own fixtures."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="session", autouse=True)
def patient_flush() -> Iterator[None]:
    """The flush after a transactional test begins again whenever a SIP server that lives across tests holds a lock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", _flush)
        yield


def _flush(operations: DatabaseOperations, statements: Iterable[str]) -> None:
    for last in (*[False] * (FLUSH_TRIES - 1), True):
        try:
            with transaction.atomic(), operations.connection.cursor() as cursor:
                for statement in (FLUSH_WAITS, *statements):
                    cursor.execute(statement)
        except OperationalError as error:
            if last or not isinstance(error.__cause__, LockNotAvailable):
                raise
        else:
            return


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """What connects directly gets the test database, too. Async tests leave connections in threads that are gone; the
    test database could not be dropped."""
    settings.DATABASE_DIRECT_URL = (
        urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    )
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
