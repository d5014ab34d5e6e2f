"""Groups D, E, G and H of the checklist, where no other test carries the number."""

import asyncio
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any
from unittest.mock import ANY

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from apps.extensions.audit import Actor
from apps.extensions.ha1s import Ha1Keys
from apps.extensions.models import Credential, Domain
from apps.extensions.sealing import credentials_seal
from apps.extensions.services import NewPeer
from apps.registrar.authentication import NONCE_LIFETIME_S, Claim, prove
from apps.registrar.batches import BatchProcessor
from apps.registrar.bindings import Account
from apps.registrar.models import Binding, NonceUse
from apps.registrar.store import Store
from apps.registrar.sweeper import tidy
from apps.sip.digest import Algorithm, DigestCredentials
from apps.sip.nonce import make_nonce, nonce_salt
from tests.registrar.conftest import NONCE_KEY, PASSWORD, Registrar, url_of_test_database
from tests.registrar.phone import Phone

pytestmark = pytest.mark.django_db(transaction=True)


async def test_c43_a_repeat_in_the_same_batch_starts_nothing(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone)
    data = phone.register()

    answers = await registrar.processor.answers([(data, phone.source)] * 3)

    assert len({answer for answer, _ in answers}) == 1
    assert (await Binding.objects.aget()).refresh_count == 1


async def test_c43_a_repeat_at_two_workers_at_once_starts_nothing(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone)
    data = phone.register()
    store = Store(url_of_test_database())
    await store.open()
    other = Registrar(store)

    replies = await asyncio.gather(*[each.send(phone, data) for each in (registrar, other) * 4])
    await store.close()

    assert {reply.status for reply in replies if reply} == {200}
    assert len({reply.raw for reply in replies if reply}) == 1
    assert (await Binding.objects.aget()).refresh_count == 1


async def test_c48_one_answer_is_kept_for_each_nonce_and_goes_with_it(
    registrar: Registrar, phone: Phone
) -> None:
    for _ in range(5):
        assert (await registrar.register(phone)).status == 200
    assert await NonceUse.objects.acount() == 1

    await NonceUse.objects.aupdate(expires_at="2020-01-01T00:00:00Z")
    await tidy(registrar.store)

    assert await NonceUse.objects.acount() == 0


async def test_c73_the_200_lists_all_current_bindings_and_no_others(
    registrar: Registrar, phone: Phone, other_phone: Callable[..., Phone]
) -> None:
    other = other_phone(source=("198.51.100.9", 5070))
    await registrar.register(phone)
    await registrar.register(other, ["<sip:1001@198.51.100.9:5070>", "<sip:b@198.51.100.9>"])
    long_ago = dict.fromkeys(("registered_at", "refreshed_at"), "2020-01-01T00:00:00Z")
    long_ago["expires_at"] = "2020-01-01T01:00:00Z"
    await Binding.objects.filter(contact="sip:b@198.51.100.9").aupdate(**long_ago)

    reply = await registrar.register(phone, [])

    assert [contact.partition(">")[0] for contact in reply.contacts] == [
        "<sip:1001@203.0.113.7:5062",
        "<sip:1001@198.51.100.9:5070",
    ]


@pytest.mark.parametrize("uri", ["sip:127.0.0.1:1506", "sip:EXAMPLE.com;transport=udp", "sip:other.example"])
async def test_c96_a_digest_uri_unlike_the_request_uri_is_let_through(
    registrar: Registrar, phone: Phone, uri: str
) -> None:
    await registrar.register(phone)

    reply = await registrar.send(
        phone, phone.register(authorization=False, headers=[phone.authorization("REGISTER", uri)])
    )

    assert reply is not None
    assert reply.status == 200


WORK = {"verify", "expected_response", "_hash", "hexdigest", "compare_digest", "encode", "open", "decrypt"}


def account(ha1: str) -> Account:
    return Account(ANY, "1001", None, "1001", True, 5, True, None, None, {Algorithm.MD5: (ha1,)})


def functions_called(work: Callable[[], object]) -> list[str]:
    called: list[str] = []

    def profiler(frame: FrameType, event: str, arg: Any) -> None:
        if event in {"call", "c_call"}:
            called.append(arg.__name__ if event == "c_call" else frame.f_code.co_name)

    sys.setprofile(profiler)
    try:
        work()
    finally:
        sys.setprofile(None)
    return called


def test_c91_c97_an_unknown_user_costs_the_same_work_compared_in_constant_time() -> None:
    credentials = DigestCredentials(
        "1001", "example.com", "n", "sip:example.com", "0" * 32, Algorithm.MD5, "c", 1, "auth", "00000001"
    )
    claim = Claim(credentials, 0)

    known = account("1" * 32)
    prove(claim, known, "REGISTER")  # what is the same for everybody is computed once
    wrong = functions_called(lambda: prove(claim, known, "REGISTER"))
    unknown = functions_called(lambda: prove(claim, None, "REGISTER"))

    assert wrong.count("compare_digest") == 1
    assert [name for name in wrong if name in WORK] == [name for name in unknown if name in WORK]


async def test_c91_c97_an_unknown_user_costs_the_same_work_where_hashes_are_sealed(
    registrar: Registrar, phone: Phone
) -> None:
    keys = Ha1Keys([bytes(range(32))])
    await sync_to_async(credentials_seal)(ha1_keys=keys, actor=Actor.of_command("test"))
    registrar.store.ha1_keys = keys
    processor = BatchProcessor(registrar.store, registrar.processor.means.chance, registrar.changed.update)
    domain = await Domain.objects.aget()
    credentials = DigestCredentials(
        "1001", "example.com", "n", "sip:example.com", "0" * 64, Algorithm.SHA256, "c", 1, "auth", "00000001"
    )
    claim = Claim(credentials, 0)
    async with registrar.store.batch(aors=[], claims=[(domain.pk, "1001")], nonces=[]) as batch:
        known = batch.snapshot.accounts[domain.pk, "1001"]

    prove(claim, known, "REGISTER")
    wrong = functions_called(lambda: prove(claim, known, "REGISTER", processor.means.nobody))
    unknown = functions_called(lambda: prove(claim, None, "REGISTER", processor.means.nobody))

    assert wrong.count("open") == wrong.count("decrypt") == 1
    assert [name for name in wrong if name in WORK] == [name for name in unknown if name in WORK]


def test_c98_no_column_of_the_database_holds_the_password(extension_1001: NewPeer) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        for name in tables:
            cursor.execute(f'SELECT count(*) FROM "{name}" t WHERE t::text LIKE %s', [f"%{PASSWORD}%"])
            assert cursor.fetchone() == (0,), name
    credential = Credential.objects.get()
    assert len({credential.ha1_md5, credential.ha1_sha256, credential.ha1_sha512_256}) == 3


async def test_c101_a_nonce_in_its_second_half_is_followed_by_the_next(
    registrar: Registrar, phone: Phone
) -> None:
    young = await registrar.register(phone)
    assert not young.values("Authentication-Info")
    now_s = int((await Binding.objects.aget()).refreshed_at.timestamp())
    old_s = now_s - NONCE_LIFETIME_S * 3 // 4
    salt = nonce_salt(NONCE_KEY, b"x")
    phone.nonce, phone.nc = make_nonce(NONCE_KEY, old_s, salt, phone.source[0], "example.com"), 0

    old = await registrar.register(phone)

    (info,) = old.values("Authentication-Info")
    phone.nonce, phone.nc = info.removeprefix('nextnonce="').removesuffix('"'), 0
    assert (await registrar.register(phone)).status == 200


@pytest.mark.parametrize(("old", "new"), [("qop=auth,", "qop=auth-int,"), ("nc=", "userhash=true, nc=")])
async def test_c101_auth_int_and_userhash_are_not_offered_and_not_accepted(
    registrar: Registrar, phone: Phone, old: str, new: str
) -> None:
    await registrar.register(phone)

    reply = await registrar.send(phone, phone.register().replace(old.encode(), new.encode()))

    assert reply is not None
    assert reply.status in {400, 401}


async def test_c102_the_source_is_kept_beside_the_contact(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone, ["<sip:1001@192.0.2.5:5099>"])

    binding = await Binding.objects.aget()

    assert binding.contact == "sip:1001@192.0.2.5:5099"
    assert (binding.received_addr, binding.received_port) == phone.source
