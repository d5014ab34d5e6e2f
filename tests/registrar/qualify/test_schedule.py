"""When bindings are probed: spread evenly, each once an interval, by one worker."""

from collections import Counter
from itertools import pairwise
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.registrar.qualify.schedule import LOOKS_BACK_S, Schedule, phase_ms, share

TICK_S = 0.25


def ids(count: int, seed: int = 1) -> list[UUID]:
    chance = Random(seed)
    return [UUID(int=chance.getrandbits(128), version=4) for _ in range(count)]


@pytest.mark.parametrize("start_s", [0.0, 1_790_000_000.123])
@pytest.mark.parametrize(("interval_s", "count"), [(60, 10_000), (20, 10_000), (600, 50_000)])
def test_no_second_has_more_than_twice_the_mean(start_s: float, interval_s: int, count: int) -> None:
    schedule = Schedule({interval_s: ids(count)})
    ticks = [start_s + tick * TICK_S for tick in range(interval_s * 4 + 1)]
    sent = [len(schedule.due(since, until)) for since, until in pairwise(ticks)]
    assert sum(sent) == count
    assert max(sum(sent[tick : tick + 4]) for tick in range(len(sent) - 3)) < 2 * count / interval_s


def test_after_an_outage_nothing_is_made_up_for() -> None:
    schedule = Schedule({60: ids(10_000)})
    assert len(schedule.due(0, 3600)) < 2 * 10_000 / 60 * LOOKS_BACK_S


def test_a_clock_that_goes_back_makes_no_turns() -> None:
    assert Schedule({60: ids(1_000)}).due(100.0, 99.0) == []


@given(
    intervals=st.dictionaries(st.integers(2, 3600), st.integers(0, 20), max_size=4),
    steps=st.lists(st.floats(0.01, LOOKS_BACK_S), min_size=1, max_size=300),
    start_s=st.floats(0, 2e9),
)
def test_each_is_due_once_an_interval_however_the_ticks_fall(
    intervals: dict[int, int], steps: list[float], start_s: float
) -> None:
    known = {interval_s: ids(count, interval_s) for interval_s, count in intervals.items()}
    schedule, turns, now_s = Schedule(known), Counter[UUID](), start_s
    for step in steps:
        turns.update(schedule.due(now_s, now_s + step))
        now_s += step
    for interval_s, members in known.items():
        rounds = (int(now_s * 1000) - int(start_s * 1000)) / (interval_s * 1000)
        assert all(abs(turns[one] - rounds) < 1 for one in members)


@given(st.uuids(), st.integers(2000, 3_600_000))
def test_the_moment_lies_within_the_interval(binding_id: UUID, period_ms: int) -> None:
    assert 0 <= phase_ms(binding_id, period_ms) < period_ms


@given(st.lists(st.uuids(), unique=True), st.sets(st.text(), min_size=1, max_size=8))
def test_each_binding_has_one_worker(binding_ids: list[UUID], workers: set[str]) -> None:
    shares = [share(binding_ids, [*workers], worker) for worker in workers]
    assert sorted(one for part in shares for one in part) == sorted(binding_ids)


def test_workers_share_evenly_and_one_that_does_not_beat_yet_counts_itself() -> None:
    everybody = ids(10_000)
    assert 4_800 < len(share(everybody, ["a", "b"], "a")) < 5_200
    assert share(everybody, ["a"], "b") == share(everybody, ["a", "b"], "b")
