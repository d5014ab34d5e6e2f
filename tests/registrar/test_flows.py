"""Connections that end take their bindings with them, at once and with that reason."""

import datetime as dt

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from apps.registrar import worker
from apps.registrar.models import Binding, RegistrationEvent, WorkerHeartbeat
from apps.registrar.sweeper import end_flows, end_flows_of_dead_workers
from apps.registrar.worker import WorkerTasks
from tests.registrar.conftest import Registrar
from tests.registrar.phone import Phone

pytestmark = pytest.mark.django_db(transaction=True)


@sync_to_async
def flows() -> list[str | None]:
    return list(Binding.objects.order_by("contact").values_list("flow", flat=True))


@sync_to_async
def ends() -> list[tuple[str, str]]:
    rows = RegistrationEvent.objects.exclude(event="registered").order_by("event_id")
    return list(rows.values_list("event", "reason"))


async def bindings_over(registrar: Registrar, phone: Phone, *flows: str | None) -> None:
    await registrar.register(phone, [f"<sip:1001@192.0.2.{number}>" for number, _ in enumerate(flows, 1)])
    for number, flow in enumerate(flows, 1):
        await Binding.objects.filter(contact=f"sip:1001@192.0.2.{number}").aupdate(flow=flow)


async def test_closed_flows_end_their_bindings_and_no_others(registrar: Registrar, phone: Phone) -> None:
    await bindings_over(registrar, phone, None, "w1/1", "w1/2", "w2/1")

    changed = await end_flows(registrar.store, ["w1/1", "w2/1", "w9/9"])

    assert await flows() == [None, "w1/2"]
    assert await ends() == [("deactivated", "flow_closed")] * 2
    assert changed == registrar.changed


async def test_a_binding_that_expired_first_did_not_end_by_its_flow(
    registrar: Registrar, phone: Phone
) -> None:
    await bindings_over(registrar, phone, "w1/1")
    past = timezone.now() - dt.timedelta(hours=2)
    await Binding.objects.aupdate(
        registered_at=past, refreshed_at=past, expires_at=past + dt.timedelta(minutes=1)
    )

    await end_flows(registrar.store, ["w1/1"])

    assert await ends() == [("expired", "expired")]


async def test_flows_end_with_the_worker_that_held_them(registrar: Registrar, phone: Phone) -> None:
    now = timezone.now()
    for name, age_s in (("host:7:ab", 1), ("host:8:cd", 60)):
        seen_at = now - dt.timedelta(seconds=age_s)
        await WorkerHeartbeat.objects.acreate(id=name, bind="x", started_at=seen_at, seen_at=seen_at)
    await bindings_over(registrar, phone, None, "host:7:ab/1", "host:8:cd/1", "never:seen/2")

    await end_flows_of_dead_workers(registrar.store)
    again = await end_flows_of_dead_workers(registrar.store)

    assert await flows() == [None, "host:7:ab/1"]
    assert again == set()


async def test_the_living_end_the_flows_of_a_dead_worker_once_the_others_had_time_to_beat(
    registrar: Registrar, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await registrar.register(phone)
    long_ago = timezone.now() - dt.timedelta(minutes=1)
    await WorkerHeartbeat.objects.acreate(id="dead", bind="", started_at=long_ago, seen_at=long_ago)
    await Binding.objects.aupdate(flow="dead/1", transport="TCP")
    tasks = WorkerTasks(registrar.store, "alive", "127.0.0.1:5060", "", (), dt.timedelta(days=90))

    await tasks.beat()
    await tasks._sweep()
    assert await Binding.objects.acount() == 1

    monkeypatch.setattr(worker, "WORKER_GOOD_FOR", dt.timedelta(0))
    await tasks._sweep()
    assert await Binding.objects.acount() == 0
    assert tasks._changed == registrar.changed
