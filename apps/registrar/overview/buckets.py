"""Buckets of the overview: a state, with or without need of attention. Pure.

The number is kept in the database (migration 0107 computes it): never give one another meaning.
"""

from typing import Final

from apps.registrar.states import PeerState

ATTENTION: Final = "attention"

_STATES: Final = (
    PeerState.ONLINE,
    PeerState.LATE,
    PeerState.UNREACHABLE,
    PeerState.REFUSED,
    PeerState.OFFLINE,
    PeerState.NEVER_REGISTERED,
    PeerState.DISABLED,
)
ALL: Final = tuple(range(2 * len(_STATES)))
LIVE_STATES: Final = frozenset({PeerState.ONLINE, PeerState.LATE, PeerState.UNREACHABLE})
_RANKS_WITHOUT_ATTENTION: Final = {
    PeerState.REFUSED: 0,
    PeerState.OFFLINE: 3,
    PeerState.NEVER_REGISTERED: 4,
    PeerState.ONLINE: 5,
}


def bucket_of(state: PeerState, *, needs_attention: bool) -> int:
    return 2 * _STATES.index(state) + needs_attention


def state_of(bucket: int) -> PeerState:
    return _STATES[bucket // 2]


def needs_attention(bucket: int) -> bool:
    return bucket % 2 == 1


def is_live(bucket: int) -> bool:
    return state_of(bucket) in LIVE_STATES


def rank_of(bucket: int) -> int:
    """As the view's state_rank: attention first, the worse before; then offline, never registered, online, disabled."""
    state = state_of(bucket)
    if needs_attention(bucket) and state != PeerState.REFUSED:
        return 2 if is_live(bucket) else 1
    return _RANKS_WITHOUT_ATTENTION.get(state, 6)


def buckets_of(name: str) -> tuple[int, ...]:
    """Those a filter means: a state, ATTENTION, or anything else for all."""
    if name == ATTENTION:
        return tuple(bucket for bucket in ALL if needs_attention(bucket))
    if name in PeerState.values:
        return tuple(bucket for bucket in ALL if state_of(bucket) == name)
    return ALL
