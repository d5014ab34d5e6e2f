"""A phone's rhythm: never late before its renewal, late before it expires if it stops."""

import datetime as dt
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.registrar.rhythm import SAME_RENEWAL_S, Rhythm

NOW = dt.datetime(2026, 11, 23, 2, 0, tzinfo=dt.UTC)
# 15 kinds of phones make 90,000 renewals.
PHONES, RENEWALS = 60, 100
# A transaction nobody answered, with all its eleven repeats lost.
GIVEN_UP_S = 32.0


def late_after_s(rhythm: Rhythm, granted_s: float) -> float | None:
    late_at = rhythm.late_at(NOW, NOW + dt.timedelta(seconds=granted_s))
    return None if late_at is None else (late_at - NOW).total_seconds()


def learned(gaps: list[float], granted_s: float) -> Rhythm:
    rhythm = Rhythm()
    for gap_s in gaps:
        rhythm = rhythm.after(gap_s, old_granted_s=granted_s, granted_s=granted_s)
    return rhythm


def gaps_of(chance: random.Random, timer_s: float, jitter: float) -> Iterator[float]:
    """What the registrar sees of a phone's timer: jitter, and 1 % of losses that are repeated after 0.5 s to 4 s,
    or after a time-out."""
    while True:
        gap_s = timer_s * (1 + chance.uniform(-jitter, jitter))
        if chance.random() < 0.01:
            gap_s += GIVEN_UP_S if chance.random() < 0.01 else chance.uniform(0.5, 4)
        yield gap_s


@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.3])
@pytest.mark.parametrize(
    ("granted_s", "share"), [(120, 0.5), (300, 0.5), (300, 0.7), (600, 0.9), (3600, 0.5)]
)
def test_no_renewal_of_a_healthy_phone_is_late(granted_s: int, share: float, jitter: float) -> None:
    chance = random.Random(4)
    judged = 0
    for _ in range(PHONES):
        rhythm = Rhythm()
        gaps = gaps_of(chance, granted_s * share, jitter)
        for gap_s in (next(gaps) for _ in range(RENEWALS)):
            late_s = late_after_s(rhythm, granted_s)
            if gap_s < granted_s and late_s is not None:
                judged += 1
                given_up = gap_s > granted_s * share * (1 + jitter) + 4
                assert gap_s <= late_s or (given_up and granted_s < 300)
            rhythm = rhythm.after(gap_s, old_granted_s=granted_s, granted_s=granted_s)
    assert judged or share > 0.5


@pytest.mark.parametrize(("granted_s", "gap_s"), [(60, 30), (120, 60), (300, 150), (600, 450), (3600, 1800)])
def test_a_regular_phone_that_stops_is_late_before_it_expires(granted_s: int, gap_s: int) -> None:
    late_s = late_after_s(learned([gap_s] * 18, granted_s), granted_s)

    assert late_s is not None
    assert gap_s * 1.1 <= late_s <= granted_s - SAME_RENEWAL_S


def test_the_longer_it_is_known_the_sooner_it_is_missed() -> None:
    late_s = [late_after_s(learned([1800.0] * renewals, 3600), 3600) for renewals in (3, 10, 50, 300)]

    assert late_s == sorted(late_s, key=lambda seconds: -(seconds or 0))
    assert late_s[-1] == pytest.approx(1800 * 1.1)
    assert all(late_s)


def test_nothing_is_known_before_two_gaps() -> None:
    assert late_after_s(learned([], 600), 600) is None
    assert late_after_s(learned([100], 600), 600) is None
    assert late_after_s(learned([100, 100], 600), 600) is not None


def test_a_phone_that_renews_just_before_it_expires_is_never_late_but_expired() -> None:
    assert late_after_s(learned([57.0] * 50, 60), 60) is None


def test_a_double_register_changes_nothing_that_was_learned() -> None:
    rhythm = learned([300.0] * 10, 600)

    assert learned([300.0] * 10 + [0.0, 0.5, 4.0], 600) == rhythm


def test_another_expiry_is_another_rhythm() -> None:
    rhythm = learned([300.0] * 10, 600)

    assert rhythm.after(300, old_granted_s=600, granted_s=590) != Rhythm()
    assert rhythm.after(300, old_granted_s=600, granted_s=60) == Rhythm()
    assert rhythm.after(300, old_granted_s=600, granted_s=3600) == Rhythm()


@given(st.lists(st.floats(0, 4000), max_size=30), st.integers(1, 86_400))
def test_late_lies_between_the_renewal_and_the_expiry_whatever_came(
    gaps: list[float], granted_s: int
) -> None:
    rhythm = learned(gaps, granted_s)
    late_s = late_after_s(rhythm, granted_s)

    assert late_s is None or (rhythm.gap_s or 0) + SAME_RENEWAL_S <= late_s + 1e-3
    assert late_s is None or late_s <= granted_s - SAME_RENEWAL_S + 1e-3
