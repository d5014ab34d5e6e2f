"""Background work of a SIP worker, round after round until it is told to stop.

Stops between two rounds, not within one: a query cancelled half-way makes psycopg wait for the server, for seconds
where pipelines are used, and a worker has 2.5 s to stop. Must not know what the work is.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from psycopg import Error
from psycopg_pool import PoolClosed, PoolTimeout

logger = logging.getLogger(__name__)

DATABASE_TROUBLE: Final = (Error, PoolTimeout, PoolClosed, OSError)
RETRY_S: Final = 0.5
STOP_WITHIN_S: Final = 1.0

# Says how many seconds it wants to rest, if it does.
Work = Callable[[], Awaitable[float | None]]


class Rounds:
    """Start works, then stop them all. Trouble with the database is logged and the work tried again."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self._news: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(
        self, work: Work, every_s: float, *, news: asyncio.Event | None = None, rest_s: float = 0
    ) -> None:
        """Runs `work` now, then every `every_s` or when there is news, with `rest_s` in between at least."""
        news = news or asyncio.Event()
        self._news.append(news)
        self._tasks.append(asyncio.create_task(self._run(work, every_s, news, rest_s)))

    async def stop(self) -> None:
        """Returns when the rounds under way have ended; one that takes too long is cancelled."""
        self._stopping.set()
        for news in self._news:
            news.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_WITHIN_S)
            for task in late:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, work: Work, every_s: float, news: asyncio.Event, rest_s: float) -> None:
        while not self._stopping.is_set():
            pause_s, own_rest_s = every_s, None
            news.clear()
            try:
                own_rest_s = await work()
            except DATABASE_TROUBLE as error:
                logger.warning(
                    "%s failed, trying again: %s", getattr(work, "__name__", "work").strip("_"), error
                )
                pause_s = min(every_s, RETRY_S)
            await self._pause(max(rest_s, own_rest_s or 0), self._stopping)
            await self._pause(pause_s, news)

    async def _pause(self, seconds: float, news: asyncio.Event) -> None:
        if self._stopping.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            return
