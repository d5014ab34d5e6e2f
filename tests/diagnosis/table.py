"""docs/diagnosis.md, made from the words and from what explain() says of an example of each.

`python -m tests.diagnosis.table` rewrites the file; test_table.py compares.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from apps.diagnosis.explain import explain
from apps.diagnosis.facts import Evidence, Finding
from apps.diagnosis.words import SENTENCE_OF_VARIANT, WORDS
from apps.registrar.outcomes import REFUSALS, EndReason
from tests.diagnosis.phones import offline, refusal, with_attempts
from tests.diagnosis.situations import SITUATIONS

FILE: Final = Path(__file__).resolve().parents[2] / "docs" / "diagnosis.md"

_HEAD: Final = """# Why does this phone not ring?

Made by `python -m tests.diagnosis.table`; a test keeps it true. Every answer to that question, in the words of
`apps/diagnosis/words.py`. The examples are a desk phone 1001 at 203.0.113.7 on 23 Nov at noon. Each line of evidence
has its time and, where something happened more often, the last time and a count.

## In which order

Several findings may hold; the worst stands first: calls fail (*broken*), calls may fail soon or sometimes
(*attention*), `fine`, then notes. Within that:

1. What came before the latest success is history, except another device of the same SIP peer that keeps being refused.
2. What we ourselves switched off explains everything: disabled, blocked.
3. A whole silent site comes before one silent phone; a phone that is still heard is not silent.
4. Then what the phone was told last (refused, challenged), who nearly had its name, and whether calls reach it.
5. Then lateness, shared accounts, changing addresses and places. How it ended is said only where no cause is known.

An attempt with a wrong password, or none, from an address and a user agent this peer never had, is somebody else's: it
never explains a phone that is gone, and is only a note beside one that is online. Who tried more than three names is
guessing, not mistyping. A contact that a restarted phone left behind (same host, same user agent, registered again
since) is not judged.

## The findings
"""
_BESIDE: Final = """
## Said of somebody else

Any refusal may be another device's, or a stranger's; then its short words and what to do stay, and the sentence is:
"""


def document() -> str:
    return "\n".join(
        [_HEAD, *(_section(key, finding) for key, finding in _examples()), _BESIDE, *_variants(), ""]
    )


def _examples() -> Iterator[tuple[str, Finding]]:
    """An example of each, in the order of the words."""
    found: dict[str, Finding] = {}
    given = [one.facts for one in SITUATIONS]
    given += [with_attempts(offline(), refusal(reason)) for reason in (*REFUSALS, "other reason")]
    given += [offline(reason=reason) for reason in EndReason]
    for one in given:
        for finding in explain(one):
            variant = finding.details["variant"]
            found.setdefault(f"{finding.code}:{variant}" if variant else finding.code, finding)
    return ((key, found[key]) for key in WORDS)


def _section(key: str, finding: Finding) -> str:
    words = WORDS[key]
    code, _, variant = key.partition(":")
    return "\n".join(
        [
            f"### `{code}`{f', {variant}' if variant else ''}: {words.short}",
            "",
            f"*When:* {words.said} *{finding.severity.capitalize()}, {finding.certainty}.*",
            "",
            f"> {finding.sentence}",
            "",
            *(f"- {_line(line)}" for line in finding.evidence),
            "",
            f"*What to do:* {finding.fix}",
            "",
        ]
    )


def _line(line: Evidence) -> str:
    when = f"{line.at:%d %b %H:%M}"
    often = f" (× {line.count}, last {line.last_at:%H:%M})" if line.count > 1 and line.last_at else ""
    return f"{when}: {line.text}{often}"


def _variants() -> Iterator[str]:
    for variant, sentence in SENTENCE_OF_VARIANT.items():
        said = sentence.format(address="198.51.100.9:5060", reason="wrong password")
        yield f"- `{variant}`: {said}"


if __name__ == "__main__":
    FILE.write_text(document())
