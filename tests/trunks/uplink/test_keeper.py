"""The keeper of registrations over a real PostgreSQL, its clock and its carrier in our hand."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from psycopg_pool import AsyncConnectionPool

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import peer_update, trunk_create
from apps.sip.message import Request, parse_request
from apps.sip.response import build_response
from apps.sipserver.addresses import way_to
from apps.sipserver.events import Address, Datagram
from apps.trunks.models import TrunkProbe, TrunkRegistration, TrunkRegistrationState, UplinkLease
from apps.trunks.servers import Server
from apps.trunks.services import trunk_settings_update
from apps.trunks.uplink import services
from apps.trunks.uplink.keeper import UplinkKeeper
from tests.registrar.conftest import url_of_test_database
from tests.trunks.uplink.carrier import FIRST, OWN, PASSWORD, SECOND, challenge, proves

pytestmark = pytest.mark.django_db(transaction=True)

registration_set = sync_to_async(services.registration_set)


class Process:
    """One call process' keeper; what it sends stays here until the carrier says something."""

    def __init__(self, pool: Any, name: str, own: Address = OWN) -> None:
        self.now_s = 1000.0
        self.sent: list[Datagram] = []
        self.servers: tuple[Address, ...] = (FIRST,)
        self.keeper = UplinkKeeper(
            pool,
            self._send,
            own,
            services.trunk_keys(),
            name,
            resolve=self._resolve,
            clock=lambda: self.now_s,
        )

    async def _send(self, event: dict[str, Any]) -> None:
        self.sent += event["datagrams"]

    async def _resolve(self, server: Server, own_host: str) -> tuple[tuple[Address, ...], str]:
        return self.servers, own_host

    async def work(self, seconds: float = 0.0) -> list[Request]:
        """A look at the lease, then ticks until nothing more is sent at this moment: what was sent in them."""
        self.now_s += seconds
        before = len(self.sent)
        await self.keeper.lead()
        for _ in range(3):
            await self.keeper.tick()
            for task in list(self.keeper._lookups):
                await task
        return [
            request for data, _ in self.sent[before:] if isinstance(request := parse_request(data), Request)
        ]

    async def answer(
        self, status: int = 200, *headers: tuple[str, str], method: str = "REGISTER"
    ) -> list[Request]:
        """The carrier's answer to what was sent last."""
        data, source = next(sent for sent in reversed(self.sent) if sent[0].startswith(method.encode()))
        request = parse_request(data)
        assert isinstance(request, Request)
        self.keeper.hear([(build_response(request, source[:2], status, "Said", headers), source)])
        return await self.work()

    async def register(self) -> None:
        await self.work()
        (request,) = [one for one in await self.answer(401, challenge()) if one.method == "REGISTER"]
        assert proves(request)
        await self.answer(200)


@pytest.fixture
def trunk(transactional_db: None, actor: Actor) -> Peer:
    domain = Domain.objects.create(name="example.com", realm="example.com")
    trunk = trunk_create(domain=domain, name="carrier", actor=actor)
    return peer_update(peer=trunk, actor=actor, qualify=False)


@pytest.fixture
def registration(trunk: Peer, actor: Actor) -> TrunkRegistration:
    line = f"register => 4940:{PASSWORD}@sip.carrier.example"
    return services.registration_set(trunk=trunk, actor=actor, registration_string=line)


@pytest.fixture
async def process(transactional_db: None) -> AsyncIterator[Callable[..., Process]]:
    async with AsyncConnectionPool(
        url_of_test_database(), min_size=1, max_size=3, open=False, kwargs={"autocommit": True}
    ) as pool:
        yield lambda name="a", own=OWN: Process(pool, name, own)


async def standing() -> TrunkRegistrationState:
    return await TrunkRegistrationState.objects.aget()


@sync_to_async
def let_the_lease_run_out() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE trunks_uplinklease SET until = now() - interval '1 s'")


async def test_a_registration_is_kept_and_how_it_stands_is_written(
    process: Callable[..., Process], registration: TrunkRegistration
) -> None:
    a = process()
    await a.work()
    assert (await standing()).state == "trying"
    await a.answer(401, challenge())
    await a.answer(200)
    row = await standing()
    assert (row.state, row.status, row.server, row.version) == (
        "registered",
        200,
        "192.0.2.1:5060",
        registration.version,
    )
    assert row.contact == "sip:4940@198.51.100.5:5060"
    assert row.registered_until is not None
    assert row.next_attempt_at is not None
    assert (row.registered_until - row.since).total_seconds() == pytest.approx(3600, abs=1)
    assert 2700 < (row.next_attempt_at - row.since).total_seconds() < 3061
    (refresh,) = await a.work(3061)
    assert proves(refresh)


async def test_a_refusal_and_its_reason_are_written(
    process: Callable[..., Process], registration: TrunkRegistration
) -> None:
    a = process()
    await a.work()
    await a.answer(403)
    row = await standing()
    assert (row.state, row.reason, row.status, row.failures) == ("refused", "forbidden", 403, 1)
    assert await a.work(590) == []


async def test_one_process_keeps_it_and_another_takes_over_when_it_dies(
    process: Callable[..., Process], registration: TrunkRegistration
) -> None:
    a, b = process("a"), process("b", ("198.51.100.6", 5060))
    await a.register()
    assert await b.work() == []
    await let_the_lease_run_out()
    # The carrier has the other's contact: a new one is registered at once.
    (request,) = await b.work()
    assert request.value("contact") == "<sip:4940@198.51.100.6:5060>;expires=3600"
    assert await a.work() == []
    assert not a.keeper.is_leading


async def test_a_process_that_stands_still_sends_nothing_once_another_may_have_begun(
    process: Callable[..., Process], registration: TrunkRegistration
) -> None:
    a = process()
    await a.register()
    a.now_s += 3600
    a.sent.clear()
    await a.keeper.tick()
    assert a.sent == []


async def test_whoever_stops_gives_way_at_once_and_the_next_goes_on_with_the_same_contact(
    process: Callable[..., Process], registration: TrunkRegistration
) -> None:
    a, b = process("a"), process("b")
    await a.register()
    await a.keeper.stop()
    assert not await UplinkLease.objects.aexists()
    assert await b.work() == []
    assert b.keeper.is_leading
    assert len(await b.work(3061)) == 1


async def test_a_long_pause_outlives_a_restart(
    process: Callable[..., Process], registration: TrunkRegistration
) -> None:
    a, b = process("a"), process("b")
    await a.work()
    await a.answer(403)
    await a.keeper.stop()
    assert await b.work(5) == []


async def test_a_change_is_tried_at_once(
    process: Callable[..., Process], registration: TrunkRegistration, actor: Actor, trunk: Peer
) -> None:
    a = process()
    await a.work()
    await a.answer(403)
    await registration_set(trunk=trunk, actor=actor, password="another one")
    assert len(await a.work()) == 1
    await a.answer(403)
    await sync_to_async(services.registration_retry)(trunk=trunk, actor=actor)
    assert len(await a.work()) == 1


async def test_the_same_contact_is_renewed_and_not_taken_back(
    process: Callable[..., Process], registration: TrunkRegistration, actor: Actor, trunk: Peer
) -> None:
    a = process()
    await a.register()
    await registration_set(trunk=trunk, actor=actor, expires_s=600)
    (request,) = await a.work()
    assert (request.value("contact") or "").endswith("expires=600")
    assert (await standing()).state == "registered"


async def test_another_account_takes_the_old_contact_back(
    process: Callable[..., Process], registration: TrunkRegistration, actor: Actor, trunk: Peer
) -> None:
    a = process()
    await a.register()
    await registration_set(trunk=trunk, actor=actor, username="4999")
    said = {(request.to.uri_text[4:8], request.value("expires")) for request in await a.work()}
    assert said == {("4940", "0"), ("4999", "3600")}


@pytest.mark.parametrize("how", ["registration", "trunk", "removed"])
async def test_what_is_switched_off_is_taken_back(
    process: Callable[..., Process], registration: TrunkRegistration, actor: Actor, trunk: Peer, how: str
) -> None:
    a = process()
    await a.register()
    if how == "registration":
        await registration_set(trunk=trunk, actor=actor, enabled=False)
    elif how == "trunk":
        await sync_to_async(peer_update)(peer=trunk, actor=actor, enabled=False)
    else:
        await sync_to_async(services.registration_remove)(trunk=trunk, actor=actor)
    (request,) = await a.work()
    assert request.value("expires") == "0"
    assert await a.answer(200) == []
    if how != "removed":
        assert (await standing()).state == "unregistered"
    assert await a.work(7200) == []


async def test_what_was_switched_off_while_nobody_was_there_is_taken_back_later(
    process: Callable[..., Process], registration: TrunkRegistration, actor: Actor, trunk: Peer
) -> None:
    a, b = process("a"), process("b")
    await a.register()
    await a.keeper.stop()
    await registration_set(trunk=trunk, actor=actor, enabled=False)
    (request,) = await b.work()
    assert request.value("expires") == "0"
    await b.answer(200)
    assert await b.work(10) == []


async def test_a_password_that_cannot_be_opened_is_said_and_nothing_is_sent(
    process: Callable[..., Process],
    registration: TrunkRegistration,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(settings, "SECRET_KEY", "another")
    a = process()
    assert await a.work() == []
    assert ((row := await standing()).state, row.reason) == ("refused", "secret_unreadable")
    assert len([one for one in caplog.records if "is encrypted under key" in one.message]) == 1


async def test_pages_hear_of_what_changed(
    process: Callable[..., Process], registration: TrunkRegistration, trunk: Peer
) -> None:
    a = process()
    async with a.keeper.pool.connection() as listening:
        await listening.execute("LISTEN registrations_changed")
        await a.work()
        notices = [notice.payload async for notice in listening.notifies(timeout=1, stop_after=1)]
    assert notices == [f'["{trunk.pk.hex}"]']


async def test_the_servers_of_a_trunk_are_asked_whether_they_are_there(
    process: Callable[..., Process], registration: TrunkRegistration, actor: Actor, trunk: Peer
) -> None:
    await sync_to_async(peer_update)(peer=trunk, actor=actor, qualify=True, qualify_interval_s=30)
    a = process()
    a.keeper._servers = lambda: {trunk.pk: [SECOND]}
    a.servers = (SECOND,)
    asked = [request for request in await a.work() if request.method == "OPTIONS"]
    assert [request.request_uri_text for request in asked] == ["sip:192.0.2.2:5060"]
    assert asked[0].from_.uri_text == "sip:example.com"
    a.now_s += 0.02
    await a.answer(200, method="OPTIONS")
    row = await TrunkProbe.objects.aget()
    assert (row.state, row.host, row.status, row.lost) == ("reachable", "192.0.2.2", 200, 0)
    assert row.rtt_ms == pytest.approx(20)
    a.keeper._servers = dict
    a.keeper._uplinks.clear()
    await sync_to_async(peer_update)(peer=trunk, actor=actor, qualify=False)
    await a.work()
    assert not await TrunkProbe.objects.aexists()


async def test_another_transport_is_another_contact_at_once(
    process: Callable[..., Process], registration: TrunkRegistration, actor: Actor, trunk: Peer
) -> None:
    a = process()
    await a.register()
    await registration_set(
        trunk=trunk, actor=actor, registration_string=f"tls://4940:{PASSWORD}@sip.carrier.example"
    )
    a.servers = (("192.0.2.1", 5061),)
    said = {(request.vias[0].transport, request.value("expires")) for request in await a.work()}
    assert said == {("UDP", "0"), ("TLS", "3600")}
    tls = way_to(("192.0.2.1", 5061), "TLS", "sip.carrier.example")
    assert tls in [destination for _, destination in a.sent]
    assert a.keeper._uplinks[trunk.pk].own == (OWN[0], 5061)

    await sync_to_async(trunk_settings_update)(trunk=trunk, actor=actor, transport="tls_any")
    await registration_set(
        trunk=trunk, actor=actor, registration_string=f"tls://4940:{PASSWORD}@sip.carrier.example"
    )
    await a.work()
    assert way_to(("192.0.2.1", 5061), "TLS") in [destination for _, destination in a.sent]


async def test_servers_are_asked_over_the_connection_that_calls_take(
    process: Callable[..., Process], registration: TrunkRegistration, actor: Actor, trunk: Peer
) -> None:
    await sync_to_async(peer_update)(peer=trunk, actor=actor, qualify=True, qualify_interval_s=30)
    a = process()
    way = way_to(SECOND, "TCP")
    a.keeper._servers = lambda: {trunk.pk: [way]}
    a.servers = (SECOND,)
    (asked,) = [request for request in await a.work() if request.method == "OPTIONS"]
    assert asked.vias[0].transport == "TCP"
    assert way in [destination for data, destination in a.sent if data.startswith(b"OPTIONS")]
    await a.answer(200, method="OPTIONS")
    assert (await TrunkProbe.objects.aget()).state == "reachable"
