"""A renewal is looked up by keys and touches no index, however many phones there are and whatever the planner knows."""

import asyncio
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.db.models import F
from django.utils import timezone

from apps.extensions.services import NewPeer
from apps.registrar.models import Binding, NonceUse, RegistrationEvent
from apps.registrar.renewals import sql
from apps.registrar.renewals.lane import Lane
from apps.registrar.renewals.reading import Renewal
from apps.registrar.sql import BY_KEYS_ALONE
from apps.registrar.sweeper import sweep
from tests.registrar.conftest import PASSWORD, Registrar, url_of_test_database
from tests.registrar.phone import Phone
from tests.registrar.renewals.conftest import Quick, aged
from tests.registrar.renewals.pair import CHANCE, CountingProcessor, opened_store

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 2000
# As many peers, credentials, bindings and used nonces as the one there is, copied.
FILL = """
INSERT INTO extensions_peer SELECT (jsonb_populate_record(p, jsonb_build_object(
    'id', gen_random_uuid(), 'name', 'n' || g))).*
FROM extensions_peer p, generate_series(1, {many}) g WHERE p.name = '1001';
INSERT INTO extensions_credential SELECT (jsonb_populate_record(c, jsonb_build_object(
    'id', gen_random_uuid(), 'username', p.name, 'peer_id', p.id))).*
FROM extensions_credential c, extensions_peer p WHERE c.username = '1001' AND p.name <> '1001';
INSERT INTO registrar_binding SELECT (jsonb_populate_record(b, jsonb_build_object(
    'aor', 'sip:' || p.name || '@example.com', 'binding_id', gen_random_uuid(), 'peer_id', p.id))).*
FROM registrar_binding b, extensions_peer p WHERE b.aor = 'sip:1001@example.com' AND p.name <> '1001';
INSERT INTO registrar_nonceuse SELECT (jsonb_populate_record(u, jsonb_build_object('nonce', u.nonce || g))).*
FROM registrar_nonceuse u, generate_series(1, {many}) g;
"""
UPDATES = """
SELECT CASE WHEN relname LIKE 'registrar_binding%' THEN 'bindings' ELSE 'nonces' END,
       sum(n_tup_upd), sum(n_tup_hot_upd)
FROM pg_stat_user_tables WHERE relname ~ '^registrar_binding_[0-9]$|^registrar_nonceuse$' GROUP BY 1
"""
BY_KEYS = {"registrar_nonceuse", "extensions_peer", "extensions_credential", "extensions_extension"}


def execute(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def plan_of(statement: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """As it runs on a connection of the hot pool: a generic plan, carried out and taken back."""
    text, kinds = statement, []
    for number, (name, value) in enumerate(params.items(), 1):
        text = text.replace(f"%({name})s", f"${number}")
        kinds.append("json" if isinstance(value, str) else "float8")
    with psycopg.connect(url_of_test_database(), autocommit=True) as hot:
        hot.execute(BY_KEYS_ALONE)
        hot.execute(f"PREPARE asked ({', '.join(kinds)}) AS {text}")
        with hot.transaction(force_rollback=True):
            called = psycopg.ClientCursor(hot).mogrify(
                f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked ({', '.join(['%s'] * len(kinds))})",
                list(params.values()),
            )
            found = hot.execute(called).fetchone()
    assert found is not None
    return list(nodes(found[0][0]["Plan"]))


def assert_by_keys(plan: list[dict[str, Any]]) -> None:
    scanned = {node.get("Relation Name", "") for node in plan if node["Node Type"] == "Seq Scan"}
    assert not {name for name in scanned if name in BY_KEYS or name.startswith("registrar_binding")}
    # Of the partitions of an AOR one is looked at; and none of the others' rows.
    looked = [node for node in plan if node.get("Relation Name", "").startswith("registrar_binding_")]
    assert {node["Relation Name"] for node in looked if node["Actual Loops"]} <= {
        next(node["Relation Name"] for node in looked if node["Actual Rows"])
    }
    assert max(node["Actual Rows"] for node in plan) <= 2


def as_read(phone: Phone, registrar: Quick) -> Renewal:
    found = registrar.counting._reader.read(phone.register(), phone.source)
    assert found is not None
    return found


@pytest.mark.parametrize("is_analyzed", [False, True], ids=["statistics of an empty table", "statistics"])
async def test_both_statements_go_by_keys_whatever_the_planner_knows(
    quick: Quick, phone: Phone, is_analyzed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sync_to_async(execute)("ANALYZE")
    await quick.renewed(phone)
    await sync_to_async(execute)(FILL.format(many=MANY))
    if is_analyzed:
        await sync_to_async(execute)("ANALYZE")
    renewal = as_read(phone, quick)
    written: list[Any] = []
    original = quick.watched.fetch_by_keys

    async def seen(statement: str, params: Any) -> list[tuple[Any, ...]]:
        written.append((statement, params))
        return await original(statement, params)

    monkeypatch.setattr(quick.watched, "fetch_by_keys", seen)
    assert len(await Lane(quick.store, CHANCE.nonce_key, b"").renew([renewal])) == 1
    (read, asked), (write, params) = written

    assert (read, write) == (sql.READ, sql.RENEW)
    assert_by_keys(plan_of(read, asked))
    row = json.loads(params["rows"])[0]
    again = json.dumps([{**row, "cseq": row["cseq"] + 1, "nc": row["nc"] + 1}])
    now_s = timezone.now().timestamp()
    plan = plan_of(write, {**params, "rows": again, "decided_at_s": now_s})
    assert_by_keys(plan)
    assert [node["Actual Rows"] for node in plan if node["Node Type"] == "ModifyTable"] == [1, 1]


async def updates() -> dict[str, tuple[int, int]]:
    async with await psycopg.AsyncConnection.connect(url_of_test_database(), autocommit=True) as own:
        return {kind: (count, hot) for kind, count, hot in await (await own.execute(UPDATES)).fetchall()}


async def flushed(least: dict[str, int]) -> dict[str, tuple[int, int]]:
    """The counts, when those whose connections are closed have told theirs."""
    for _ in range(1000):
        found = await updates()
        if all(found.get(kind, (0, 0))[0] >= count for kind, count in least.items()):
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"the statistics do not come: {found}")


async def test_a_thousand_renewals_touch_no_index(extension_1001: NewPeer, phone: Phone) -> None:
    async with opened_store() as store:
        quick = CountingProcessor(store, CHANCE, lambda peers: None)
        registrar = Registrar(store)
        registrar.processor = quick
        for _ in range(3):
            await registrar.register(phone)
        await sync_to_async(execute)(FILL.format(many=300))
        taken = quick.taken
    await sync_to_async(execute)("SELECT pg_stat_force_next_flush()")
    before = await flushed({"bindings": 2, "nonces": 2})

    async with opened_store() as store:
        quick.store = quick.lane.store = store
        for _ in range(1000):
            await quick.answers([(phone.register(), phone.source)])
    after = {
        kind: tuple(now - then for now, then in zip(counts, before[kind], strict=True))
        for kind, counts in (
            await flushed({kind: count + 1000 for kind, (count, _) in before.items()})
        ).items()
    }

    assert quick.taken == taken + 1000
    assert all(count == hot >= 1000 for count, hot in after.values()), after
    assert (await Binding.objects.aget(aor="sip:1001@example.com")).refresh_count == 1002
    assert (await NonceUse.objects.aget(nonce=phone.nonce)).nc == 1003


async def in_order() -> bool:
    return not await Binding.objects.filter(due_at__gt=F("expires_at")).aexists()


async def test_the_sweeper_puts_off_what_was_renewed_and_ends_what_was_not(
    quick: Quick, phone: Phone
) -> None:
    await quick.renewed(phone, expires=120)
    await Binding.objects.aupdate(due_at=F("registered_at"))

    changed, _ = await sweep(quick.store)
    put_off = await Binding.objects.aget()
    await quick.register(phone, expires=120)
    renewed = await Binding.objects.aget()

    assert changed == set()
    assert put_off.due_at == put_off.expires_at
    assert (renewed.due_at, renewed.expires_at > put_off.expires_at) == (put_off.due_at, True)

    await quick.register(phone, expires=60)
    assert await in_order()
    await aged(dt.timedelta(minutes=10))
    changed, _ = await sweep(quick.store)

    assert changed == {put_off.peer_id}
    assert not await Binding.objects.aexists()
    assert [row.reason async for row in RegistrationEvent.objects.order_by("-event_id")[:1]] == ["expired"]


async def test_however_a_phone_renews_the_sweeper_never_looks_too_late(quick: Quick, phone: Phone) -> None:
    for expires in (600, 120, 3600, 60, 60, 3600, 3600):
        await quick.register(phone, expires=expires)
        assert await in_order()
        await Binding.objects.aupdate(due_at=F("registered_at"))
        await sweep(quick.store)
        assert await in_order()
        await quick.register(phone, expires=expires)
        assert await in_order()
    assert quick.taken > 0


async def test_an_expired_binding_that_was_renewed_often_ends_within_one_sweep(
    quick: Quick, phone: Phone
) -> None:
    others = [Phone("1001", PASSWORD, source=("203.0.113.8", 5060 + number)) for number in range(4)]
    for one in (phone, *others):
        await quick.renewed(one, expires=120)
    await aged(dt.timedelta(seconds=100))
    await quick.register(phone, expires=120)
    await aged(dt.timedelta(seconds=100))

    await sweep(quick.store)

    assert [row.contact async for row in Binding.objects.all()] == ["sip:1001@203.0.113.7:5062"]
