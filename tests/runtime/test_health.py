"""GET /healthz: 200 only when all is well, and which is not."""

import datetime as dt

import pytest
from django.conf import LazySettings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.calls.models import CallProcess
from apps.extensions.audit import Actor
from apps.extensions.models import Domain
from apps.extensions.services import extension_create
from apps.registrar.models import WorkerHeartbeat
from registrar_admin.health import CredentialKeys, Migrations

pytestmark = pytest.mark.django_db


def beat(seconds_ago: float) -> None:
    at = timezone.now() - dt.timedelta(seconds=seconds_ago)
    WorkerHeartbeat.objects.create(id="host:1:a", bind="0.0.0.0:5060", started_at=at, seen_at=at)


def beat_of_call_process(seconds_ago: float) -> None:
    at = timezone.now() - dt.timedelta(seconds=seconds_ago)
    CallProcess.objects.create(id="host:2:a", bind="0.0.0.0:5060", started_at=at, seen_at=at)


def test_without_a_sip_worker_it_is_503_and_says_so() -> None:
    answer = Client().get("/healthz")

    assert answer.status_code == 503
    assert answer.json() == {
        "status": "failing",
        "checks": {
            "web": "ok",
            "database": "ok",
            "migrations": "ok",
            "credential_keys": "ok",
            "sip": "failing",
            "calls": "failing",
        },
    }


def test_with_a_beating_worker_and_call_process_all_is_well() -> None:
    beat(1)
    beat_of_call_process(1)

    assert Client().get("/healthz").status_code == 200


def test_a_worker_that_stopped_beating_is_not_well() -> None:
    beat(30)

    assert Client().get("/healthz").json()["checks"]["sip"] == "failing"


def test_a_call_process_that_stopped_beating_is_not_well() -> None:
    beat(1)
    beat_of_call_process(30)

    answer = Client().get("/healthz")

    assert answer.status_code == 503
    assert answer.json()["checks"]["calls"] == "failing"


def test_a_password_under_a_key_that_is_missing_is_not_well(
    domain: Domain, actor: Actor, settings: LazySettings
) -> None:
    settings.CREDENTIAL_KEYS = (bytes(range(32)),)
    extension_create(domain=domain, number="1001", actor=actor)
    assert CredentialKeys()()

    settings.CREDENTIAL_KEYS = ()

    assert not CredentialKeys()()


def test_the_table_of_credentials_is_not_read_each_time_somebody_asks(
    domain: Domain, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    check = CredentialKeys()
    assert check()

    with django_assert_num_queries(0):
        assert check()


def test_a_missing_migration_is_not_well() -> None:
    recorder = MigrationRecorder(connection)
    newest = recorder.migration_qs.filter(app="registrar").order_by("-id")[0]
    recorder.record_unapplied(newest.app, newest.name)

    assert not Migrations()()
