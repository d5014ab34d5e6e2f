"""What a scenario has to say: sentences, tables, and the figures behind them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.tables import markdown


@dataclass(frozen=True, slots=True)
class Report:
    """`sentences` come first, for a reader in a hurry. `figures` are the raw ones, to be kept as JSON."""

    title: str
    sentences: Sequence[str]
    head: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    figures: dict[str, Any] = field(default_factory=dict)

    def as_markdown(self) -> str:
        lines = [f"### {self.title}", "", *(f"- {sentence}" for sentence in self.sentences)]
        return "\n".join([*lines, "", markdown(self.head, self.rows), ""] if self.head else [*lines, ""])
