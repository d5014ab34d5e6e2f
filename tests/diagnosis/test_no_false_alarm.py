"""A thousand phone-hours with jitter, losses and restarts: "fine" every minute. And phones that stop are told soon."""

from random import Random
from typing import Final

import pytest

from apps.diagnosis.explain import explain
from apps.diagnosis.facts import Severity
from tests.diagnosis.floor import MINUTE_S, Habit, Phone, exchange, site_facts

PHONES: Final = 50
HOURS: Final = 20
SITES: Final = 4
# Each five phones ask for the same, with five habits.
GRANTED_S: Final = (60, 300, 300, 600, 600, 600, 3600, 3600, 3600, 3600)


def _habit(number: int) -> Habit:
    granted_s = GRANTED_S[number // 5 % len(GRANTED_S)]
    return (
        Habit("Yealink SIP-T46S", granted_s, 0.48, 0.52),
        Habit("snom D785", granted_s, 0.88, 0.92, new_contact=True),
        Habit("Grandstream HT802", granted_s, 0.0, 0.0, before_end_s=5.0),
        Habit("Linphone/5.2", granted_s, 0.5, 0.9),
        Habit("PolyVVX/6.4", granted_s, 0.70, 0.80),
    )[number % 5]


def _floor(phones: int, seed: int) -> list[Phone]:
    return [
        Phone(
            _habit(number),
            Random(seed * 1000 + number),
            (f"203.0.113.{number % SITES + 1}", 20_000 + number),
            qualified=number % 10 != 9,
            rotates_at_s=number * 900.0 if number % 7 == 0 else None,
        )
        for number in range(phones)
    ]


def test_a_thousand_phone_hours_of_healthy_phones_are_fine_every_minute() -> None:
    floor, asked, alarms = _floor(PHONES, seed=1), 0, []
    for minute in range(1, HOURS * 60 + 1):
        at_s = minute * MINUTE_S
        for phone in floor:
            phone.run(at_s)
        sites = site_facts(floor, at_s)
        for phone in floor:
            if phone.is_settled(at_s):
                asked += 1
                finding = explain(phone.facts(at_s, sites[phone.public[0]]))[0]
                if finding.code != "fine":
                    alarms.append((minute, phone.habit, finding))

    assert alarms == []
    assert asked > 0.99 * PHONES * HOURS * 60


@pytest.mark.parametrize("number", range(0, 40, 3))
def test_a_phone_that_stops_is_told_within_its_renewal_gap(number: int) -> None:
    """Or, where that is longer, within what two lost probes take. Without probes its expiry is the last word."""
    phone = _floor(number + 1, seed=2)[number]
    phone.restarts_s = float("inf")
    stopped_minute = 240 + number
    phone.stops_s = stopped_minute * MINUTE_S
    told = 0
    for minute in range(1, stopped_minute + 70):
        phone.run(minute * MINUTE_S)
        finding = explain(phone.facts(minute * MINUTE_S, None))[0]
        if minute <= stopped_minute:
            told = 0 if finding.code == "fine" else minute
        elif finding.severity in (Severity.BROKEN, Severity.ATTENTION) and not told:
            told = minute

    granted_s = phone.habit.granted_s
    within_s = max(min(granted_s, 3 * MINUTE_S), MINUTE_S) if phone.qualified else granted_s
    assert stopped_minute < told <= stopped_minute + within_s / MINUTE_S


def test_a_site_that_goes_dark_is_one_answer_for_all_its_phones() -> None:
    floor = _floor(PHONES, seed=3)
    dark = [phone for phone in floor if phone.public[0] == "203.0.113.1"]
    for phone in dark:
        phone.stops_s = 3 * 3600.0
    for minute in range(1, 5 * 60):
        for phone in floor:
            phone.run(minute * MINUTE_S)
    at_s = 5 * 3600.0
    sites = site_facts(floor, at_s)

    given = {explain(phone.facts(at_s, sites[phone.public[0]]))[0].code for phone in dark}

    assert given == {"site_down"}


def test_losses_are_as_said() -> None:
    """The simulation loses what it says: 2 % of first sendings go without an answer."""
    chance = Random(4)
    answers = [exchange(chance)[1] for _ in range(20_000)]

    repeated = sum(answer is None or answer > 0.1 for answer in answers)
    assert 300 < repeated < 500
