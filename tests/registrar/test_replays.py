"""A captured REGISTER is accepted never again; its honest repeat every time (RFC 3261 §17.2.2, RFC 7616 §5.5).

A refused one gets its own nonce again, which proves nothing to anybody (RFC 7616 §3.3)."""

import datetime as dt
import re

import pytest
from asgiref.sync import sync_to_async
from django.db.models import F

from apps.extensions.models import Peer
from apps.registrar.authentication import NONCE_LIFETIME_S
from apps.registrar.models import Binding, NonceUse
from apps.registrar.store import Store
from apps.sip.nonce import make_nonce
from tests.registrar.conftest import NONCE_KEY, PASSWORD, Registrar, url_of_test_database
from tests.registrar.phone import Phone

pytestmark = pytest.mark.django_db(transaction=True)

ATTACKER = ("198.51.100.66", 5060)


@sync_to_async
def rows() -> list[dict[str, object]]:
    return [{**row} for row in Binding.objects.order_by("binding_id").values()]


async def captured(registrar: Registrar, phone: Phone) -> tuple[bytes, bytes]:
    """A REGISTER that was accepted, and its answer."""
    await registrar.register(phone)
    data = phone.register()
    reply = await registrar.send(phone, data)
    assert reply is not None
    assert reply.status == 200
    return data, reply.raw


async def later(seconds: int) -> None:
    await NonceUse.objects.aupdate(accepted_at=F("accepted_at") - dt.timedelta(seconds=seconds))


MUTATIONS = {
    "new contact": (b"Contact: <sip:1001@203.0.113.7:5062>", b"Contact: <sip:1001@198.51.100.66>"),
    "another contact beside": (b"Contact: ", b"Contact: <sip:1001@198.51.100.66>\r\nContact: "),
    "sign-off": (b"Content-Length: 0", b"Expires: 0\r\nContent-Length: 0"),
    "new branch": (b"branch=z9hG4bK", b"branch=z9hG4bKnew"),
    "new branch and contact": (b"branch=z9hG4bK", b"branch=z9hG4bKnew\r\nm: <sip:1001@198.51.100.66>\r\nX: "),
    "new call": (b"Call-ID: ", b"Call-ID: new-"),
    "new cseq": (b"CSeq: ", b"CSeq: 9"),
    "higher nonce count": (b"nc=0000000", b"nc=0000001"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_c92_a_captured_register_with_anything_changed_is_not_accepted(
    registrar: Registrar, phone: Phone, mutation: str
) -> None:
    data, _ = await captured(registrar, phone)
    before = await rows()

    reply = await registrar.send(phone, data.replace(*MUTATIONS[mutation], 1))

    assert reply is not None
    assert reply.status in {401, 482}
    assert await rows() == before


async def test_c42_c47_the_honest_repeat_is_accepted_every_time(registrar: Registrar, phone: Phone) -> None:
    data, answer = await captured(registrar, phone)
    before = await rows()

    await later(31)
    replies = [await registrar.send(phone, data) for _ in range(11)]

    assert {reply.raw for reply in replies if reply} == {answer}
    assert await rows() == before


async def test_c92_the_same_bytes_after_32_seconds_are_a_replay(registrar: Registrar, phone: Phone) -> None:
    data, _ = await captured(registrar, phone)
    before = await rows()

    await later(33)
    reply = await registrar.send(phone, data)

    assert reply is not None
    assert reply.status in {401, 482}
    assert await rows() == before


async def test_c44_c92_another_worker_or_a_restarted_one_knows_a_repeat_from_a_replay(
    registrar: Registrar, phone: Phone
) -> None:
    data, answer = await captured(registrar, phone)
    before = await rows()
    store = Store(url_of_test_database())
    await store.open()
    other = Registrar(store)

    repeat = await other.send(phone, data)
    replay = await other.send(phone, data.replace(*MUTATIONS["new contact"], 1))
    await store.close()

    assert repeat is not None
    assert repeat.raw == answer
    assert replay is not None
    assert replay.status in {401, 482}
    assert await rows() == before


@pytest.mark.parametrize("source", [ATTACKER, ("203.0.113.7", 5999)])
async def test_c93_the_same_bytes_from_another_source_are_not_accepted(
    registrar: Registrar, phone: Phone, source: tuple[str, int]
) -> None:
    data, _ = await captured(registrar, phone)
    before = await rows()

    phone.source = source
    reply = await registrar.send(phone, data)

    assert reply is not None
    assert reply.status in {401, 482}
    assert await rows() == before


async def test_c38_the_same_request_come_another_way_is_482_and_changes_nothing(
    registrar: Registrar, phone: Phone
) -> None:
    data, _ = await captured(registrar, phone)
    before = await rows()

    reply = await registrar.send(phone, data.replace(b"branch=z9hG4bK", b"branch=z9hG4bKother", 1))

    assert reply is not None
    assert (reply.status, reply.contacts) == (482, [])
    assert await rows() == before


def challenged_with(raw: bytes) -> set[str]:
    return set(re.findall(r'nonce="([^"]+)"', raw.decode()))


@pytest.mark.parametrize("reason", ["wrong password", "unknown user", "disabled"])
async def test_c87_a_wrong_answer_gets_its_own_nonce_again_and_not_stale(
    registrar: Registrar, phone: Phone, reason: str
) -> None:
    phone.username = "1009" if reason == "unknown user" else phone.username
    phone.password = "not it at all" if reason == "wrong password" else PASSWORD
    await Peer.objects.aupdate(enabled=reason != "disabled")

    refused = await registrar.register(phone)
    again = await registrar.register(phone)

    assert (refused.status, again.status) == (401, 401)
    assert challenged_with(refused.raw) == challenged_with(again.raw) == {phone.nonce}
    assert not refused.stale


async def test_c42_the_repeat_of_a_refused_request_gets_the_same_bytes(
    registrar: Registrar, phone: Phone
) -> None:
    phone.password = "not it at all"
    first = await registrar.register(phone)
    refused = phone.register()

    replies = [await registrar.send(phone, refused) for _ in range(3)]

    assert first.status == 401
    assert len({reply.raw for reply in replies if reply}) == 1


async def test_c87_c92_the_corrected_password_registers_under_the_same_nonce_and_only_once(
    registrar: Registrar, phone: Phone
) -> None:
    phone.password = "not it at all"
    await registrar.register(phone)
    refused = phone.register()
    await registrar.send(phone, refused)
    phone.password = PASSWORD

    corrected = await registrar.register(phone)
    before = await rows()
    replayed = await registrar.send(phone, refused)

    assert corrected.status == 200
    assert replayed is not None
    assert replayed.status == 401
    assert await rows() == before


async def test_c87_a_wrong_answer_under_an_expired_nonce_gets_a_new_one_that_is_not_stale(
    registrar: Registrar, phone: Phone
) -> None:
    await registrar.register(phone)
    now_s = int((await Binding.objects.aget()).refreshed_at.timestamp())
    expired = make_nonce(NONCE_KEY, now_s - NONCE_LIFETIME_S - 60, b"x", phone.source[0], "example.com")
    phone.nonce, phone.nc, phone.password = expired, 0, "not it at all"

    refused = await registrar.register(phone)

    assert (refused.status, refused.stale) == (401, False)
    assert expired not in challenged_with(refused.raw)


async def test_c92_one_refused_as_disabled_cannot_be_replayed_once_the_phone_is_enabled(
    registrar: Registrar, phone: Phone
) -> None:
    await registrar.register(phone)
    await Peer.objects.aupdate(enabled=False)
    captured_then = phone.register(["<sip:1001@203.0.113.7:5999>"])
    refused = await registrar.send(phone, captured_then)
    assert refused is not None
    assert refused.status == 401
    repeated = await registrar.send(phone, captured_then)
    assert repeated is not None
    assert repeated.raw == refused.raw
    before = await rows()

    await Peer.objects.aupdate(enabled=True)
    for _ in range(2):
        reply = await registrar.send(phone, captured_then)
        assert reply is not None
        assert reply.status == 401
        await later(40)

    assert await rows() == before
    phone.nonce = None
    assert (await registrar.register(phone)).status == 200
