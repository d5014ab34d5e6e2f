"""Where a call to an address goes: one answer for every door. Pure; no I/O, no clock.

Must not say how a call is carried there: that is the door's business.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from apps.sipserver.events import Origin


class Found(StrEnum):
    """What the look-up of an AOR came to; what a caller is told of the last four: 480, 403, 404, 404."""

    TARGETS = "targets"
    NOT_REGISTERED = "not_registered"
    DISABLED = "disabled"
    UNKNOWN_USER = "unknown_user"
    NOT_OUR_DOMAIN = "not_our_domain"


@dataclass(frozen=True, slots=True)
class Target:
    """One live binding as a call reaches it.

    uri: the Contact as registered, the Request-URI for the phone. destination: where its packets come from, with the
    connection it holds or the address of ours it knows. server: whose UDP socket it came to, as of
    registrar.consumers.socket_name. path: Route values in the order they are visited (RFC 3327 §5.3). q in thousandths,
    None if not said. reachable: False where probes say it does not hear us.
    """

    aor: str
    uri: str
    destination: Origin
    server: str
    path: tuple[str, ...]
    q: int | None
    refreshed_at: dt.datetime
    reachable: bool
    binding_id: UUID
    peer_id: UUID
    peer_name: str
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """What an AOR leads to. targets: in the order a call tries them, empty unless found is TARGETS."""

    aor: str
    found: Found
    targets: tuple[Target, ...] = ()
    extension_id: UUID | None = None
