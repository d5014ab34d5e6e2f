"""Whichever way a REGISTER takes, it is answered and remembered alike (RFC 3261 §10.3)."""

import random
from collections.abc import AsyncIterator, Sequence

import pytest
from asgiref.sync import sync_to_async

from apps.extensions.audit import Actor
from apps.extensions.models import Domain
from apps.extensions.services import domain_update, extension_create
from tests.registrar.conftest import PASSWORD
from tests.registrar.renewals.pair import PASS, USERS, CountingProcessor, Side, pair_of, still_store
from tests.registrar.renewals.steps import PAUSES, STEPS, passed

pytestmark = pytest.mark.django_db(transaction=True)

Script = Sequence[tuple[int, str]]
# The last is renewed from memory.
REFRESHED: Script = [(0, "new nonce"), (0, "refresh"), (60, "refresh"), (60, "refresh")]
CLEAN = "DELETE FROM registrar_binding; DELETE FROM registrar_nonceuse; DELETE FROM registrar_peeractivity"


@pytest.fixture
async def pair(transactional_db: None, actor: Actor) -> AsyncIterator[tuple[Side, Side]]:
    domain = await Domain.objects.acreate(
        name="example.com", realm="example.com", min_expires_s=60, expires_spread_percent=0
    )
    for number in USERS:
        await sync_to_async(extension_create)(domain=domain, number=number, password=PASSWORD, actor=actor)
    async with still_store() as store:
        yield pair_of(store)


async def play(pair: tuple[Side, Side], script: Script) -> None:
    store = pair[0].processor.store
    rows = await store.fetch("SELECT statement_timestamp()")
    for side in pair:
        side.now = rows[0][0]
    for number, (seconds, step) in enumerate(script):
        await store.execute(PASS, {"seconds": seconds})
        heard = []
        for side in pair:
            passed(side, seconds)
            data, phone = STEPS[step](side)
            reply, way = await side.send(data, phone)
            heard.append((side.plain(reply.raw.decode()) if reply else None, way))
        told = f"step {number} of {script}"
        assert heard[0] == heard[1], told
        assert await pair[0].stored() == await pair[1].stored(), told


async def fresh(pair: tuple[Side, Side]) -> tuple[Side, Side]:
    """The same two, new to the registrar."""
    await pair[0].processor.store.execute(CLEAN)
    for side in pair:
        side.__post_init__()
        side.nonces.clear()
    return pair


def taken(pair: tuple[Side, Side]) -> int:
    assert isinstance(pair[0].processor, CountingProcessor)
    return pair[0].processor.taken


def unread(pair: tuple[Side, Side]) -> int:
    assert isinstance(pair[0].processor, CountingProcessor)
    return pair[0].processor.unread


QUARTERS = [list(STEPS)[start::4] for start in range(4)]


# What a renewal may change, and is one still.
QUICK = {"refresh", "CSeq jumps", "ageing nonce", "other tag"}


@pytest.mark.parametrize("steps", QUARTERS, ids=["1st", "2nd", "3rd", "4th"])
async def test_whatever_comes_between_two_renewals_both_ways_say_and_keep_the_same(
    pair: tuple[Side, Side], steps: Sequence[str]
) -> None:
    for step in steps:
        await fresh(pair)
        await play(pair, REFRESHED)
        before = taken(pair)
        await play(pair, [(0, step)])
        assert taken(pair) - before == (step in QUICK), step
        await play(pair, [(5, "refresh")])


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_a_phone_says_both_ways_say_and_keep_the_same(
    pair: tuple[Side, Side], seed: int
) -> None:
    chance = random.Random(seed)
    script = [*REFRESHED]
    for _ in range(40):
        name = chance.choice(list(STEPS)) if chance.random() < 0.5 else "refresh"
        script.append((chance.choice(PAUSES), name))

    await play(pair, script)

    assert taken(pair) > 0
    assert unread(pair) > 0


async def test_a_steady_phone_takes_the_short_way_and_its_rhythm_is_learned_and_missed_alike(
    pair: tuple[Side, Side],
) -> None:
    steady: Script = [(50, "refresh")] * 6

    await play(pair, [(0, "new nonce"), *steady, (100, "refresh"), *steady, (300, "refresh"), *steady])

    assert taken(pair) >= 15
    assert unread(pair) >= 10


async def test_a_device_with_gruus_or_a_flow_takes_the_short_way_and_is_told_the_same(
    pair: tuple[Side, Side],
) -> None:
    gruu, outbound = [(30, "gruu")] * 3, [(30, "outbound")] * 3
    others = [(5, "second device with GRUU"), (30, "refresh"), (30, "refresh"), (5, "second device leaves")]

    await play(pair, [*REFRESHED, *gruu, *outbound, *others, *gruu, (30, "device"), *outbound, *REFRESHED])

    assert taken(pair) >= 8
    assert unread(pair) >= 4


async def test_whatever_the_domain_chooses_both_ways_say_and_keep_the_same(
    pair: tuple[Side, Side], actor: Actor
) -> None:
    domain = await Domain.objects.aget()
    choices: dict[str, object] = {
        "raise_brief": True,
        "strict_cseq": True,
        "outbound": False,
        "edge_proxies": "203.0.113.0/28",
        "service_routes": "<sip:p1.example.com;lr>\n<sip:p2.example.com;lr>",
        "default_expires_s": 900,
    }
    await sync_to_async(domain_update)(domain=domain, actor=actor, **choices)
    steps = [
        "refresh",
        "too brief",
        "refresh",
        "equal CSeq",
        "refresh",
        "path",
        "refresh",
        "device",
        "refresh",
    ]

    await play(pair, [*REFRESHED, *[(30, step) for step in steps], *[(30, "outbound"), (30, "outbound")]])

    assert taken(pair) > 0
