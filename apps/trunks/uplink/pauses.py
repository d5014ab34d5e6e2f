"""How long a registration with a carrier rests, and when it is renewed. Pure; spread is chance from 0 to under 1.

Carriers block who hammers: nothing here ever leads to two attempts within half a minute.
"""

from typing import Final

SHORTEST_S: Final = 30.0
LONGEST_S: Final = 1800.0
# Refused: only a person can change that, there or here. A change here is tried at once.
REFUSED_SHORTEST_S: Final = 600.0
REFUSED_LONGEST_S: Final = 3600.0
# What a carrier may ask us to wait, and to stay registered at least (RFC 3261 §20.33, §20.23).
MOST_RETRY_AFTER_S: Final = 3600
MOST_EXPIRES_S: Final = 604_800

_RENEW_AT: Final = 0.85
# So long a renewal may take with a server that does not answer (timer F), and a little more.
_LEFT_S: Final = 40.0


def refresh_after_s(granted_s: int, spread: float) -> float:
    """At 76 to 85 % of what was granted; of a short time half, where less would be left than a timeout takes."""
    latest = max(granted_s / 2, min(_RENEW_AT * granted_s, granted_s - _LEFT_S))
    return latest * (0.9 + 0.1 * spread)


def failing_pause_s(failures: int, spread: float, retry_after_s: int | None = None) -> float:
    """After so many failures in a row, 1 at least: from 30 s to 30 min, doubling; longer if the carrier says so."""
    least = min(SHORTEST_S * 2.0 ** min(failures - 1, 16), LONGEST_S / 1.5)
    asked = min(retry_after_s or 0, MOST_RETRY_AFTER_S)
    return max(least * (1 + spread / 2), asked * (1 + spread / 10))


def refused_pause_s(failures: int, spread: float) -> float:
    """After so many refusals in a row, 1 at least: from 10 min to an hour, doubling."""
    least = min(REFUSED_SHORTEST_S * 2.0 ** min(failures - 1, 16), REFUSED_LONGEST_S / 1.2)
    return least * (1 + spread / 5)
