"""The ledger's months: one partition each, made ahead, dropped whole; and queries that touch only what they must."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.registrar import ledger_sql, sql
from apps.registrar.bindings import ChangeSet, Event
from apps.registrar.ledger import MONTHS_AHEAD, beginning, keep_months, month_of, months_from, partition_of
from apps.registrar.models import RegistrationEvent
from apps.registrar.outcomes import EventKind
from apps.registrar.selectors import online_history
from apps.registrar.store import Store
from tests.registrar.conftest import url_of_test_database

pytestmark = pytest.mark.django_db(transaction=True)

KEPT = dt.timedelta(days=90)
PEER = UUID(int=7)


def event_at(at: dt.datetime, **changes: Any) -> Event:
    facts: dict[str, Any] = {"event": EventKind.REGISTERED, "reason": "registered", **changes}
    return Event(
        at=at,
        aor="sip:1001@example.com",
        peer_id=PEER,
        extension_id=None,
        received=("203.0.113.7", 5062),
        **facts,
    )


def run(statement: str, params: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall() if cursor.description else []


def write(*events: Event) -> None:
    for statement, params in sql.write_statements(ChangeSet(events=list(events))):
        run(statement, params)


def partitions() -> dict[str, int]:
    """How many rows lie in each."""
    names = [name for _, name in run(ledger_sql.LEDGER_PARTITIONS)]
    return {name: run(f"SELECT count(*) FROM {name}")[0][0] for name in names}


def touched(statement: str, params: Any = None) -> set[str]:
    """The ledger's partitions that a statement looks into."""
    (plan,) = run(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", params)[0]
    text = plan if isinstance(plan, list) else json.loads(plan)
    found: set[str] = set()

    def look(node: dict[str, Any]) -> None:
        if "Scan" in node["Node Type"] and str(node.get("Relation Name")).startswith(
            "registrar_registration"
        ):
            found.add(node["Relation Name"])
        for inner in node.get("Plans", ()):
            look(inner)

    look(text[0]["Plan"])
    return found


@pytest.fixture
async def stores(transactional_db: None) -> AsyncIterator[list[Store]]:
    stores = [Store(url_of_test_database()) for _ in range(3)]
    for store in stores:
        await store.open()
    yield stores
    for store in stores:
        await store.close()


def this_and_next_months() -> list[str]:
    return [partition_of(month) for month in months_from(timezone.now(), MONTHS_AHEAD)]


def test_a_month_is_a_month_in_utc_and_the_year_ends_with_december() -> None:
    late_in_december = dt.datetime(2026, 12, 31, 22, tzinfo=dt.timezone(dt.timedelta(hours=-5)))

    assert months_from(late_in_december, 2) == [(2027, 1), (2027, 2), (2027, 3)]
    assert months_from(dt.datetime(2026, 11, 5, tzinfo=dt.UTC), 2) == [(2026, 11), (2026, 12), (2027, 1)]
    assert beginning((2027, 1)) == dt.datetime(2027, 1, 1, tzinfo=dt.UTC)


def test_a_partition_says_its_month() -> None:
    assert month_of(partition_of((2026, 3))) == (2026, 3)
    assert month_of("registrar_registrationevent_rest") is None


def test_a_row_lies_in_its_month_and_what_belongs_to_none_in_the_rest() -> None:
    write(event_at(timezone.now()), event_at(dt.datetime(1999, 12, 31, tzinfo=dt.UTC)))

    found = partitions()
    assert found[this_and_next_months()[0]] == 1
    assert found["registrar_registrationevent_rest"] == 1


async def test_workers_begin_the_months_ahead_once_and_take_over_rows_that_lay_in_the_rest(
    stores: list[Store],
) -> None:
    last = this_and_next_months()[-1]
    await sync_to_async(run)(f"DROP TABLE {last}")
    at = beginning(month_of(last) or (0, 0)) + dt.timedelta(days=3)
    await sync_to_async(write)(event_at(at))
    before = await RegistrationEvent.objects.aget()

    await asyncio.gather(*[keep_months(store, KEPT) for store in stores for _ in range(2)])

    found = await sync_to_async(partitions)()
    assert (found[last], found["registrar_registrationevent_rest"]) == (1, 0)
    assert set(this_and_next_months()) <= set(found)
    assert (await RegistrationEvent.objects.aget()).event_id == before.event_id
    await sync_to_async(write)(event_at(at))
    assert (await sync_to_async(partitions)())[last] == 2


async def test_a_month_is_dropped_when_all_of_it_is_too_old_and_so_are_old_rows_of_the_rest(
    stores: list[Store],
) -> None:
    now = timezone.now()
    old, young = (months_from(now - dt.timedelta(days=days), 0)[0] for days in (150, 80))
    for month in (old, young):
        statement = (
            "CREATE TABLE {} PARTITION OF registrar_registrationevent FOR VALUES FROM ('{}') TO ('{}')"
        )
        until = beginning(months_from(beginning(month), 1)[1])
        await sync_to_async(run)(statement.format(partition_of(month), beginning(month), until))
    times = [beginning(old), beginning(young), dt.datetime(1999, 1, 1, tzinfo=dt.UTC), now]
    await sync_to_async(write)(*[event_at(at) for at in times])

    await keep_months(stores[0], KEPT)

    left = await sync_to_async(partitions)()
    await sync_to_async(run)(f"DROP TABLE {partition_of(young)}")
    assert partition_of(old) not in left
    assert left[partition_of(young)] == 1
    assert left["registrar_registrationevent_rest"] == 0


async def test_while_somebody_reads_the_ledger_the_months_wait_and_nobody_waits_for_them(
    stores: list[Store], caplog: pytest.LogCaptureFixture
) -> None:
    last = this_and_next_months()[-1]
    await sync_to_async(run)(f"DROP TABLE {last}")
    async with stores[0].pool.connection() as reader, reader.transaction():
        await reader.execute("SELECT count(*) FROM registrar_registrationevent")
        await keep_months(stores[1], KEPT)
        assert last not in await sync_to_async(partitions)()
    assert "left for later" in caplog.text

    await keep_months(stores[1], KEPT)

    assert last in await sync_to_async(partitions)()


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
def test_a_bounded_time_touches_one_or_two_partitions(plans: str) -> None:
    month = {this_and_next_months()[0]}
    refused = event_at(timezone.now(), event=EventKind.REFUSED, reason="wrong_password")
    write(refused)
    ((statement, params), _) = sql.write_statements(ChangeSet(events=[refused]))
    types, values = ("text, timestamptz, timestamptz", (params["rows"], params["since"], params["until"]))
    prepared = statement % {"rows": "$1", "since": "$2", "until": "$3"}
    run(f"SET plan_cache_mode = {plans}")
    run("PREPARE sums(" + types.replace("text", "json") + ") AS " + prepared)

    assert touched("EXECUTE sums(%s, %s, %s)", values) == month
    assert RegistrationEvent.objects.get().count == 2
    hour = "SELECT * FROM registrar_registrationevent WHERE at > now() - interval '1 hour' AND at <= now()"
    assert len(touched(hour)) <= 2
    run("DEALLOCATE sums")
    run("RESET plan_cache_mode")


def test_the_days_curve_leaves_other_months_alone() -> None:
    with CaptureQueriesContext(connection) as queries:
        online_history()

    assert len(touched(queries[-1]["sql"])) <= 2
