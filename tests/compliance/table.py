"""docs/compliance.md, made from the sentences and the tests found by their names.

`python -m tests.compliance.table` rewrites the file; test_table.py compares.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.compliance.sentences import SENTENCES

TESTS: Final = Path(__file__).resolve().parents[1]
FILE: Final = TESTS.parent / "docs" / "compliance.md"

_NUMBER: Final = re.compile(r"(?:^|_)c(\d{2,3})(?=_|$)")
_SENTENCE: Final = re.compile(r"C(\d{2,3}) ([MSN]) ((?:RFC \d+(?: §[\d.]+)?)|§[\d.]+) (.+)")
_HEAD: Final = """# Compliance

Made by `python -m tests.compliance.table`; a test keeps it true. What the registrar is held to, and the tests that show
it: `pytest -k c61` runs those of sentence C61. M is must, S should, N nice to have; § alone is a section of RFC 3261.
The torture messages of RFC 4475 and RFC 5118, with the right answer and the reason for each, are in
[tests/torture/table.py](../tests/torture/table.py).

| number | | from | what must hold | tests | state |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True, slots=True)
class Sentence:
    number: int
    weight: str
    source: str
    text: str


def sentences() -> list[Sentence]:
    found = []
    for line in SENTENCES.splitlines():
        match = _SENTENCE.fullmatch(line)
        assert match is not None, line
        number, weight, source, text = match.groups()
        found.append(Sentence(int(number), weight, source, text))
    return found


def by_number() -> dict[int, list[tuple[str, str]]]:
    """{sentence: [(file, test name)]}, read from the source: nothing is imported or run."""
    found: dict[int, list[tuple[str, str]]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for name in _test_names(path):
            for number in _NUMBER.findall(name):
                found.setdefault(int(number), []).append((path.relative_to(TESTS.parent).as_posix(), name))
    return found


def _test_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
            yield node.name


def table() -> str:
    found = by_number()
    rows = [_row(sentence, found.get(sentence.number, [])) for sentence in sentences()]
    built = sum(1 for sentence in sentences() if sentence.number in found)
    return f"{_HEAD}{''.join(rows)}\n{built} of {len(rows)} built.\n"


def _row(sentence: Sentence, tests: list[tuple[str, str]]) -> str:
    links = ", ".join(f"[{name}](../{path})" for path, name in sorted(tests, key=lambda test: test[1]))
    state = "built" if tests else "not yet"
    number = f"C{sentence.number:02}"
    return f"| {number} | {sentence.weight} | {sentence.source} | {sentence.text} | {links} | {state} |\n"


if __name__ == "__main__":
    FILE.write_text(table())
