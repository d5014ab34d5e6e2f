"""What a number becomes between a trunk and us. Pure; numbers are text, and a + counts as one sign of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

LONGEST: Final = 64
ANY: Final = "any"
_SEPARATORS: Final = str.maketrans("", "", "-.() ")
_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,32}")
# What needs no escape in a SIP URI (RFC 3261 §25.1) and can be an extension; # is a number's alone.
_USER: Final = re.compile(r"[A-Za-z0-9*+._~!#-]{1,64}")


@dataclass(frozen=True, slots=True)
class Mapped:
    """`strip` signs are taken off the front, then `add` is put there."""

    strip: int = 0
    add: str = ""

    def apply(self, number: str) -> str | None:
        """None where nothing of the number is left."""
        return self.add + number[self.strip :] if len(number) > self.strip else None


@dataclass(frozen=True, slots=True)
class Inbound:
    """`numbers` first (a number as normal() gives it -> extension), then what is in none of them by `rule`."""

    rule: Mapped = field(default_factory=Mapped)
    numbers: Mapping[str, str] = field(default_factory=dict)

    def extension_for(self, user: str) -> str | None:
        """The user part that a Request-URI's user part means; None if it leads nowhere. Carriers write the same number
        with and without its +, so a number of the table is found either way. A name stays as it is."""
        number = normal(user)
        if number is None or not is_number(number):
            return number
        other = number[1:] if number.startswith("+") else f"+{number}"
        return self.numbers.get(number) or self.numbers.get(other) or self.rule.apply(number)


@dataclass(frozen=True, slots=True)
class Outbound:
    """prefixes: what a number that goes out begins with; none: no number goes out, ANY: each does."""

    prefixes: tuple[str, ...] = ()
    rule: Mapped = field(default_factory=Mapped)

    def fit(self, number: str) -> int | None:
        """How long the prefix is that the number begins with; None if it does not go out. `number` as of normal()."""
        if not is_number(number) or self.rule.apply(number) is None:
            return None
        fitting = (0 if prefix == ANY else len(prefix) for prefix in self.prefixes if _begins(number, prefix))
        return max(fitting, default=None)


def normal(user: str) -> str | None:
    """The number or name a user part stands for: unescaped (RFC 3261 §19.1.4), without its parameters, and if it is a
    number without its visual separators (RFC 3966 §5.1.1). None for what no number or name can be."""
    if len(user) > 4 * LONGEST:
        return None
    try:
        text = unquote_to_bytes(user.partition(";")[0]).decode("ascii")
    except UnicodeDecodeError:
        return None
    bare = text.translate(_SEPARATORS)
    if _NUMBER.fullmatch(bare):
        return bare
    return text if _USER.fullmatch(text) else None


def read_lines(text: str) -> list[tuple[str, str]]:
    """Number and extension of each line, split at its last comma, semicolon, tab or = and else at its last space; a
    header of a CSV file and empty lines aside. What is no such line comes out with an empty extension."""
    found = []
    for line in text.splitlines():
        bare = line.replace('"', "").strip()
        cut = max(bare.rfind(sign) for sign in ",;\t=")
        cut = bare.rfind(" ") if cut < 0 else cut
        pair = (bare[:cut].strip(), bare[cut + 1 :].strip()) if cut >= 0 else (bare, "")
        if bare and (pair[0].lower(), pair[1].lower()) != ("number", "extension"):
            found.append(pair)
    return found


def is_number(normal_user: str) -> bool:
    return _NUMBER.fullmatch(normal_user) is not None


def _begins(number: str, prefix: str) -> bool:
    return prefix == ANY or number.startswith(prefix)
