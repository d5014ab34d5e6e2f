"""Phones of two SIP hosts over one database, and of a web process whose calls one host carries, call each other."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from apps.calls.models import CallProcess
from tests.addresses import Address
from tests.calls.talking import Softphone
from tests.calls.test_end_to_end import PASSWORD, answered_and_hung_up_by_either, given_up
from tests.patience import PATIENCE_S

SOON_S = 0.05
# One may have been there before, and the next may have read before the other told.
BEATS = 3


@asynccontextmanager
async def registered(number: str, server: Address, transport: str = "UDP") -> AsyncIterator[Softphone]:
    phone = await Softphone(number, PASSWORD, server, transport).open()
    await phone.register()
    yield phone
    await phone.closed()


async def each_knows_the_others_workers() -> None:
    """Each has told of all of them, that of the browser's web process too, and then read what the other told: each
    reads before it tells."""
    beats: dict[str, set[datetime]] = defaultdict(set)
    async with asyncio.timeout(PATIENCE_S):
        while len(beats) < 2 or min(map(len, beats.values())) < BEATS:
            rows = [one async for one in CallProcess.objects.all()]
            if sorted(len(one.workers.split()) for one in rows) == [1, 2]:
                for one in rows:
                    beats[one.id].add(one.seen_at)
            await asyncio.sleep(SOON_S)


async def phones_of_both_hosts_call_each_other(
    numbers: list[str], one: Address, other: Address, web: Address
) -> None:
    """Each hears nobody but the host it registered at: those over UDP have connected sockets."""
    ann, bob, cid, browser = numbers
    async with (
        registered(ann, one) as here,
        registered(bob, other) as udp,
        registered(cid, other, "TCP") as tcp,
        registered(browser, web, "WS") as page,
    ):
        await answered_and_hung_up_by_either(udp, page)
        await answered_and_hung_up_by_either(page, udp)
        await each_knows_the_others_workers()
        for there in (udp, tcp, page):
            await answered_and_hung_up_by_either(here, there)
            await answered_and_hung_up_by_either(there, here)
        await given_up(here, page)
