"""Which state a peer is in, and what about it needs attention, as annotations from the view of models.Standing.

`attention` is the code of a finding that a row can rest on (apps.diagnosis tells it in full), "" when nothing is wrong.
Must not page, search or count: that is the overview's part.
"""

from typing import Final

from django.db.models import F, QuerySet

from apps.extensions.models import Peer

_FROM_VIEW: Final = (
    "state",
    "attention",
    "state_rank",
    "is_live",
    "online_since",
    "first_expires_at",
    "last_expiry",
    "refused_since_success",
)


def with_state(peers: QuerySet[Peer]) -> QuerySet[Peer]:
    """Annotated with state, attention, state_rank, is_live, online_since, first_expires_at, last_expiry,
    refused_since_success and received_addr."""
    facts = {name: F(f"standing__{name}") for name in _FROM_VIEW}
    return peers.annotate(**facts, received_addr=F("activity__received_addr"))
