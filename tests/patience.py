"""How long tests wait for what must come. Must need nothing of the product."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

# No promise: only a test that fails takes this long, and no machine is slow enough to make one fail.
PATIENCE_S: Final = 60

Found = TypeVar("Found")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """As `until`, where nothing else has to go on meanwhile. what: is missing when it never holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; TimeoutError when it never does."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the conditions watched are plain attributes
            await asyncio.sleep(0.002)


async def eventually(condition: Callable[[], Awaitable[Found]]) -> Found:
    """What is found of what another process changes, once there is anything; TimeoutError when there never is."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return found
