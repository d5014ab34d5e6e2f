"""Pure parts: times in words, phone models, the sparkline."""

import datetime as dt

import pytest

from apps.console.phone_models import phone_model
from apps.console.sparkline import sparkline
from apps.console.words import countdown, day, elapsed, moment

NOW = dt.datetime(2026, 11, 23, 10, 4, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (86_400, "1 d"),
        (187_200, "2 d 4 h"),
    ],
)
def test_elapsed_names_the_two_largest_units(seconds: int, words: str) -> None:
    assert elapsed(dt.timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0:00"), (42, "0:42"), (252, "4:12"), (3723, "1:02:03"), (90_000, "1 d 1 h")]
)
def test_countdown_looks_like_a_clock(seconds: int, words: str) -> None:
    assert countdown(dt.timedelta(seconds=seconds)) == words


def test_a_moment_is_as_near_as_needed() -> None:
    assert moment(NOW, NOW) == "10:04"
    assert moment(NOW - dt.timedelta(days=2), NOW) == "21 Nov 10:04"
    assert day(NOW - dt.timedelta(days=2), NOW) == "21 Nov"
    assert day(NOW - dt.timedelta(days=400), NOW) == "19 Oct 2025"


@pytest.mark.parametrize(
    ("user_agent", "model"),
    [
        ("Yealink SIP-T46S 66.86.0.15", "Yealink T46S"),
        ("Grandstream GXP2170 1.0.11.79", "Grandstream GXP2170"),
        ("snomD785/10.1.175.16", "snom D785"),
        ("PolycomVVX-VVX_450-UA/6.4.3", "Polycom VVX 450"),
        ("Cisco-CP-8845-3PCC/12.0.4", "Cisco 8845"),
        ("Cisco/SPA504G-7.6.2", "Cisco SPA504G"),
        ("Fanvil X5U 2.12.1", "Fanvil X5U"),
        ("LinphoneAndroid/5.2.5 (Pixel 8)", "Linphone Android"),
        ("Z 5.6.5 v2.10.20.4", "Zoiper"),
        ("MicroSIP/3.21.5", "MicroSIP"),
        ("baresip v3.6.0 (x86_64/Linux)", "baresip"),
        ("PJSUA v2.14 Linux-6.1", "PJSUA"),
        ("Asterisk PBX 20.9.2", "Asterisk"),
        ("SomeNewPhone/1.2", "SomeNewPhone"),
        ("", ""),
    ],
)
def test_phone_models(user_agent: str, model: str) -> None:
    assert phone_model(user_agent) == model


def test_a_hostile_user_agent_stays_short() -> None:
    assert len(phone_model("x" * 10_000)) <= 40
    assert len(phone_model("Yealink " + "x" * 10_000)) <= 40


def test_the_sparkline_is_scaled_from_zero() -> None:
    drawn = sparkline([0, 5, 10])
    assert drawn.line == "M0 40.0V40.0H96V21.5H192V3.0H288"
    assert (drawn.least, drawn.most, drawn.latest) == (0, 10, 10)
    assert sparkline([]).most == 0
    assert sparkline([0, 0]).line == "M0 40.0V40.0H144V40.0H288"
