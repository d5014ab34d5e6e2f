"""A page of docs/ made from sentences and from the tests found by their names (test_c12_..., test_p07_...)."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parents[1]
DOCS: Final = TESTS.parent / "docs"

_ROWS_HEAD: Final = (
    "| number | | from | what must hold | tests | state |\n| --- | --- | --- | --- | --- | --- |\n"
)


@dataclass(frozen=True, slots=True)
class Sentence:
    number: int
    weight: str
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class SentenceTable:
    """letter: of the sentences ("C"), small in test names. lines: one sentence each. head: what stands above the table.
    under: where their tests are."""

    letter: str
    lines: str
    head: str
    under: Path = TESTS

    def sentences(self) -> list[Sentence]:
        form = re.compile(rf"{self.letter}(\d{{2,3}}) ([MSN]) ((?:RFC \d+(?: §[\d.]+)?)|§[\d.]+) (.+)")
        found = []
        for line in self.lines.splitlines():
            match = form.fullmatch(line)
            assert match is not None, line
            number, weight, source, text = match.groups()
            found.append(Sentence(int(number), weight, source, text))
        return found

    def by_number(self) -> dict[int, list[tuple[str, str]]]:
        """{sentence: [(file, test name)]}, read from the source: nothing is imported or run."""
        form = re.compile(rf"(?:^|_){self.letter.lower()}(\d{{2,3}})(?=_|$)")
        found: dict[int, list[tuple[str, str]]] = {}
        for path in sorted(self.under.rglob("test_*.py")):
            for name in _test_names(path):
                for number in form.findall(name):
                    found.setdefault(int(number), []).append(
                        (path.relative_to(TESTS.parent).as_posix(), name)
                    )
        return found

    def page(self) -> str:
        found, sentences = self.by_number(), self.sentences()
        rows = [self._row(sentence, found.get(sentence.number, [])) for sentence in sentences]
        built = sum(1 for sentence in sentences if sentence.number in found)
        return f"{self.head}{_ROWS_HEAD}{''.join(rows)}\n{built} of {len(rows)} built.\n"

    def _row(self, sentence: Sentence, tests: Iterable[tuple[str, str]]) -> str:
        links = ", ".join(f"[{name}](../{path})" for path, name in sorted(tests, key=lambda test: test[1]))
        number = f"{self.letter}{sentence.number:02}"
        state = "built" if links else "not yet"
        return f"| {number} | {sentence.weight} | {sentence.source} | {sentence.text} | {links} | {state} |\n"


def _test_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
            yield node.name
