"""Background work goes on through trouble and stops between rounds."""

import asyncio

from psycopg import OperationalError

from apps.registrar.rounds import Rounds
from tests.patience import PATIENCE_S


async def test_a_stop_waits_for_the_round_under_way_and_begins_no_other() -> None:
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), []

    async def work() -> None:
        begun.set()
        await may_end.wait()
        ended.append(1)

    rounds = Rounds()
    rounds.start(work, 0.01)
    await begun.wait()
    stopping = asyncio.create_task(rounds.stop())
    await asyncio.sleep(0)
    may_end.set()
    await stopping

    assert ended == [1]


async def test_trouble_with_the_database_is_tried_again() -> None:
    tries: list[int] = []
    done = asyncio.Event()

    async def work() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("the database is away")
        done.set()

    rounds = Rounds()
    rounds.start(work, 0.01)
    await asyncio.wait_for(done.wait(), PATIENCE_S)
    await rounds.stop()


async def test_news_ends_a_pause() -> None:
    news, done, seen = asyncio.Event(), asyncio.Event(), []

    async def work() -> None:
        seen.append(1)
        if len(seen) == 2:
            done.set()

    rounds = Rounds()
    rounds.start(work, 3600, news=news)
    await asyncio.sleep(0)
    news.set()
    await asyncio.wait_for(done.wait(), PATIENCE_S)
    await rounds.stop()
