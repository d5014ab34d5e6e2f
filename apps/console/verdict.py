"""The verdict of an extension as its page says it: the finding that answers, the others, and where to do something.

Must not judge: that is apps.diagnosis.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.urls import reverse

from apps.diagnosis.facts import Finding, Severity
from apps.diagnosis.selectors import Said, diagnoses_of_extension, said_together
from apps.diagnosis.words import WORDS
from apps.extensions.models import Extension, Peer

# What peer_state.py says of rows, and a verdict only after a closer look.
ROW_WORDS: Final = {code: words.short for code, words in WORDS.items()} | {
    "address_changing": "address keeps changing",
    "not_our_domain": WORDS["wrong_domain"].short,
}
CERTAINTY_WORDS: Final = {"certain": "", "likely": "Most likely", "possible": "Possibly"}


@dataclass(frozen=True, slots=True)
class Action:
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Line:
    """A finding on the page. `peer` where several devices have to be told apart."""

    finding: Finding
    peer: Peer | None
    action: Action | None

    @property
    def certainty_words(self) -> str:
        return CERTAINTY_WORDS[self.finding.certainty]


@dataclass(frozen=True, slots=True)
class Verdict:
    first: Line
    others: Sequence[Line]


def verdict_of(extension: Extension) -> Verdict | None:
    """None without a device. Other devices that are fine too go without saying."""
    found = diagnoses_of_extension(extension)
    said = said_together(found)
    if not said:
        return None
    lines = [_line(one, several=len(found) > 1) for one in said]
    others = [line for line in lines[1:] if line.finding.severity is not Severity.FINE]
    return Verdict(lines[0], others)


def row_words(code: str) -> str:
    """Two to four words for a row."""
    return ROW_WORDS.get(code, code.replace("_", " "))


def _line(said: Said, *, several: bool) -> Line:
    return Line(said.finding, said.peer if several else None, _action(said))


def _action(said: Said) -> Action | None:
    peer = said.peer
    match said.finding.action:
        case "password":
            return Action("New password", reverse("console:device_rotate", args=[peer.pk]))
        case "settings" if said.finding.code in {"blocked_source", "challenge_ignored", "bad_extension"}:
            return Action("Settings", reverse("console:settings"))
        case "settings":
            return Action("Device settings", reverse("console:device_edit", args=[peer.pk]))
        case _:
            return None
