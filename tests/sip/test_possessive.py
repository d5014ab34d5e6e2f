"""Python 3.11 before 3.11.5, Debian 12's among them, does not restore what a possessive group had matched (gh-106052):
`(?:user@)?+host` then misses a bare host. Possessive single characters are right in every version."""

import re

import pytest

from registrar_admin.config import PROJECT_DIR

POSSESSIVE_GROUP = re.compile(r"\)(?:[?*+]|\{[0-9,]+\})\+")
SOURCES = sorted(
    path for folder in ("apps", "registrar_admin") for path in (PROJECT_DIR / folder).rglob("*.py")
)


@pytest.mark.parametrize(
    ("pattern", "found"), [(r"(?:a+b)?+c", True), (r"(a)*+", True), (r"[ab]*+(c)?", False)]
)
def test_possessive_groups_are_told_from_possessive_characters(pattern: str, found: bool) -> None:
    assert bool(POSSESSIVE_GROUP.search(pattern)) is found


def test_no_pattern_has_a_possessive_group() -> None:
    assert len(SOURCES) > 100
    assert [path.name for path in SOURCES if POSSESSIVE_GROUP.search(path.read_text())] == []
