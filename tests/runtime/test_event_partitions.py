"""The ledger of an older version becomes months, and keeps its rows."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

MIGRATION = import_module("apps.registrar.migrations.0102_event_partitions").PARTITION_THE_LEDGER
LEDGER = "registrar_registrationevent"


def run(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def insert(*times: str) -> None:
    for at in times:
        run(
            f"INSERT INTO {LEDGER} (at, last_at, count, event, reason, aor, contact, user_agent) "
            f"VALUES ('{at}', '{at}', 1, 'registered', 'registered', 'sip:1001@example.com', '', '')"
        )


@pytest.fixture
def old_ledger(db: None) -> Iterator[None]:
    """The table as it was, in a schema of its own before the real one."""
    run("CREATE SCHEMA older")
    run("SET LOCAL search_path = older, public")
    run(f"CREATE TABLE older.{LEDGER} (LIKE public.{LEDGER} INCLUDING CONSTRAINTS INCLUDING IDENTITY)")
    run(f"ALTER TABLE older.{LEDGER} ADD PRIMARY KEY (at, event_id)")
    run(f"CREATE INDEX event_by_peer ON older.{LEDGER} (peer_id, at DESC)")
    yield
    run("DROP SCHEMA older CASCADE")
    run("SET LOCAL search_path = public")


def test_rows_are_kept_each_in_its_month_and_numbers_go_on(old_ledger: None) -> None:
    run("SET LOCAL timezone = 'Australia/Sydney'")
    insert("2026-08-31 23:59:59+00", "2026-09-01 00:00:00+00", "1999-01-01 00:00:00+00")
    before = run(f"SELECT * FROM {LEDGER} ORDER BY event_id")

    run(MIGRATION)

    assert run(f"SELECT * FROM {LEDGER} ORDER BY event_id") == before
    assert run(f"SELECT count(*) FROM {LEDGER}_2026_08") == [(1,)]
    assert run(f"SELECT count(*) FROM {LEDGER}_2026_09") == [(1,)]
    assert run(f"SELECT count(*) FROM {LEDGER}_rest") == [(1,)]
    insert("2026-09-02 00:00:00+00")
    assert run(f"SELECT max(event_id) FROM {LEDGER}") == [(before[-1][1] + 1,)]


@pytest.mark.parametrize("rows", [[], ["2026-10-03 00:00:00+00"]])
def test_it_may_be_done_twice(old_ledger: None, rows: list[str]) -> None:
    insert(*rows)
    run(MIGRATION)
    run(MIGRATION)

    assert run(f"SELECT count(*) FROM {LEDGER}") == [(len(rows),)]
