"""The granted expiry is spread downward, each phone at its own place; waves flatten."""

import datetime as dt
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.registrar.expiry import SURGE_S, WOBBLE_S, Surge, spread_s
from apps.registrar.outcomes import EventKind
from tests.registrar.registrations import ACCOUNT, PHONE, Record, status

PHONES = 100_000


def granted_of(phone: int, turn: int = 1, granted_s: int = 3600, least_s: int = 60, percent: int = 10) -> int:
    place = f"sip:{100_000 + phone}@example.com sip:{100_000 + phone}@10.0.{phone >> 8}.{phone & 255}:5060"
    return spread_s(granted_s, least_s, percent, place=place, request=f"call-{phone}@phone {turn}")


def surge() -> Surge:
    """One that has just begun."""
    begun = Surge()
    begun.feel(7.0, pressed=True)
    return begun


def granted_s(record: Record) -> int:
    (binding,) = record.bindings
    return binding.expires_s(record.now)


@given(
    st.integers(0, 604_800), st.integers(1, 604_800), st.integers(0, 50), st.text(max_size=9), st.integers()
)
def test_it_is_never_more_than_granted_nor_less_than_the_least_or_the_spread(
    asked_s: int, least_s: int, percent: int, place: str, turn: int
) -> None:
    given_s = spread_s(asked_s, least_s, percent, place=place, request=str(turn))

    assert given_s <= asked_s
    assert given_s >= min(asked_s, max(least_s, asked_s * (100 - percent) / 100))


def test_it_is_drawn_evenly_from_the_whole_spread() -> None:
    drawn = Counter(granted_of(phone) // 36 for phone in range(PHONES))

    assert min(drawn) == 90
    assert max(drawn) == 100
    tenths = [drawn[tenth] for tenth in range(91, 99)]
    assert min(tenths) > 0.9 * PHONES / 10
    assert max(tenths) < 1.1 * PHONES / 10


def test_from_renewal_to_renewal_a_phone_is_granted_the_same_within_seconds() -> None:
    for phone in range(100):
        turns = [granted_of(phone, turn) for turn in range(50)]
        assert max(turns) - min(turns) <= WOBBLE_S
        assert len(set(turns)) > 1


def test_the_wave_of_100_000_phones_registering_at_once_is_flat_after_a_few_cycles() -> None:
    cycle_s, bin_s, cycles = 150, 5, 7
    arrived: Counter[int] = Counter()
    chance = Random(1)
    for phone in range(PHONES):
        at_s, turn = 0.0, 1
        while at_s < cycles * cycle_s:
            arrived[int(at_s) // bin_s] += 1
            # The network's and the phone's own tenth of a second.
            at_s += granted_of(phone, turn, 300) / 2 + chance.random() / 10
            turn += 1

    bins = cycle_s // bin_s
    last = [arrived[(cycles - 1) * bins + number] for number in range(bins)]
    assert max(last) <= 2 * sum(last) / bins
    assert arrived[0] == PHONES


def test_the_minimum_is_granted_to_who_asks_for_it() -> None:
    record = Record().where(expires_spread_percent=50)

    record.register(f"{PHONE};expires=60")

    assert granted_s(record) == 60


def test_a_devices_own_minimum_bounds_the_spread() -> None:
    record = Record(account=replace(ACCOUNT, min_expires_s=3590)).where(expires_spread_percent=50)

    record.register(PHONE)

    assert 3590 <= granted_s(record) <= 3600


def test_without_a_spread_the_phone_gets_what_it_asked() -> None:
    record = Record().where(expires_spread_percent=0)

    record.register(f"{PHONE};expires=1234")

    assert granted_s(record) == 1234


def test_c69_a_repeated_cseq_is_granted_the_same() -> None:
    record = Record().where(expires_spread_percent=50)
    record.register(PHONE, cseq=7)
    first_s = granted_s(record)
    record.now += dt.timedelta(seconds=1)

    assert status(record.register(PHONE, cseq=7)) == 200
    assert granted_s(record) == first_s


def test_a_renewal_at_once_is_not_called_shortened_by_the_spread() -> None:
    record = Record().where(expires_spread_percent=50)

    events = [event for _ in range(100) for event in record.register(PHONE).events]

    assert [event.event for event in events] == [EventKind.REGISTERED]


def test_a_pressed_worker_spreads_wider_and_calls_nobody_shortened() -> None:
    calm = Record().where(expires_spread_percent=10)
    pressed = replace(calm, facts={"spread": surge().spread})
    granted = []
    for phone in range(200):
        contact = f"<sip:1001@10.0.0.1:{5000 + phone}>;expires=3600"
        assert calm.register(contact).events
        pressed.bindings = calm.bindings
        events = pressed.register(contact, cseq=calm.cseq + 1).events
        granted.append(granted_s(pressed))
        assert events == ()
        calm.bindings = ()

    assert 2160 <= min(granted) < 2300
    assert 3500 < max(granted) <= 3600


def test_a_surge_lasts_until_all_have_tried_again() -> None:
    begun = surge()
    assert (begun.spread(0), begun.spread(10), begun.spread(50)) == (0, 40, 50)
    begun.feel(6.9 + SURGE_S, pressed=False)
    assert begun.spread(10) == 40
    begun.feel(7.0 + SURGE_S, pressed=False)
    assert begun.spread(10) == 10
    begun.feel(8.0 + SURGE_S, pressed=True)
    assert begun.spread(10) == 40


def test_a_renewal_for_less_than_the_spread_leaves_is_shortened_by_a_pressed_worker_too() -> None:
    record = Record(facts={"spread": surge().spread}).where(expires_spread_percent=10)
    record.register(f"{PHONE};expires=3600")

    (event,) = record.register(f"{PHONE};expires=600").events

    assert event.event is EventKind.SHORTENED


def test_who_wants_no_spread_has_none_of_a_pressed_worker() -> None:
    record = Record(facts={"spread": surge().spread}).where(expires_spread_percent=0)
    record.register(f"{PHONE};expires=3600")

    assert granted_s(record) == 3600


def test_a_sign_off_is_not_spread() -> None:
    record = Record().where(expires_spread_percent=50)
    record.register(PHONE)

    assert status(record.register(f"{PHONE};expires=0")) == 200
    assert record.bindings == ()


def test_the_rhythm_of_a_phone_is_learned_all_the_same() -> None:
    record = Record().where(expires_spread_percent=50)
    gap_s = 0.0
    for _ in range(6):
        record.now += dt.timedelta(seconds=gap_s)
        record.register(PHONE)
        gap_s = granted_s(record) / 2

    (binding,) = record.bindings
    assert binding.late_at is not None
    assert binding.renewal_gap_s == pytest.approx(gap_s, abs=WOBBLE_S)
