"""Phones whose HA1s are sealed: they register as ever, and what cannot be opened is our fault and not theirs."""

import base64
import datetime as dt
import logging

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings
from django.db import connection

from apps.extensions.audit import Actor
from apps.extensions.ha1s import COLUMNS, Ha1Keys
from apps.extensions.models import Credential, DigestOrder, Domain
from apps.extensions.services import NewPeer, credential_rotate, extension_create
from apps.extensions.site_keys import key_id
from apps.registrar.models import Binding, PeerActivity, RegistrationEvent
from apps.sip.digest import Algorithm, ha1
from tests.addresses import free_address
from tests.registrar.conftest import PASSWORD, Registrar
from tests.registrar.phone import Phone
from tests.registrar.server import UdpClient, sip_server

pytestmark = pytest.mark.django_db(transaction=True)

KEY, OTHER_KEY = bytes(range(32)), bytes(range(32, 64))


@pytest.fixture(autouse=True)
def site_key(settings: LazySettings) -> None:
    settings.CREDENTIAL_KEYS = (KEY,)


def columns_that_hold(text: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        found = []
        for name in tables:
            cursor.execute(f'SELECT count(*) FROM "{name}" t WHERE t::text LIKE %s', [f"%{text}%"])
            found += [name] * cursor.fetchone()[0]
    return found


def test_c98_with_a_key_no_column_of_the_database_holds_a_hash_in_clear(extension_1001: NewPeer) -> None:
    for algorithm in Algorithm:
        assert columns_that_hold(ha1(algorithm, "1001", "example.com", PASSWORD)) == []


async def test_c98_phones_register_with_sealed_hashes_through_a_real_worker(
    extension_1001: NewPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Domain.objects.aupdate(digest_order=DigestOrder.SHA512_256_FIRST)
    monkeypatch.setenv("REGISTRAR_CREDENTIAL_KEYS", base64.b64encode(KEY).decode())
    address = free_address()

    with sip_server(address, 1):
        client = await UdpClient.open(address)
        for algorithm in Algorithm:
            phone = Phone("1001", PASSWORD, source=client.address, algorithm=algorithm)
            assert (await client.register(phone)).status == 200, algorithm
            wrong = Phone("1001", "not it at all", source=client.address, algorithm=algorithm)
            assert (await client.register(wrong)).status == 401, algorithm
        client.transport.close()

    assert (await Binding.objects.aget()).refresh_count == 2


async def test_a_hash_kept_in_clear_from_before_the_key_still_lets_its_phone_in(
    extension_1001: NewPeer, registrar: Registrar, phone: Phone
) -> None:
    clear = {column: ha1(each, "1001", "example.com", PASSWORD) for each, column in COLUMNS.items()}
    await Credential.objects.aupdate(**clear)

    assert (await registrar.register(phone)).status == 200


async def test_after_a_rotation_of_keys_both_old_and_new_passwords_are_read(
    extension_1001: NewPeer, actor: Actor, registrar: Registrar, phone: Phone, settings: LazySettings
) -> None:
    settings.CREDENTIAL_KEYS = (OTHER_KEY, KEY)
    registrar.store.ha1_keys = Ha1Keys(settings.CREDENTIAL_KEYS)
    domain = await Domain.objects.aget()
    await sync_to_async(extension_create)(domain=domain, number="1002", password=PASSWORD, actor=actor)

    assert (await registrar.register(phone)).status == 200
    assert (await registrar.register(Phone("1002", PASSWORD))).status == 200


async def test_without_its_key_a_phone_gets_503_and_no_wrong_password_is_told(
    registrar: Registrar, phone: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    registrar.store.ha1_keys = Ha1Keys([OTHER_KEY])

    with caplog.at_level(logging.ERROR):
        replies = [await registrar.register(phone) for _ in range(2)]

    assert {reply.status for reply in replies} == {503}
    assert all(reply.values("Retry-After") for reply in replies)
    assert not await RegistrationEvent.objects.aexists()
    assert not await PeerActivity.objects.aexists()
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("REGISTRAR_CREDENTIAL_KEYS: ")
    assert key_id(KEY) in line


async def test_a_new_password_lets_the_phone_in_although_the_old_ones_key_is_lost(
    extension_1001: NewPeer, actor: Actor, registrar: Registrar, settings: LazySettings
) -> None:
    settings.CREDENTIAL_KEYS = (OTHER_KEY,)
    registrar.store.ha1_keys = Ha1Keys(settings.CREDENTIAL_KEYS)
    await sync_to_async(credential_rotate)(
        peer=extension_1001.peer, password="k8-Fuchsbau-71", overlap=dt.timedelta(days=1), actor=actor
    )

    assert (await registrar.register(Phone("1001", "k8-Fuchsbau-71"))).status == 200
    assert (await registrar.register(Phone("1001", PASSWORD))).status == 503


async def test_c98_a_sealed_hash_copied_to_another_user_lets_nobody_in_as_him(
    extension_1001: NewPeer, actor: Actor, registrar: Registrar
) -> None:
    domain = await Domain.objects.aget()
    mallory = await sync_to_async(extension_create)(
        domain=domain, number="1666", password="k8-Fuchsbau-71", actor=actor
    )
    copied = {column: getattr(mallory.credential, column) for column in COLUMNS.values()}
    await Credential.objects.filter(username="1001").aupdate(**copied)
    phone = Phone("1001", "k8-Fuchsbau-71")
    # A phone that answers with the copied row's own HA1, as its owner can.
    challenge = await registrar.send(phone, phone.register())
    assert challenge is not None
    phone.read_challenge(challenge)
    phone.username = "1666"
    forged = phone.authorization("REGISTER", "sip:example.com").replace('username="1666"', 'username="1001"')
    phone.username = "1001"

    reply = await registrar.send(phone, phone.register(authorization=False, headers=[forged]))

    assert reply is not None
    assert reply.status == 503
    assert not await Binding.objects.aexists()
