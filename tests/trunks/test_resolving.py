"""Host names of trunks become addresses, in rows that all processes read. The name server is a function here."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from apps.extensions.models import Peer, ResolvedName, TrunkSettings, TrustedHost
from apps.trunks import resolving
from apps.trunks.directory import Pool
from apps.trunks.resolving import Resolver, look_up

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "sip.carrier.example"
Zone = dict[str, list[str] | Exception]


@pytest.fixture
def zone() -> Zone:
    return {NAME: ["192.0.2.16", "192.0.2.16", "2001:db8::1"]}


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def resolver(pool: Pool, zone: Zone, asked: list[str]) -> Iterator[Resolver]:
    def lookup(name: str) -> list[str]:
        asked.append(name)
        found = zone[name]
        if isinstance(found, Exception):
            raise found
        return found

    resolver = Resolver(pool, lookup)
    yield resolver
    resolver.close()


@pytest.fixture
async def host(trunk: Peer) -> TrustedHost:
    return await TrustedHost.objects.acreate(peer=trunk, name=NAME)


async def make_due(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE extensions_resolvedname SET tried_at = now() - interval '61 seconds'"
        )


async def test_a_name_is_asked_for_once_and_again_when_it_is_due(
    host: TrustedHost, resolver: Resolver, asked: list[str], pool: Pool
) -> None:
    await resolver.round()
    await resolver.round()
    assert asked == [NAME]
    row = await ResolvedName.objects.aget(name=NAME)
    assert (row.addresses, row.problem) == (["192.0.2.16", "2001:db8::1"], "")
    await make_due(pool)
    await resolver.round()
    assert asked == [NAME, NAME]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (OSError(-2, "Name or service not known"), "Name or service not known"),
        (UnicodeError("label too long"), "it is no host name"),
        ([], "it has no address a trunk can have"),
        (["127.0.0.1", "0.0.0.0", "::1", "224.0.0.1", "fe80::1%1"], "it has no address a trunk can have"),
    ],
)
async def test_the_last_good_answer_stays_while_a_name_leads_nowhere(
    answer: list[str] | Exception, problem: str, host: TrustedHost, resolver: Resolver, zone: Zone, pool: Pool
) -> None:
    await resolver.round()
    before = await ResolvedName.objects.aget(name=NAME)
    zone[NAME] = answer
    await make_due(pool)
    await resolver.round()
    after = await ResolvedName.objects.aget(name=NAME)
    assert (after.addresses, after.resolved_at) == (before.addresses, before.resolved_at)
    assert after.problem == problem


async def test_a_servers_name_is_asked_for_and_a_forgotten_one_goes(
    host: TrustedHost, trunk: Peer, resolver: Resolver, zone: Zone, asked: list[str]
) -> None:
    zone["out.carrier.example"] = ["192.0.2.20"]
    await TrunkSettings.objects.filter(peer=trunk).aupdate(server="out.carrier.example:5070")
    await resolver.round()
    assert sorted(asked) == ["out.carrier.example", NAME]
    await host.adelete()
    await TrunkSettings.objects.filter(peer=trunk).aupdate(server="192.0.2.20")
    await TrustedHost.objects.acreate(peer=trunk, name="new.example")
    zone["new.example"] = ["192.0.2.30"]
    await resolver.round()
    assert [row.name async for row in ResolvedName.objects.all()] == ["new.example"]


async def test_of_two_processes_one_asks(host: TrustedHost, pool: Pool, asked: list[str]) -> None:
    """given a process whose name server takes its time, when another looks, then it has nothing to ask."""
    began, answer = threading.Event(), threading.Event()

    def slow(name: str) -> list[str]:
        began.set()
        answer.wait(10)
        return ["192.0.2.16"]

    def note(name: str) -> list[str]:
        asked.append(name)
        return []

    first, second = Resolver(pool, slow), Resolver(pool, note)
    answering = asyncio.create_task(first.round())
    await asyncio.to_thread(began.wait, 10)
    await second.round()
    answer.set()
    await answering
    first.close()
    second.close()
    assert asked == []
    assert (await ResolvedName.objects.aget(name=NAME)).addresses == ["192.0.2.16"]


async def test_a_name_server_that_says_nothing_is_waited_for_briefly(
    host: TrustedHost, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "ANSWER_WITHIN_S", 0.05)
    silent = threading.Event()
    resolver = Resolver(pool, lambda name: [str(silent.wait(10))])
    await resolver.round()
    silent.set()
    resolver.close()
    assert "no answer" in (await ResolvedName.objects.aget(name=NAME)).problem


def test_the_system_is_asked() -> None:
    assert "127.0.0.1" in look_up("127.0.0.1")
