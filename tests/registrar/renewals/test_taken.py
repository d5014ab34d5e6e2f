"""Which phones' renewals take the short way."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from apps.extensions.ha1s import Ha1Keys
from apps.extensions.models import Domain
from apps.extensions.services import NewPeer
from apps.registrar.expiry import Surge
from apps.registrar.models import Binding, NonceUse, RegistrationEvent
from tests.registrar.phone import Reply, read_reply
from tests.registrar.renewals.pair import CHANCE, CountingProcessor, opened_store
from tests.registrar.renewals.shapes import SHAPES, Shape, shaped

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def processor(extension_1001: NewPeer) -> AsyncIterator[CountingProcessor]:
    async with opened_store(ha1_keys=Ha1Keys()) as store:
        yield CountingProcessor(store, CHANCE, lambda peers: None)


async def challenged(processor: CountingProcessor, shape: Shape) -> str:
    """The nonce of the challenge that the phone answers."""
    reply = await said(processor, shape, "none", 1)
    return next(
        value.split('nonce="')[1].split('"')[0]
        for value in reply.values("WWW-Authenticate")
        if f"algorithm={shape.algorithm}," in value
    )


async def said(processor: CountingProcessor, shape: Shape, nonce: str, number: int) -> Reply:
    ((raw, _),) = await processor.answers([(shaped(shape, nonce, number), shape.origin)])
    return read_reply(raw)


@pytest.mark.parametrize("name", SHAPES)
async def test_a_known_phone_is_renewed_the_short_way(processor: CountingProcessor, name: str) -> None:
    shape = SHAPES[name]
    nonce = await challenged(processor, shape)

    first = await said(processor, shape, nonce, 2)
    taken_first = processor.taken
    later = [await said(processor, shape, nonce, number) for number in (3, 4, 5)]

    assert (first.status, {one.status for one in later}, taken_first) == (200, {200}, 0)
    assert processor.taken == 3
    binding = await Binding.objects.aget()
    assert (binding.refresh_count, binding.cseq) == (3, 5)
    assert (await NonceUse.objects.aget()).nc == 5
    assert await RegistrationEvent.objects.acount() == 1


async def test_a_known_phone_is_renewed_the_short_way_by_a_pressed_worker_too(
    extension_1001: NewPeer,
) -> None:
    await Domain.objects.aupdate(expires_spread_percent=10)
    surge, shape = Surge(), SHAPES["Yealink"]
    async with opened_store(ha1_keys=Ha1Keys()) as store:
        chance = replace(CHANCE, spread=surge.spread)
        processor = CountingProcessor(store, chance, lambda peers: None)
        nonce = await challenged(processor, shape)
        for number in (2, 3):
            await said(processor, shape, nonce, number)
        calm = await Binding.objects.aget()
        surge.feel(1.0, pressed=True)
        for number in (4, 5):
            await said(processor, shape, nonce, number)
        pressed = await Binding.objects.aget()

    assert (processor.taken, processor.unread) == (3, 3)
    assert calm.expires_at - calm.refreshed_at > timedelta(seconds=0.9 * 3600)
    assert timedelta(seconds=0.6 * 3600) <= pressed.expires_at - pressed.refreshed_at
    assert pressed.expires_at - pressed.refreshed_at < timedelta(seconds=0.9 * 3600)
    assert await RegistrationEvent.objects.acount() == 1
