"""Group T of the checklist: trust by address never stands in for a digest, and nothing a packet says widens it."""

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError

from apps.extensions.audit import Actor
from apps.extensions.models import Peer, TrustedAddress
from apps.extensions.services import NewPeer, trunk_create, trusted_address_add
from apps.registrar.models import Binding
from tests.registrar.conftest import Registrar
from tests.registrar.phone import Phone

pytestmark = pytest.mark.django_db(transaction=True)

TRUSTED = ("198.51.100.20", 5060)


@pytest.fixture
def trunk(extension_1001: NewPeer, actor: Actor) -> Peer:
    trunk = trunk_create(domain=extension_1001.peer.domain, name="carrier", actor=actor)
    trusted_address_add(trunk=trunk, network=f"{TRUSTED[0]}/32", actor=actor)
    return trunk


@pytest.mark.parametrize("username", ["carrier", "1001"])
async def test_c118_a_trusted_address_registers_nobody_without_a_digest(
    registrar: Registrar, trunk: Peer, username: str
) -> None:
    reply = await registrar.send(Phone(username, "", source=TRUSTED), Phone(username, "").register())

    assert reply is not None
    assert reply.status == 401
    assert not await Binding.objects.aexists()


@pytest.mark.parametrize(
    "headers",
    [
        ["X-Forwarded-For: 198.51.100.20"],
        ["P-Asserted-Identity: <sip:carrier@example.com>"],
        ["Via: SIP/2.0/UDP 198.51.100.20;received=198.51.100.20;branch=z9hG4bKx"],
        ["Route: <sip:198.51.100.20;lr>"],
    ],
)
async def test_c115_nothing_a_packet_says_of_its_source_is_believed(
    registrar: Registrar, phone: Phone, trunk: Peer, headers: list[str]
) -> None:
    data = phone.register(["<sip:carrier@198.51.100.20>"], headers=headers)

    reply = await registrar.send(phone, data.replace(b"203.0.113.7:5062;", b"198.51.100.20;"))

    assert reply is not None
    assert reply.status == 401
    assert "received=203.0.113.7" in reply.values("Via")[0]
    assert not await Binding.objects.aexists()


def test_c115_c117_a_new_trunk_is_trusted_from_nowhere(extension_1001: NewPeer, actor: Actor) -> None:
    trunk = trunk_create(domain=extension_1001.peer.domain, name="carrier", actor=actor)

    assert not TrustedAddress.objects.filter(peer=trunk).exists()


@pytest.mark.parametrize("network", ["", "everywhere", "0.0.0.0/0x", "198.51.100.20/33"])
def test_c117_what_cannot_be_read_trusts_nobody(trunk: Peer, actor: Actor, network: str) -> None:
    with pytest.raises(ValidationError):
        trusted_address_add(trunk=trunk, network=network, actor=actor)

    assert TrustedAddress.objects.count() == 1


async def test_c117_without_the_database_nobody_is_trusted(registrar: Registrar, trunk: Peer) -> None:
    await registrar.store.close()
    carrier = Phone("carrier", "", source=TRUSTED)

    reply = await registrar.send(carrier, carrier.register())

    assert reply is not None
    assert reply.status == 503
    assert not await sync_to_async(Binding.objects.exists)()
