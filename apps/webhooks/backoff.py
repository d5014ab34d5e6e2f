"""When a delivery that failed is tried again, and when it is given up. Pure: chance and time are arguments."""

import datetime as dt
from typing import Final

SHORTEST_S: Final = 1.0
LONGEST_S: Final = 3600.0
JITTER: Final = 0.2
GIVEN_UP_AFTER: Final = dt.timedelta(days=3)


def delay_s(failures: int, chance: float) -> float:
    """Seconds until the next try after so many failures in a row: 1 s, 2 s, 4 s ... 1 h, each a fifth more or less by
    `chance` (0 to 1), so that those that failed together do not come again together."""
    doubled: float = SHORTEST_S * 2 ** min(failures - 1, 12)
    spread = 1 - JITTER + 2 * JITTER * chance
    return min(LONGEST_S, max(SHORTEST_S, doubled * spread))


def is_given_up(failing_since: dt.datetime, now: dt.datetime) -> bool:
    return now - failing_since >= GIVEN_UP_AFTER
