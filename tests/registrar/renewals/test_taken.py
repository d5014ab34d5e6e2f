"""Which phones' renewals take the short way."""

from collections.abc import AsyncIterator

import pytest

from apps.extensions.ha1s import Ha1Keys
from apps.extensions.services import NewPeer
from apps.registrar.models import Binding, NonceUse, RegistrationEvent
from tests.registrar.phone import Reply, read_reply
from tests.registrar.renewals.pair import CHANCE, CountingProcessor, opened_store
from tests.registrar.renewals.shapes import SHAPES, Shape, shaped

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def processor(extension_1001: NewPeer) -> AsyncIterator[CountingProcessor]:
    async with opened_store(ha1_keys=Ha1Keys()) as store:
        yield CountingProcessor(store, CHANCE, lambda peers: None)


async def said(processor: CountingProcessor, shape: Shape, nonce: str, number: int) -> Reply:
    ((raw, _),) = await processor.answers([(shaped(shape, nonce, number), shape.origin)])
    return read_reply(raw)


@pytest.mark.parametrize("name", SHAPES)
async def test_a_known_phone_is_renewed_the_short_way(processor: CountingProcessor, name: str) -> None:
    shape = SHAPES[name]
    challenged = await said(processor, shape, "none", 1)
    nonce = next(
        value.split('nonce="')[1].split('"')[0]
        for value in challenged.values("WWW-Authenticate")
        if f"algorithm={shape.algorithm}," in value
    )

    first = await said(processor, shape, nonce, 2)
    taken_first = processor.taken
    later = [await said(processor, shape, nonce, number) for number in (3, 4, 5)]

    assert (first.status, {one.status for one in later}, taken_first) == (200, {200}, 0)
    assert processor.taken == 3
    binding = await Binding.objects.aget()
    assert (binding.refresh_count, binding.cseq) == (3, 5)
    assert (await NonceUse.objects.aget()).nc == 5
    assert await RegistrationEvent.objects.acount() == 1
