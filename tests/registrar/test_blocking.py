"""Networks whose packets get no answer: which addresses they cover, and that each packet meets them."""

from collections.abc import Callable
from ipaddress import IPv4Address, ip_network

import pytest
from asgiref.sync import sync_to_async
from hypothesis import given
from hypothesis import strategies as st

from apps.extensions.audit import Actor
from apps.extensions.models import BlockedSource
from apps.extensions.services import NewPeer, source_block, source_unblock
from apps.registrar.blocking import blocked_networks
from apps.registrar.models import Binding
from tests.registrar.conftest import Registrar
from tests.registrar.phone import Phone

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("networks", "host", "covered"),
    [
        ("", "203.0.113.7", False),
        ("203.0.113.7/32", "203.0.113.7", True),
        ("203.0.113.7/32", "203.0.113.8", False),
        ("198.51.100.0/24 203.0.113.0/28", "203.0.113.15", True),
        ("198.51.100.0/24 203.0.113.0/28", "203.0.113.16", False),
        ("2001:db8::/48", "2001:db8::1", True),
        ("2001:db8::/48", "2001:db8:1::1", False),
        ("fe80::/64", "fe80::1%eth0", True),
        ("0.0.0.0/0", "203.0.113.7", True),
        ("0.0.0.0/0", "2001:db8::1", False),
    ],
)
def test_an_address_is_covered_by_its_network(networks: str, host: str, covered: bool) -> None:
    assert blocked_networks(networks).cover(host) is covered


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(0, 32))
def test_it_agrees_with_containment(one: IPv4Address, other: IPv4Address, length: int) -> None:
    network = ip_network(f"{one}/{length}", strict=False)
    for address in (one, other):
        assert blocked_networks(str(network)).cover(str(address)) is (address in network)


Packet = Callable[[Phone], bytes]
PACKETS: dict[str, Packet] = {
    "a REGISTER": lambda phone: phone.register(),
    "an OPTIONS": lambda phone: phone.register(method="OPTIONS"),
    "an unknown method": lambda phone: phone.register(method="FROBNICATE"),
    "a malformed one": lambda phone: phone.register(cseq=-5),
    "a wrong domain": lambda phone: phone.register(request_uri="sip:192.0.2.1"),
}


@pytest.mark.parametrize("packet", PACKETS)
async def test_nothing_from_a_blocked_network_is_answered(
    packet: str, registrar: Registrar, phone: Phone, actor: Actor
) -> None:
    data = PACKETS[packet](phone)
    assert await registrar.send(phone, data) is not None
    source = await sync_to_async(source_block)(network="203.0.113.0/24", actor=actor)
    registrar.processor.means.sightings.strangers.clear()

    assert await registrar.send(phone, data) is None

    (key,) = registrar.processor.means.sightings.strangers
    assert (key.reason, key.username, key.host) == ("blocked_source", "1001", "203.0.113.7")
    await sync_to_async(source_unblock)(source=source, actor=actor)
    assert await registrar.send(phone, data) is not None


async def test_others_of_the_same_batch_are_answered(
    registrar: Registrar, phone: Phone, other_phone: Callable[..., Phone], actor: Actor
) -> None:
    elsewhere = other_phone(source=("198.51.100.1", 5060))
    await sync_to_async(source_block)(network="203.0.113.7", actor=actor)

    answers = await registrar.processor.answers(
        [(one.register(), one.source) for one in (phone, elsewhere, phone)]
    )

    assert [destination for _, destination in answers] == [elsewhere.source]


async def test_what_is_registered_from_there_stays_until_it_expires(
    registrar: Registrar, phone: Phone, actor: Actor
) -> None:
    await registrar.register(phone)
    await sync_to_async(source_block)(network="203.0.113.7", actor=actor)
    assert await registrar.send(phone, phone.register(expires=0)) is None
    assert await Binding.objects.acount() == 1


async def test_while_the_database_is_away_the_blocked_stay_blocked(
    registrar: Registrar, phone: Phone, extension_1001: NewPeer, actor: Actor
) -> None:
    await sync_to_async(source_block)(network="203.0.113.7", actor=actor)
    assert await registrar.send(phone, phone.register()) is None
    await registrar.store.close()

    assert await registrar.send(phone, phone.register()) is None
    phone.source = ("198.51.100.1", 5060)
    unavailable, malformed = phone.register(), Phone("1001", "", source=phone.source).register(cseq=-5)
    statuses = [(await registrar.send(phone, data)) for data in (unavailable, malformed)]
    assert [reply.status for reply in statuses if reply] == [503, 400]
    assert await BlockedSource.objects.acount() == 1
