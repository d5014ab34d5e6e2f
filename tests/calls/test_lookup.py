"""Batches of requests against PostgreSQL: who asks, where it goes, in one statement however many there are."""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from psycopg import AsyncConnection

from apps.calls.lookup import Lookup
from apps.calls.values import Ask, Forward, Ignore, Refuse, Verdict
from apps.extensions.audit import Actor
from apps.extensions.ha1s import Ha1Keys
from apps.extensions.models import Domain, Extension, Peer
from apps.extensions.services import credential_rotate, domain_update, peer_create, source_block
from apps.registrar.sql import DOMAINS
from apps.registrar.store import Store
from apps.sipserver.events import Origin
from tests.calls.asking import CARRIER, TRUNK, CallingPhone, FewTrunks, ask, request
from tests.registrar.conftest import NONCE_KEY, PASSWORD, Registrar, url_of_test_database
from tests.registrar.phone import Phone
from tests.routing.conftest import PASSWORD as OTHER_PASSWORD
from tests.routing.conftest import bind, extension_of, new_device

pytestmark = pytest.mark.django_db(transaction=True)

TRUNKS = FewTrunks(
    at={CARRIER: TRUNK}, inward={"4930123": "1002"}, outward={"0301234": ((TRUNK, "+49301234"),)}
)


def lookup_by(store: Store, clock: Callable[[], float] | None = None) -> Lookup:
    """Unless it has a clock of its own, each batch comes a second after the one before."""
    return Lookup(
        store,
        TRUNKS,
        nonce_key=NONCE_KEY,
        gruu_key=b"g" * 32,
        retry_after_s=lambda: 7,
        clock=clock or count().__next__,
    )


@pytest.fixture
async def store(transactional_db: None) -> AsyncIterator[Store]:
    opened = Store(url_of_test_database(), ha1_keys=Ha1Keys(settings.CREDENTIAL_KEYS))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def lookup(store: Store) -> Lookup:
    return lookup_by(store)


@pytest.fixture
def bob(transactional_db: None, actor: Actor) -> Peer:
    """1002 with two phones, beside 1001, who calls."""
    domain = Domain.objects.create(name="example.com", realm="example.com")
    ann = new_device(domain, "1001", actor, display_name="Ann Lee")
    credential_rotate(peer=ann, actor=actor, password=PASSWORD)
    bob = new_device(domain, "1002", actor)
    bind(bob, contact="sip:bob@10.0.0.5")
    bind(peer_create(extension=extension_of(bob), name="desk", actor=actor).peer, contact="sip:desk@10.0.0.6")
    return bob


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Those that are executed meanwhile."""
    sent: list[str] = []
    execute = AsyncConnection.execute

    async def noted(self: AsyncConnection[Any], query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(query))
        return await execute(self, query, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(AsyncConnection, "execute", noted)
        yield sent


async def verdict_on(lookup: Lookup, asked: Ask) -> Verdict:
    ((answered, verdict),) = await lookup.verdicts([asked])
    assert answered is asked
    return verdict


async def called(
    lookup: Lookup, phone: CallingPhone, uri: str = "sip:1002@example.com", **more: Any
) -> Verdict:
    """After its challenge, if it has no nonce yet."""
    if not phone.nonce:
        phone.read(await verdict_on(lookup, phone.ask(uri, **more)))
    return await verdict_on(lookup, phone.ask(uri, **more))


def rung(verdict: Verdict) -> list[str]:
    assert isinstance(verdict, Forward), verdict
    return sorted(hop.request_uri for group in verdict.groups for hop in group)


def status(verdict: Verdict) -> int:
    assert isinstance(verdict, Refuse), verdict
    return verdict.status


async def test_a_phone_calls_an_extension_after_one_challenge(lookup: Lookup, bob: Peer) -> None:
    verdict = await called(lookup, CallingPhone("1001", PASSWORD))
    assert rung(verdict) == ["sip:bob@10.0.0.5", "sip:desk@10.0.0.6"]
    assert isinstance(verdict, Forward)
    assert verdict.groups[0][0].identity == '"Ann Lee" <sip:1001@example.com>'


async def test_a_phone_that_has_just_registered_is_rung_where_its_register_came_from(
    lookup: Lookup, bob: Peer
) -> None:
    phone, from_here = Phone("1001", PASSWORD), ("198.51.100.77", 40002)
    phone.source = from_here
    assert (await Registrar(lookup.store).register(phone, ["<sip:1001@192.168.1.5>;q=0.7"])).status == 200
    verdict = await called(lookup, CallingPhone("1001", PASSWORD), "sip:1001@example.com")
    assert isinstance(verdict, Forward)
    ((hop,),) = verdict.groups
    assert (hop.request_uri, hop.destination) == ("sip:1001@192.168.1.5", Origin(*from_here))


async def test_a_batch_costs_one_statement_however_many_ask(
    store: Store, bob: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    lookup = lookup_by(store, lambda: now_s)
    phone = CallingPhone("1001", PASSWORD)
    await called(lookup, phone)
    for times in (1, 40):
        asks = [
            asked
            for _ in range(times)
            for asked in (
                phone.ask(),
                phone.ask("sip:9@example.com"),
                phone.ask("sip:1002@203.0.113.7:40000"),
                ask(request("sip:4930123@192.0.2.1:5060"), CARRIER),
                ask(request()),
            )
        ]
        with statements(monkeypatch) as sent:
            verdicts = await lookup.verdicts(asks)
        assert len(sent) == 1
        assert [asked for asked, _ in verdicts] == asks
        kinds = [verdict.status if isinstance(verdict, Refuse) else type(verdict) for _, verdict in verdicts]
        assert kinds == [Forward, 404, 404, Forward, 407] * times
    with statements(monkeypatch) as sent:
        await lookup.verdicts([ask(request()) for _ in range(5)])
        assert await lookup.verdicts([]) == []
        assert sent == []
        now_s = 0.3
        await lookup.verdicts([ask(request()) for _ in range(5)])
        await lookup.verdicts([ask(request())])
    # Domains and blocked networks, four times a second at most.
    assert sent == [DOMAINS]


async def test_every_wrong_caller_hears_the_same_with_a_password_or_without(
    lookup: Lookup, bob: Peer, actor: Actor
) -> None:
    wrong, unknown = CallingPhone("1001", "wrong"), CallingPhone("9999", PASSWORD)
    disabled = CallingPhone("1002", OTHER_PASSWORD)
    wrong.read(await verdict_on(lookup, wrong.ask()))
    unknown.nonce = disabled.nonce = wrong.nonce
    await Peer.objects.filter(pk=bob.pk).aupdate(enabled=False)
    told = [verdict for _, verdict in await lookup.verdicts([wrong.ask(), unknown.ask(), disabled.ask()])]
    assert status(told[0]) == 407
    assert told[0] == told[1] == told[2]
    # Also where there is nobody to call.
    nowhere = [
        verdict
        for _, verdict in await lookup.verdicts([one.ask("sip:9@example.com") for one in (wrong, unknown)])
    ]
    assert nowhere == told[:2]


async def test_both_passwords_are_good_while_one_is_changed_and_then_the_new_one(
    lookup: Lookup, bob: Peer, actor: Actor
) -> None:
    ann = await Peer.objects.select_related("domain").aget(name="1001")
    await sync_to_async(credential_rotate)(
        peer=ann, actor=actor, password="new-Fuchsbau-72", overlap=dt.timedelta(hours=1)
    )
    for password in (PASSWORD, "new-Fuchsbau-72"):
        assert rung(await called(lookup, CallingPhone("1001", password)))
    await sync_to_async(credential_rotate)(peer=ann, actor=actor, password="last-Fuchsbau-73")
    phone = CallingPhone("1001", PASSWORD)
    assert status(await called(lookup, phone)) == 407


async def test_what_a_call_is_told_when_there_is_nobody(lookup: Lookup, bob: Peer) -> None:
    phone = CallingPhone("1001", PASSWORD)
    assert status(await called(lookup, phone, "sip:9999@example.com")) == 404
    assert status(await called(lookup, phone, "sip:1002@example.net")) == 404
    told = await called(lookup, phone, "sip:1001@example.com")
    assert told == Refuse(480, "Temporarily Unavailable", (("Retry-After", "7"),))
    await Extension.objects.filter(number="1002").aupdate(enabled=False)
    assert status(await called(lookup, phone)) == 403
    assert status(await called(lookup, phone, from_="<sip:1002@example.com>")) == 403


async def test_a_number_goes_out_by_a_trunk_and_a_trunks_number_comes_in(lookup: Lookup, bob: Peer) -> None:
    phone = CallingPhone("1001", PASSWORD)
    assert rung(await called(lookup, phone, "sip:0301234@example.com")) == ["sip:+49301234@198.51.100.9"]
    inward = ask(request("sip:4930123@192.0.2.1", from_="<sip:+4940@carrier.example>"), CARRIER)
    assert rung(await verdict_on(lookup, inward)) == ["sip:bob@10.0.0.5", "sip:desk@10.0.0.6"]
    # From next door the same packet is nobody's.
    assert status(await verdict_on(lookup, ask(inward.request, ("198.51.100.10", 5060)))) == 403


async def test_only_a_registered_phone_is_reached_by_its_address(lookup: Lookup, bob: Peer) -> None:
    phone = CallingPhone("1001", PASSWORD)
    there = "sip:bob@203.0.113.7:40000;transport=udp"
    assert rung(await called(lookup, phone, there)) == ["sip:bob@10.0.0.5"]
    assert rung(await verdict_on(lookup, ask(request(there), CARRIER))) == ["sip:bob@10.0.0.5"]
    for elsewhere in ("sip:bob@203.0.113.7:40001", "sip:bob@192.0.2.77:5060", "sip:bob@10.0.0.5:5060"):
        assert status(await called(lookup, phone, elsewhere)) == 404
        assert status(await verdict_on(lookup, ask(request(elsewhere), CARRIER))) == 404


async def test_a_domain_that_redirects_sends_its_phones_to_the_contacts(
    lookup: Lookup, bob: Peer, actor: Actor
) -> None:
    domain = await Domain.objects.aget()
    await sync_to_async(domain_update)(domain=domain, actor=actor, call_mode="redirect")
    verdict = await called(lookup, CallingPhone("1001", PASSWORD))
    assert isinstance(verdict, Refuse)
    assert (verdict.status, [name for name, _ in verdict.headers]) == (302, ["Contact", "Contact"])
    assert "<sip:bob@203.0.113.7:40000;transport=udp>;q=1" in dict.fromkeys(
        value for _, value in verdict.headers
    )


async def test_a_blocked_network_gets_no_answer_also_while_the_database_is_away(
    lookup: Lookup, bob: Peer, actor: Actor
) -> None:
    assert status(await verdict_on(lookup, ask(request()))) == 407
    await sync_to_async(source_block)(network="203.0.113.0/24", note="", actor=actor)
    assert await verdict_on(lookup, ask(request())) == Ignore()
    await lookup.store.close()
    assert await verdict_on(lookup, ask(request())) == Ignore()


async def test_without_a_database_it_is_503_and_says_when_to_come_again() -> None:
    away = Store(url_of_test_database())  # not open
    told = await verdict_on(lookup_by(away), ask(request()))
    assert told == Refuse(503, "Service Unavailable", (("Retry-After", "7"),))
