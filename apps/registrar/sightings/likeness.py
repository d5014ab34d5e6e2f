"""Which name a mistyped one seems to mean. Pure.

Names that differ in case, or in signs that look alike (O and 0; l, I and 1), fold to the same text; beyond that one
sign may be missing, too many, wrong, or swapped with the next (Damerau-Levenshtein distance 1).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from apps.extensions.look_alike import fold

# Longer names are not typed, and have more variants than they are worth.
LONGEST_VARIED: Final = 24
# What the names of peers are made of (SIP_USER_PATTERN), folded.
_SIGNS: Final = "0123456789abcdefghjkmnpqrstuvwxyz*+._~!-"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A name that somebody has. is_own: the peer's own name or user name, else the number of its extension."""

    peer_id: UUID
    domain: str
    name: str
    is_own: bool
    is_online: bool


def variants(folded: str) -> set[str]:
    """The folded name and all at distance 1 of it."""
    if len(folded) > LONGEST_VARIED:
        return {folded}
    halves = [(folded[:cut], folded[cut:]) for cut in range(len(folded) + 1)]
    found = {folded}
    found.update(left + right[1:] for left, right in halves if right)
    found.update(left + right[1] + right[0] + right[2:] for left, right in halves if len(right) > 1)
    found.update(left + sign + right[1:] for left, right in halves if right for sign in _SIGNS)
    found.update(left + sign + right for left, right in halves for sign in _SIGNS)
    return found


def nearest(name: str, candidates: Iterable[Candidate]) -> UUID | None:
    """The peer whose name is nearest, at the same distance one that is not online; None if several are as good."""
    folded = fold(name)
    best: dict[UUID, tuple[int, bool, bool]] = {}
    for candidate in candidates:
        distance = 0 if candidate.name == name else 1 if fold(candidate.name) == folded else 2
        rank = (distance, not candidate.is_own, candidate.is_online)
        best[candidate.peer_id] = min(rank, best.get(candidate.peer_id, rank))
    ranks = sorted(best.values())
    if not ranks or ranks[1:2] == ranks[:1]:
        return None
    return min(best, key=lambda peer_id: best[peer_id])
