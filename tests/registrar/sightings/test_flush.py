"""What is written down of attempts that came to nothing, over a real database."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F

from apps.extensions.models import Credential, Domain, Extension, Peer
from apps.extensions.services import NewPeer
from apps.registrar.models import Binding, PeerActivity, RegistrationEvent, Stranger
from apps.registrar.sightings import sql
from apps.registrar.sightings.flush import MOST_STRANGERS_AT_ONCE, flush, tidy_strangers
from apps.registrar.sightings.notes import MOST_STRANGERS
from tests.registrar.conftest import PASSWORD, Registrar
from tests.registrar.phone import Phone
from tests.registrar.sightings.conftest import MakeExtension

pytestmark = pytest.mark.django_db(transaction=True)

SOURCE = ("203.0.113.7", 5062)


async def flushed(registrar: Registrar) -> set[UUID]:
    return await flush(registrar.store, registrar.processor.means.sightings)


def age(registrar: Registrar, seconds: float) -> None:
    """As if that much time had passed since the challenges."""
    for challenge in registrar.processor.means.sightings.challenges.values():
        for name in ("first_at", "began_at", "last_at"):
            setattr(challenge, name, getattr(challenge, name) - dt.timedelta(seconds=seconds))


async def strangers() -> list[tuple[Any, ...]]:
    columns = ("reason", "domain", "username", "received_addr", "count", "meant_peer_id")
    return [row async for row in Stranger.objects.order_by("id").values_list(*columns)]


async def unanswered() -> list[tuple[str, str, int]]:
    events = RegistrationEvent.objects.filter(event="unanswered").order_by("event_id")
    return [(event.aor, event.reason, event.count) async for event in events]


async def meant_by(registrar: Registrar, username: str) -> UUID | None:
    """Whom a phone with this user name and some password seems to mean."""
    phone = Phone(username, PASSWORD)
    assert (await registrar.register(phone)).status == 401
    changed = await flushed(registrar)
    ((reason, domain, name, host, count, meant),) = await strangers()
    assert (reason, domain, name, host, count) == ("unknown_user", "example.com", username, SOURCE[0], 1)
    assert changed == ({meant} if meant else set())
    await Stranger.objects.all().adelete()
    return meant  # type: ignore[no-any-return]


async def test_a_user_name_close_to_a_real_one_means_it(
    registrar: Registrar, extension_1001: NewPeer, make_extension: MakeExtension
) -> None:
    far = await make_extension("2040", username="kitchen")

    for name in ("10O1", "101", "l001", "1010"):
        assert await meant_by(registrar, name) == extension_1001.peer.pk
    for name in ("2040", "Kitchen", "kitchn", "iktchen"):
        assert await meant_by(registrar, name) == far.pk
    for name in ("3333", "1201x", "", "x" * 300):
        assert await meant_by(registrar, name[:64]) is None if name else True


async def test_the_one_that_is_not_online_is_meant_and_nobody_if_several_are_not(
    registrar: Registrar, phone: Phone, extension_1001: NewPeer, make_extension: MakeExtension
) -> None:
    other = await make_extension("1002")
    assert await meant_by(registrar, "1003") is None

    await registrar.register(phone)

    assert await meant_by(registrar, "1003") == other.pk


async def test_a_name_of_another_domain_is_not_near(
    registrar: Registrar, extension_1001: NewPeer, make_extension: MakeExtension
) -> None:
    await Domain.objects.acreate(name="example.net", realm="example.net")
    phone = Phone("10O1", PASSWORD, domain="example.net")
    await registrar.register(phone)
    await flushed(registrar)
    assert await strangers() == [("unknown_user", "example.net", "10O1", SOURCE[0], 1, None)]


Attempt = Callable[[Phone], bytes]
FOREIGN = 'Authorization: Digest username="1001", realm="asterisk", nonce="n", uri="sip:x", response="0"'
CASES: dict[str, tuple[Attempt, int, tuple[str, str, str]]] = {
    "wrong domain": (
        lambda phone: phone.register(request_uri="sip:192.0.2.1"),
        404,
        ("not_our_domain", "192.0.2.1", "1001"),
    ),
    "wrong realm": (
        lambda phone: phone.register(headers=[FOREIGN]),
        401,
        ("wrong_realm", "asterisk", "1001"),
    ),
    "malformed": (
        lambda phone: phone.register(cseq=-5),
        400,
        ("malformed", "example.com", "1001"),
    ),
    "malformed credentials": (
        lambda phone: phone.register(headers=['Authorization: Digest username="1001"']),
        400,
        ("malformed", "example.com", "1001"),
    ),
    "extension": (
        lambda phone: phone.register(headers=["Require: magic"]),
        420,
        ("bad_extension", "example.com", "1001"),
    ),
    "contact": (lambda phone: phone.register(["<<>"]), 400, ("bad_contact", "example.com", "1001")),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_is_refused_without_a_look_up_is_summed_under_the_name_it_carries(
    case: str, registrar: Registrar, phone: Phone, extension_1001: NewPeer
) -> None:
    attempt, status, expected = CASES[case]
    for _ in range(2):
        for _ in range(3):
            reply = await registrar.send(phone, attempt(phone))
            assert reply is not None
            assert reply.status == status
        assert await flushed(registrar) == {extension_1001.peer.pk}
    assert await strangers() == [(*expected, SOURCE[0], 6, extension_1001.peer.pk)]
    assert await unanswered() == []


async def test_a_forged_name_cannot_do_harm(registrar: Registrar, phone: Phone) -> None:
    for name in ("'; DROP TABLE x; --", "%00%0d%0a", "<script>", "\u202e1001", "%ff", "\x7f"):
        await registrar.send(phone, phone.register(request_uri="sip:x", to=f"<sip:{name}@example.com>"))
    await flushed(registrar)
    assert all(row[2].isprintable() for row in await strangers())


async def test_a_flood_of_names_writes_a_bounded_number_of_rows(registrar: Registrar, phone: Phone) -> None:
    for number in range(3 * MOST_STRANGERS_AT_ONCE):
        phone.source = (f"10.0.{number // 250}.{number % 250}", 5062)
        await registrar.send(phone, phone.register(request_uri="sip:x", to=f"<sip:{number}@x>"))
    for written in (1, 2):
        await flushed(registrar)
        assert await Stranger.objects.acount() == written * MOST_STRANGERS_AT_ONCE


async def test_20000_forged_registers_are_a_few_rows_and_a_bounded_memory(
    registrar: Registrar, extension_1001: NewPeer
) -> None:
    sightings, phone = registrar.processor.means.sightings, Phone("1001", "")
    for batch in range(80):
        flood = [
            (
                phone.register(request_uri="sip:x", to=f"<sip:{batch}-{number}@x>"),
                (f"10.{batch}.0.{number}", 5062),
            )
            for number in range(250)
        ]
        await registrar.processor.answers(flood)
    assert len(sightings.strangers) == MOST_STRANGERS
    await flushed(registrar)
    assert await Stranger.objects.acount() == MOST_STRANGERS_AT_ONCE


async def test_the_table_keeps_those_seen_last(registrar: Registrar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "MOST_STRANGERS", 2)
    for user in ("1", "2", "3", "1"):
        phone = Phone(user, "")
        await registrar.send(phone, phone.register(request_uri="sip:x"))
        await flushed(registrar)
    await tidy_strangers(registrar.store)
    assert [row[2] for row in await strangers()] == ["1", "3"]


async def test_a_challenge_ignored_is_one_event_of_the_peer(
    registrar: Registrar, phone: Phone, extension_1001: NewPeer
) -> None:
    for _ in range(2):
        await registrar.send(phone, phone.register())
    age(registrar, 11)
    assert await flushed(registrar) == set()
    age(registrar, 1)

    assert await flushed(registrar) == {extension_1001.peer.pk}

    assert await unanswered() == [("sip:1001@example.com", "challenge_ignored", 2)]
    activity = await PeerActivity.objects.aget()
    assert activity.unanswered_reason == "challenge_ignored"
    assert activity.unanswered_at is not None
    assert activity.received_addr is None, "where it came from is not proven"
    assert await flushed(registrar) == set()


async def test_those_of_one_minute_are_summed_wherever_they_say_they_come_from(
    registrar: Registrar, phone: Phone
) -> None:
    for host in range(5):
        phone.source = (f"198.51.100.{host}", 5062)
        await registrar.send(phone, phone.register())
        age(registrar, 12)
        await flushed(registrar)
    assert sum(count for _, _, count in await unanswered()) == 5
    assert len(await unanswered()) <= 2, "one row, or two if the minute ended meanwhile"


async def test_names_of_nobody_write_nothing(registrar: Registrar, extension_1001: NewPeer) -> None:
    for user in ("1009", "nobody"):
        phone = Phone(user, "")
        await registrar.send(phone, phone.register())
    age(registrar, 12)
    assert await flushed(registrar) == set()
    assert await unanswered() == []


async def test_an_extension_number_means_its_only_device_and_of_several_none(
    registrar: Registrar, make_extension: MakeExtension
) -> None:
    only, first = await make_extension("1002"), await make_extension("1003")
    await Peer.objects.filter(pk=only.pk).aupdate(name="1002-desk")
    await Peer.objects.filter(pk=first.pk).aupdate(name="1003-desk")
    await Peer.objects.acreate(domain_id=first.domain_id, extension_id=first.extension_id, name="1003-soft")
    for user in ("1002", "1003"):
        phone = Phone(user, "")
        await registrar.send(phone, phone.register())
    age(registrar, 12)
    assert await flushed(registrar) == {only.pk}


@pytest.fixture
def other_worker(registrar: Registrar) -> Registrar:
    """A second worker on the same database, which shares no memory with the first."""
    return Registrar(registrar.store)


async def test_an_answer_that_another_worker_heard_is_one(
    registrar: Registrar, other_worker: Registrar, phone: Phone
) -> None:
    challenge = await registrar.send(phone, phone.register())
    assert challenge is not None
    phone.read_challenge(challenge)
    assert (await other_worker.register(phone)).status == 200
    for challenged in registrar.processor.means.sightings.challenges.values():
        challenged.is_unheard = True
        challenged.first_at -= dt.timedelta(seconds=8)
    await Binding.objects.aupdate(refreshed_at=dt.datetime.now(dt.UTC))

    assert await flushed(registrar) == set()
    assert await unanswered() == []


async def test_a_repeat_that_was_challenged_after_another_worker_had_heard_the_answer_is_none_of_its_own(
    registrar: Registrar, other_worker: Registrar, phone: Phone
) -> None:
    asked = phone.register()
    challenge = await other_worker.send(phone, asked)
    assert challenge is not None
    phone.read_challenge(challenge)
    assert (await other_worker.register(phone)).status == 200
    await registrar.send(phone, asked)  # it was on its way all the time
    age(registrar, 12)
    earlier = {name: F(name) - dt.timedelta(seconds=12) for name in ("registered_at", "refreshed_at")}
    await Binding.objects.aupdate(**earlier)

    assert await flushed(registrar) == set()
    assert await unanswered() == []


async def test_a_wrong_password_that_another_worker_refused_is_an_answer(
    registrar: Registrar, other_worker: Registrar, extension_1001: NewPeer
) -> None:
    phone = Phone("1001", "wrong")
    challenge = await registrar.send(phone, phone.register())
    assert challenge is not None
    phone.read_challenge(challenge)
    assert (await other_worker.register(phone)).status == 401
    age(registrar, 12)

    assert await flushed(registrar) == set()
    assert await unanswered() == []


async def test_one_attempt_seen_by_two_workers_is_told_once(
    registrar: Registrar, other_worker: Registrar, phone: Phone
) -> None:
    data = phone.register()
    for number in range(8):
        await (registrar, other_worker)[number % 2].send(phone, data)
        for worker in (registrar, other_worker):
            age(worker, 0.3)
    for worker in (registrar, other_worker):
        age(worker, 12)
        await flushed(worker)
    assert await unanswered() == [("sip:1001@example.com", "challenge_unheard", 1)]


async def test_a_stale_nonce_is_no_silence(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone)
    phone.nc = 0
    reply = await registrar.register(phone)
    assert reply.stale
    age(registrar, 12)
    assert await flushed(registrar) == set()
    assert await unanswered() == []


def test_names_are_found_by_their_indexes(domain: Domain) -> None:
    numbers = [str(10_000 + number) for number in range(3000)]
    extensions = Extension.objects.bulk_create(Extension(domain=domain, number=number) for number in numbers)
    peers = Peer.objects.bulk_create(
        Peer(domain=domain, extension=extension, name=extension.number) for extension in extensions
    )
    Credential.objects.bulk_create(
        Credential(
            domain=domain,
            peer=peer,
            username=peer.name,
            ha1_md5="0" * 32,
            ha1_sha256="0" * 64,
            ha1_sha512_256="0" * 64,
        )
        for peer in peers
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE extensions_extension, extensions_peer, extensions_credential")
        cursor.execute(f"EXPLAIN {sql.NAMED}", {"folded": ["1001", "100l"]})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    for index in ("peer_by_folded_name", "credential_by_folded_username", "extension_by_folded_number"):
        assert index in plan
