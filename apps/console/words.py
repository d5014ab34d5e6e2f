"""Lengths of time as people read them. static/js/ticking.js says the same words as time goes by.

Pure: the time is an argument.
"""

import datetime as dt
from typing import Final

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400


def elapsed(length: dt.timedelta) -> str:
    """The two largest units: "42 s", "5 min", "3 h 20 min", "2 d 4 h". Never negative."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    if seconds < DAY:
        return _two(seconds // HOUR, "h", seconds % HOUR // MINUTE, "min")
    return _two(seconds // DAY, "d", seconds % DAY // HOUR, "h")


def countdown(length: dt.timedelta) -> str:
    """What is left on a clock: "0:42", "4:12", "1:02:03"; from a day on as elapsed(). Never negative."""
    seconds = max(0, int(length.total_seconds()))
    if seconds >= DAY:
        return elapsed(length)
    hours, rest = divmod(seconds, HOUR)
    minutes, seconds = divmod(rest, MINUTE)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def moment(at: dt.datetime, now: dt.datetime) -> str:
    """A point in time as near as needed: "10:04" today, "21 Nov 10:04" this year, else with the year. UTC."""
    at, now = at.astimezone(dt.UTC), now.astimezone(dt.UTC)
    if at.date() == now.date():
        return f"{at:%H:%M}"
    year = "" if at.year == now.year else f" {at.year}"
    return f"{at.day} {at:%b}{year} {at:%H:%M}"


def day(at: dt.datetime, now: dt.datetime) -> str:
    """As moment(), but before today the date alone is near enough: "10:04", "19 Nov", "19 Nov 2025". UTC."""
    at, now = at.astimezone(dt.UTC), now.astimezone(dt.UTC)
    if at.date() == now.date():
        return f"{at:%H:%M}"
    return f"{at.day} {at:%b}" if at.year == now.year else f"{at.day} {at:%b} {at.year}"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"
