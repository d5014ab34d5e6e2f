"""The order in which a call tries contacts: the same for every door. Pure; no I/O, no clock."""

import datetime as dt
from typing import Final
from uuid import UUID

# RFC 3261 §20.10: who gives no q means 1.
NO_Q: Final = 1000

RingingKey = tuple[bool, int, float, UUID]


def ringing_key(q: int | None, refreshed_at: dt.datetime, binding_id: UUID, *, reachable: bool) -> RingingKey:
    """To sort by: those that probes do not reach come last, then by q (thousandths), then who was refreshed last."""
    return not reachable, -(NO_Q if q is None else q), -refreshed_at.timestamp(), binding_id
