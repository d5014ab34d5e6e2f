"""What somebody else makes of a renewal never takes the short way, and asking tells nobody who exists (C91, C92)."""

import pytest
from asgiref.sync import sync_to_async

from apps.registrar.models import Binding
from apps.registrar.renewals import sql
from apps.registrar.renewals.memory import Memory
from apps.sip.digest import Algorithm
from apps.sip.nonce import make_nonce
from tests.registrar.conftest import PASSWORD
from tests.registrar.phone import Phone
from tests.registrar.renewals.conftest import Quick

pytestmark = pytest.mark.django_db(transaction=True)

ELSEWHERE = [("203.0.113.8", 5062), ("203.0.113.7", 5063), ("2001:db8::1", 5062)]
# What a renewal changes, or may: it says nothing about what is bound.
TIMES = ("cseq", "refreshed_at", "expires_at", "refresh_count", "late_at", "renewal_gap_s", "renewal_dev_s")


@sync_to_async
def bound() -> list[dict[str, object]]:
    rows = [{**row} for row in Binding.objects.order_by("binding_id").values()]
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


@pytest.mark.parametrize("source", ELSEWHERE)
async def test_c93_a_renewal_from_elsewhere_never_takes_the_short_way(
    quick: Quick, phone: Phone, source: tuple[str, int]
) -> None:
    await quick.renewed(phone)
    fresh, heard = phone.register(), phone.source
    phone.source = source

    assert not await quick.takes(phone, fresh)
    phone.source = heard
    assert (await quick.register(phone)).status == 200


async def test_c92_a_renewal_that_was_accepted_is_accepted_never_again(quick: Quick, phone: Phone) -> None:
    await quick.renewed(phone)
    data = phone.register()
    assert await quick.takes(phone, data)
    later = phone.register()
    assert await quick.takes(phone, later)

    higher_cseq = data.replace(b"CSeq: ", b"CSeq: 9")
    for again in (data, later, higher_cseq, data.replace(b"z9hG4bK", b"z9hG4bKnew")):
        assert not await quick.takes(phone, again)
    assert (await Binding.objects.aget()).refresh_count == 3


@pytest.mark.parametrize("offset", range(3))
async def test_c92_with_a_byte_changed_on_its_way_no_renewal_binds_anything_else(
    quick: Quick, phone: Phone, offset: int
) -> None:
    await quick.renewed(phone)
    before = await bound()

    for place in range(offset, len(phone.register()), 12):
        data = bytearray(phone.register())
        data[place] ^= 1
        if await quick.takes(phone, bytes(data)):
            assert await bound() == before, bytes(data)
            assert any(
                text in bytes(data[:place]).rpartition(b"\r\n")[2]
                for text in (b"branch=", b"tag=", b"CSeq: ")
            )
        elif await bound() != before:
            await sync_to_async(Binding.objects.all().delete)()
            await quick.renewed(phone)
            before = await bound()


async def rows_read(quick: Quick, data: bytes, phone: Phone) -> int | None:
    """How many rows the look-up of this one finds; None where there is no look-up."""
    quick.watched.fetched.clear()
    await quick.processor.answers([(data, phone.source)])
    return next((rows for statement, rows in quick.watched.fetched if statement is sql.READ), None)


async def test_c91_without_a_key_the_look_up_finds_nobody_known_or_unknown(
    quick: Quick, phone: Phone
) -> None:
    await quick.register(phone)
    quick.counting.lane.memory = Memory()
    assert await rows_read(quick, phone.register(), phone) == 1
    strangers = [
        Phone("1001", "not it at all", call_id="other-1", nonce=phone.nonce, nc=50),
        Phone("1001", PASSWORD, call_id="other-2", nonce=phone.nonce, nc=60),
        Phone("1009", "not it at all", call_id="other-3", nonce=phone.nonce, nc=70),
        Phone("1009", PASSWORD, call_id="other-4", nonce=phone.nonce, nc=80),
    ]

    assert [await rows_read(quick, one.register(), one) for one in strangers] == [0] * 4


async def test_c93_a_flood_with_nonces_that_are_not_ours_costs_no_look_up(quick: Quick, phone: Phone) -> None:
    await quick.renewed(phone)
    quick.watched.fetched.clear()
    phones = [Phone("1001", PASSWORD, call_id=f"flood-{number}") for number in range(50)]
    for number, one in enumerate(phones):
        one.nonce = make_nonce(b"x" * 32, 1_800_000_000 + number, b"", one.source[0], "example.com")

    answers = await quick.processor.answers([(one.register(), one.source) for one in phones])

    assert len(answers) == 50
    assert quick.watched.fetched == []


async def test_what_looks_like_a_renewal_and_is_no_request_costs_nobody_his_answer(
    quick: Quick, phone: Phone
) -> None:
    await quick.renewed(phone)
    attacker = Phone("1009", "x", nonce=phone.nonce, nc=90)
    first, _, rest = attacker.register().partition(b"\r\n")
    no_via_is_read = first + b"\r\n" + b"X: y\r\n" * 2000 + rest
    too_long = first + b"\r\nX: " + b"y" * 70_000 + b"\r\n" + rest
    honest = phone.register()

    answers = await quick.processor.answers(
        [(data, phone.source) for data in (no_via_is_read, too_long, honest)]
    )

    assert any(raw.startswith(b"SIP/2.0 200") for raw, _ in answers)
    assert (await Binding.objects.aget()).refresh_count == 2


async def test_a_hash_that_the_domain_does_not_offer_proves_nothing(quick: Quick, phone: Phone) -> None:
    await quick.renewed(phone)
    phone.algorithm = Algorithm.SHA512_256
    taken = quick.taken

    reply = await quick.register(phone)

    assert (reply.status, quick.taken) == (401, taken)


async def test_an_unread_expiry_keeps_no_key(quick: Quick, phone: Phone) -> None:
    odd = [f'{phone.contact};x=";expires=7200";expires=3600']

    await quick.register(phone, odd)
    await quick.register(phone, odd)

    assert quick.taken == 0


async def test_two_proofs_in_one_request_keep_no_key(quick: Quick, phone: Phone) -> None:
    await quick.renewed(phone)
    first = phone.authorization("REGISTER", "sip:example.com").replace("Authorization", "authorization")

    accepted = await quick.register(phone, headers=[first])
    again = await quick.register(phone, headers=[first])

    # In full the first of them counts, and it was used.
    assert (accepted.status, again.status, again.stale) == (200, 401, True)
