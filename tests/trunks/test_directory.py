"""Trunks as the call process knows them, over real rows."""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings

from apps.extensions.audit import Actor
from apps.extensions.models import (
    Domain,
    Peer,
    ResolvedName,
    TrunkNumber,
    TrunkSettings,
    TrustedAddress,
    TrustedHost,
)
from apps.extensions.services import (
    extension_create,
    extension_delete,
    peer_delete,
    peer_update,
    source_block,
    trunk_create,
    trusted_address_add,
    trusted_address_remove,
)
from apps.registrar.rounds import DATABASE_TROUBLE
from apps.trunks.directory import TRUSTED_FOR_S, Pool, TrunkDirectory
from apps.trunks.sealing import TrunkKeys
from apps.trunks.uplink.services import registration_remove, registration_set, trunk_keys
from apps.trunks.values import CallMode, Carriers
from tests.trunks.conftest import Clock

pytestmark = pytest.mark.django_db(transaction=True)

CARRIER = ("192.0.2.16", 5060, "UDP")


def whose(directory: TrunkDirectory, source: tuple[str, int, str] = CARRIER) -> str | None:
    trunk = directory.trunk_at(*source)
    return trunk.name if trunk else None


async def done(work: Callable[..., Any], **given: Any) -> Any:
    return await sync_to_async(work)(**given)


async def test_f07_before_the_first_read_nobody_is_trusted(
    trunk: Peer, directory: TrunkDirectory, actor: Actor
) -> None:
    await done(trusted_address_add, trunk=trunk, network=CARRIER[0], actor=actor)
    assert whose(directory) is None
    await directory.refresh()
    assert whose(directory) == "north"


async def test_c117_an_empty_list_trusts_nobody(trunk: Peer, directory: TrunkDirectory) -> None:
    await directory.refresh()
    assert whose(directory) is None


async def test_c117_f07_while_the_database_is_away_trust_ends(
    trunk: Peer, directory: TrunkDirectory, pool: Pool, clock: Clock, actor: Actor
) -> None:
    await done(trusted_address_add, trunk=trunk, network=CARRIER[0], actor=actor)
    await directory.refresh()
    found = directory.trunk_at(*CARRIER)
    await pool.close()

    with pytest.raises(DATABASE_TROUBLE):
        await directory.refresh()
    clock.now_s += TRUSTED_FOR_S
    assert whose(directory) == "north"
    clock.now_s += 0.1
    assert whose(directory) is None
    assert found is not None
    assert directory.extension_for(found, "1001") is None
    assert directory.ways_out("example.com", "0301") == ()


async def test_c118_each_change_acts_with_the_next_look(
    trunk: Peer, directory: TrunkDirectory, actor: Actor
) -> None:
    async def after(work: Callable[..., Any], **given: Any) -> str | None:
        await done(work, actor=actor, **given)
        await directory.refresh()
        return whose(directory)

    await directory.refresh()
    assert await after(trusted_address_add, trunk=trunk, network="192.0.2.0/24") == "north"
    south = await done(trunk_create, domain=trunk.domain, name="south", actor=actor)
    assert await after(trusted_address_add, trunk=south, network=CARRIER[0]) == "south"
    assert await after(peer_update, peer=south, enabled=False) is None
    assert await after(peer_update, peer=south, enabled=True) == "south"
    address = await sync_to_async(TrustedAddress.objects.select_related("peer").get)(peer=south)
    assert await after(trusted_address_remove, address=address) == "north"
    assert await after(source_block, network="192.0.2.16/32") is None
    assert await after(peer_delete, peer=trunk) is None


async def test_nothing_is_read_again_while_nothing_changed(
    trunk: Peer, directory: TrunkDirectory, actor: Actor
) -> None:
    await done(trusted_address_add, trunk=trunk, network=CARRIER[0], actor=actor)
    await directory.refresh()
    before = directory.trunk_at(*CARRIER)
    await done(extension_create, domain=trunk.domain, number="1001", actor=actor)
    await directory.refresh()
    assert directory.trunk_at(*CARRIER) is before


async def test_a_version_is_not_read_before_what_it_stands_for(
    trunk: Peer, directory: TrunkDirectory, pool: Pool, actor: Actor
) -> None:
    """given a change that is not committed yet, when another one wants to be, then it waits."""
    await done(trusted_address_add, trunk=trunk, network="192.0.2.0/24", actor=actor)
    await directory.refresh()
    block = "INSERT INTO extensions_blockedsource VALUES (gen_random_uuid(), %s, '', now())"
    async with await psycopg.AsyncConnection.connect(settings.DATABASE_DIRECT_URL, autocommit=True) as other:
        async with pool.connection() as first, first.transaction():
            await first.execute(block, ["192.0.2.16/32"])
            second = asyncio.create_task(other.execute(block, ["192.0.2.17/32"]))
            await asyncio.wait([second], timeout=0.1)
            assert not second.done()
            await directory.refresh()
            assert whose(directory) == "north"
        await second
    await directory.refresh()
    assert whose(directory) is None
    assert whose(directory, ("192.0.2.17", 5060, "UDP")) is None
    assert whose(directory, ("192.0.2.18", 5060, "UDP")) == "north"


async def test_numbers_and_ways_out_are_as_written(
    trunk: Peer, domain: Domain, directory: TrunkDirectory, actor: Actor
) -> None:
    new = await done(extension_create, domain=domain, number="1001", actor=actor)
    south = await done(trunk_create, domain=domain, name="south", actor=actor)
    await done(trusted_address_add, trunk=trunk, network=CARRIER[0], actor=actor)
    of = TrunkSettings.objects.filter
    await of(peer=trunk).aupdate(
        server="203.0.113.1:5070", inbound_strip=5, outbound_prefixes="0 +", call_mode="redirect"
    )
    await of(peer=south).aupdate(
        server="203.0.113.2", outbound_prefixes="any 00", outbound_strip=2, outbound_add="+"
    )
    await TrunkNumber.objects.acreate(peer=trunk, number="+4930555", extension=new.peer.extension)
    await directory.refresh()

    carrier = directory.trunk_at(*CARRIER)
    assert carrier is not None
    assert (carrier.call_mode, carrier.servers) == (CallMode.REDIRECT, (("203.0.113.1", 5070),))
    assert directory.extension_for(carrier, "+49 30 555") == "1001"
    assert directory.extension_for(carrier, "+49301007") == "1007"
    carriers: Carriers = directory
    ways = carriers.ways_out("example.com", "00 44-20")
    assert [(way.name, number) for way, number in ways] == [("south", "+4420"), ("north", "004420")]
    assert ways[0][0].servers == (("203.0.113.2", 5060),)
    assert [way.name for way, _ in directory.ways_out("example.com", "12")] == []
    assert [way.name for way, _ in directory.ways_out("example.com", "123")] == ["south"]
    assert directory.ways_out("other.example", "0301") == ()

    await done(extension_delete, extension=new.peer.extension, actor=actor)
    await directory.refresh()
    assert directory.extension_for(carrier, "+4930555") == "555"


async def test_a_name_is_trusted_by_its_addresses_for_an_hour(
    trunk: Peer, directory: TrunkDirectory, pool: Pool
) -> None:
    await TrustedHost.objects.acreate(peer=trunk, name="sip.carrier.example")
    await TrunkSettings.objects.filter(peer=trunk).aupdate(
        server="sip.carrier.example", outbound_prefixes="any"
    )
    await directory.refresh()
    assert whose(directory) is None
    assert directory.ways_out("example.com", "1") == ()

    await ResolvedName.objects.acreate(name="sip.carrier.example", addresses=[CARRIER[0], "2001:db8::1"])
    async with pool.connection() as held:
        await held.execute("UPDATE extensions_resolvedname SET resolved_at = now() - interval '59 minutes'")
        await directory.refresh()
        assert whose(directory) == whose(directory, ("2001:db8::1", 1, "TCP")) == "north"
        assert directory.ways_out("example.com", "1")[0][0].servers == (
            (CARRIER[0], 5060),
            ("2001:db8::1", 5060),
        )

        await held.execute("UPDATE extensions_resolvedname SET resolved_at = now() - interval '61 minutes'")
    await directory.refresh()
    assert whose(directory) is None
    assert directory.ways_out("example.com", "1") == ()


async def test_a_trunk_has_the_account_it_registers_with_and_only_its_servers_are_told(
    trunk: Peer, pool: Pool, clock: Clock, actor: Actor
) -> None:
    keys = trunk_keys()
    directory = TrunkDirectory(pool, clock, keys)
    await TrunkSettings.objects.filter(peer=trunk).aupdate(server="203.0.113.1")
    await done(
        registration_set, trunk=trunk, actor=actor, registrar="reg.example", username="4940", password="one"
    )
    await directory.refresh()
    server = ("203.0.113.1", 5060)
    account = directory.account_of(trunk.pk, server)
    assert account is not None
    assert (account.username, account.password, account.trunk_id) == ("4940", "one", trunk.pk)
    assert directory.account_of(trunk.pk, ("203.0.113.2", 5060)) is None
    assert directory.account_of(trunk.pk, ("203.0.113.1", 5070)) is None

    await done(registration_set, trunk=trunk, actor=actor, password="two")
    await directory.refresh()
    account = directory.account_of(trunk.pk, server)
    assert account is not None
    assert account.password == "two"

    stranger = TrunkDirectory(pool, clock, TrunkKeys([], "another key"))
    await stranger.refresh()
    assert stranger.account_of(trunk.pk, server) is None
    await done(registration_remove, trunk=trunk, actor=actor)
    await directory.refresh()
    assert directory.account_of(trunk.pk, server) is None
