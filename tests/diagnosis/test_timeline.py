"""Bands of a timeline: what the ledger and the live contacts say, and nothing else."""

import datetime as dt
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from apps.diagnosis.timeline import Band, BandState, LiveBinding, Moment, bands
from apps.registrar.outcomes import EventKind

START = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
NOW = START + dt.timedelta(hours=24)
DESK, SOFT = UUID(int=1), UUID(int=2)


def at(hours: float) -> dt.datetime:
    return START + dt.timedelta(hours=hours)


def moment(event: str, hours: float, until: float | None = None, binding: UUID = DESK) -> Moment:
    return Moment(event, event, at(hours), at(hours if until is None else until), binding)


def states(found: list[Band]) -> list[tuple[str, float, float]]:
    hour = dt.timedelta(hours=1)
    return [(band.state.value, (band.start - START) / hour, (band.end - START) / hour) for band in found]


def test_nothing_known_is_offline_all_along() -> None:
    assert states(bands([], [], START, NOW)) == [("offline", 0, 24)]


def test_a_contact_is_online_from_its_registration_to_its_end() -> None:
    found = bands([moment("registered", 3), moment("expired", 9)], [], START, NOW)
    assert states(found) == [("offline", 0, 3), ("online", 3, 9), ("offline", 9, 24)]


def test_what_ended_without_beginning_here_began_before() -> None:
    assert states(bands([moment("unregistered", 9)], [], START, NOW)) == [
        ("online", 0, 9),
        ("offline", 9, 24),
    ]


def test_a_live_contact_without_any_event_is_online_since_before() -> None:
    live = LiveBinding(DESK, at(-50))
    assert states(bands([], [live], START, NOW)) == [("online", 0, 24)]


def test_a_late_renewal_is_a_late_band() -> None:
    found = bands([moment("late", 5, 6)], [LiveBinding(DESK, at(-1))], START, NOW)
    assert states(found) == [("online", 0, 5), ("late", 5, 6), ("online", 6, 24)]


def test_one_that_is_late_now_is_late_to_the_end() -> None:
    found = bands([], [LiveBinding(DESK, at(-1), late_at=at(23))], START, NOW)
    assert states(found) == [("online", 0, 23), ("late", 23, 24)]


def test_lost_and_regained_probes_bound_an_unreachable_band() -> None:
    moments = [moment("unreachable", 2), moment("reachable", 4), moment("unreachable", 20)]
    live = LiveBinding(DESK, at(-1), unreachable_since=at(20))
    assert states(bands(moments, [live], START, NOW)) == [
        ("online", 0, 2),
        ("unreachable", 2, 4),
        ("online", 4, 20),
        ("unreachable", 20, 24),
    ]


def test_another_contact_that_is_well_makes_it_online() -> None:
    moments = [moment("unreachable", 2), moment("registered", 10, binding=SOFT)]
    live = [LiveBinding(DESK, at(-1), unreachable_since=at(2)), LiveBinding(SOFT, at(10))]
    assert states(bands(moments, live, START, NOW)) == [
        ("online", 0, 2),
        ("unreachable", 2, 10),
        ("online", 10, 24),
    ]


MOMENTS = st.builds(
    Moment,
    event=st.sampled_from([kind.value for kind in EventKind]),
    reason=st.just("any"),
    at=st.floats(-3, 24).map(at),
    last_at=st.floats(0, 24).map(at),
    binding_id=st.sampled_from([DESK, SOFT, None]),
)


@given(
    st.lists(MOMENTS, max_size=12),
    st.lists(st.builds(LiveBinding, st.sampled_from([DESK, SOFT]), st.floats(-9, 24).map(at)), max_size=2),
)
def test_bands_cover_the_time_without_gap_or_overlap(moments: list[Moment], live: list[LiveBinding]) -> None:
    found = bands(moments, live, START, NOW)
    assert found[0].start == START
    assert found[-1].end == NOW
    for before, after in pairwise(found):
        assert before.end == after.start
        assert before.start < before.end
        assert before.state is not after.state
    assert all(isinstance(band.state, BandState) for band in found)
