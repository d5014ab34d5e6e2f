"""How words are kept and filled in: templates with named fields, and what may go into them. Pure.

Text from phones only ever fills a field, never is a template; whoever shows it escapes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_LENGTHS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))

Translate = Callable[[str], str]


class Phrase(str):
    """A field's value that is a word of ours, to be translated too; plain text is data."""

    __slots__ = ()


Fields = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Words:
    """short: two to four words for a list row. fix: what to change, and where. action: what the console can do about
    it: "password", "enable", "settings", or "" for nothing. said: when it is said, for the documentation."""

    short: str
    sentence: str
    fix: str
    said: str
    action: str = ""


def filled(template: str, fields: Fields, translate: Translate = str) -> str:
    """The template, translated, with its fields; phrases among them are translated too."""
    values = {
        name: translate(str(value)) if isinstance(value, Phrase) else value for name, value in fields.items()
    }
    return translate(template).format(**values)


def length(seconds: float) -> str:
    """A length of time in the largest unit that says it well: "45 s", "5 min", "1 h", "90 min", "3 d"."""
    for size, unit in _LENGTHS:
        if seconds >= 2 * size or round(seconds) == size:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds)} s"
