"""The values of the registration event package: a subscription, what a SUBSCRIBE made of it, a NOTIFY to be sent.

Pure; must not decide anything. Times are aware datetimes of the database's clock.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, cast
from uuid import UUID

from apps.sipserver.events import Address, Origin, Transport

PACKAGE: Final = "reg"
CONTENT_TYPE: Final = "application/reginfo+xml"


class EndOfSubscription(StrEnum):
    """Why a subscription is over, as Subscription-State says it (RFC 6665 §4.1.3)."""

    TIMEOUT = "timeout"
    DEACTIVATED = "deactivated"
    REJECTED = "rejected"
    NORESOURCE = "noresource"
    PROBATION = "probation"


@dataclass(frozen=True, slots=True)
class Way:
    """The way back to whom a request came from. flow None over UDP; local is the server's own, unread here."""

    host: str
    port: int
    transport: str = "UDP"
    flow: str | None = None
    local: bytes | None = None

    @property
    def destination(self) -> Address | Origin:
        """As the server's events name it."""
        if self.flow is None and self.local is None:
            return self.host, self.port
        return Origin(self.host, self.port, cast(Transport, self.transport), self.flow, self.local)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A row of RegSubscription: the dialog of RFC 3261 §12 from our side, and what the subscriber was told.

    remote_cseq: of the last SUBSCRIBE; cseq: of the last NOTIFY; version: of the next document. target and uris as
    sent, route_set as the values of one Route header. notified_at: when the last NOTIFY is due.
    """

    subscription_id: UUID
    aor: str
    peer_id: UUID
    call_id: str
    local_tag: str
    remote_tag: str
    local_uri: str
    remote_uri: str
    target: str
    route_set: str
    event_id: str | None
    sent_by: str
    remote_cseq: int
    cseq: int
    version: int
    expires_at: dt.datetime
    notified_at: dt.datetime
    way: Way

    def expires_s(self, now: dt.datetime) -> int:
        """Whole seconds left, rounded up, never negative."""
        return max(0, -(-(self.expires_at - now) // dt.timedelta(seconds=1)))


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription as a SUBSCRIBE or the time left it; its subscriber is told all. end None: it goes on."""

    subscription: Subscription
    end: EndOfSubscription | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A subscription read in order to notify it. waiting_since: when the NOTIFY that this one replaces was due."""

    subscription: Subscription
    waiting_since: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """A NOTIFY to be sent at next_at, and its subscription afterwards."""

    subscription: Subscription
    end: EndOfSubscription | None
    branch: str
    data: bytes
    next_at: dt.datetime
