"""Pieces of header field values: comma lists, ;name=value parameters, quoted strings (RFC 3261 §7.3.1,
§25.1).

Everything here is linear in the length of its input: every quantifier is possessive and an unbalanced quote
or bracket ends the work. Must not know what any particular header means.
"""

from __future__ import annotations

import re
from typing import Final

TOKEN: Final = r"[A-Za-z0-9\-.!%*_+`'~]++"  # noqa: S105 - a grammar rule
QUOTED: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*"'

Params = tuple[tuple[str, str | None], ...]

_TOKEN: Final = re.compile(TOKEN)
_PARAM_BODY: Final = rf"[ \t]*+({TOKEN})[ \t]*+(?:=[ \t]*+({QUOTED}|[^\s;,\"]++)[ \t]*+)?"
LENIENT_PARAM: Final = re.compile(r"[ \t]*+;[ \t;]*+" + _PARAM_BODY)
# For findall: one call into C reads all parameters; the last group catches whatever is none.
_STRICT_PARAMS: Final = re.compile(r"[ \t]*+;" + _PARAM_BODY + "|(.++)", re.DOTALL)
_LENIENT_PARAMS: Final = re.compile(LENIENT_PARAM.pattern + "|(.++)", re.DOTALL)
_ELEMENT: Final = re.compile(rf"(?:{QUOTED}|<[^>]*+>|[^,\"<]++)*(,|$)")
# Far above anything a phone sends; they bound the work one 8 kB line can ask for.
MAX_ELEMENTS: Final = 64
MAX_PARAMS: Final = 32


class FieldError(ValueError):
    """A header field value that breaks its grammar."""


def is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def is_digits(text: str) -> bool:
    """ASCII digits only: str.isdigit alone accepts other scripts, int() accepts signs and underscores."""
    return text.isascii() and text.isdigit()


def bounded_int(digits: str, ceiling: int) -> int:
    """The number, at most ``ceiling``; digit strings of any length are safe (int() refuses 4,301 digits)."""
    significant = digits.lstrip("0")
    if len(significant) > len(str(ceiling)):
        return ceiling
    return min(int(significant or "0"), ceiling)


def split_list(value: str) -> list[str]:
    """The elements of a comma list, stripped. Commas inside "..." and <...> separate nothing.

    Raises FieldError on an unbalanced quote or bracket, or more than MAX_ELEMENTS.
    """
    if "," not in value:
        return [value.strip(" \t")]
    elements: list[str] = []
    position, comma = 0, ","
    while comma:
        match = _ELEMENT.match(value, position)
        if match is None or len(elements) == MAX_ELEMENTS:
            raise FieldError("unbalanced" if match is None else "too many elements")
        comma = match.group(1)
        elements.append(value[position : match.start(1)].strip(" \t"))
        position = match.end()
    return elements


def parse_params(text: str, *, lenient: bool = False) -> Params:
    """``;a=1;b`` as (("a", "1"), ("b", None)). Names in lower case, quotes taken off, escapes left as sent.

    One semicolon at the very end is forgiven; ``lenient`` forgives empty parameters everywhere.
    Raises FieldError if anything else remains, or for more than MAX_PARAMS.
    """
    found = (_LENIENT_PARAMS if lenient else _STRICT_PARAMS).findall(text)
    if found and found[-1][2]:
        _require_only_separators(found.pop()[2], lenient)
    if len(found) > MAX_PARAMS:
        raise FieldError("too many parameters")
    return tuple([(name.lower(), unquoted(value) or None) for name, value, _ in found])


def unquoted(value: str) -> str:
    """The text between the quotes of a quoted string, escapes left as sent; other text as it is."""
    return value[1:-1] if value[:1] == '"' else value


def find_param(params: Params, name: str) -> str | None:
    """The value of the first parameter of that (lower case) name; "" if it has none, None if it is absent."""
    for candidate, value in params:
        if candidate == name:
            return value or ""
    return None


def _require_only_separators(rest: str, lenient: bool) -> None:
    if rest.strip("; \t") or (rest.count(";") > 1 and not lenient):
        raise FieldError("parameters")
