"""C91, for information: can the time to an answer tell a user who exists from one who does not?

`PAIRS=10000 python -m pytest tests/compliance/timing.py -s --durable-database` prints the medians and p of a
Mann-Whitney test over interleaved pairs, with commits that wait for the disk as they do in use and HA1s that are
sealed. Not part of the test run: a busy machine must not decide it.
"""

import math
import os
import time

import pytest
from django.conf import LazySettings

from tests.registrar.conftest import Registrar
from tests.registrar.phone import Phone

pytestmark = pytest.mark.django_db(transaction=True)

PAIRS = int(os.environ.get("PAIRS", "1000"))


@pytest.fixture(autouse=True)
def site_key(settings: LazySettings) -> None:
    settings.CREDENTIAL_KEYS = (bytes(range(32)),)


def mann_whitney_p(a: list[float], b: list[float]) -> float:
    """Two-sided p, normal approximation; times are practically never equal."""
    ranked = sorted([(value, 0) for value in a] + [(value, 1) for value in b])
    rank_sum = sum(rank for rank, (_, group) in enumerate(ranked, 1) if group == 0)
    n, m = len(a), len(b)
    u = rank_sum - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


async def timed(registrar: Registrar, phone: Phone) -> float:
    data = phone.register()
    started = time.perf_counter()
    reply = await registrar.send(phone, data)
    taken = time.perf_counter() - started
    assert reply is not None
    assert reply.status == 401
    return taken


async def test_timing_of_interleaved_pairs(registrar: Registrar, phone: Phone) -> None:
    known, unknown = Phone("1001", "wrong", source=phone.source), Phone("1009", "wrong", source=phone.source)
    for each in (known, unknown):
        challenge = await registrar.send(each, each.register())
        assert challenge is not None
        each.read_challenge(challenge)
    async with registrar.store.pool.connection() as connection:
        rows = await connection.execute(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit')"
        )
        durability = "fsync {}, synchronous_commit {}".format(*(await rows.fetchall())[0])
    times: tuple[list[float], list[float]] = ([], [])
    for pair in range(PAIRS):
        for number in (0, 1) if pair % 2 else (1, 0):
            times[number].append(await timed(registrar, (known, unknown)[number]))
    medians = [sorted(group)[len(group) // 2] * 1000 for group in times]
    print(f"\n{PAIRS} pairs, {durability}: known {medians[0]:.3f} ms, unknown {medians[1]:.3f} ms")
    print(f"p = {mann_whitney_p(*times):.3g}")
