"""What is known of a registration with a carrier: the account, how it stands, and why. Pure.

Times are seconds of whatever clock the caller counts by.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from apps.sip.uri import aor_of, format_host
from apps.sipserver.events import Address, Origin
from apps.trunks.servers import Server


class UplinkState(StrEnum):
    """How a registration with a carrier stands."""

    UNREGISTERED = "unregistered"
    TRYING = "trying"
    REGISTERED = "registered"
    REFUSED = "refused"
    FAILING = "failing"


class UplinkReason(StrEnum):
    """Why it stands so; what each means is in words.py."""

    NONE = ""
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason
    FORBIDDEN = "forbidden"
    UNKNOWN_USER = "unknown_user"
    UNKNOWN_CHALLENGE = "unknown_challenge"
    REJECTED = "rejected"
    NAME_UNKNOWN = "name_unknown"
    NO_ANSWER = "no_answer"
    UNAVAILABLE = "unavailable"
    TOO_BRIEF = "too_brief"
    REDIRECTED = "redirected"
    NOT_KEPT = "not_kept"
    STALE_NONCES = "stale_nonces"
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - a reason


@dataclass(frozen=True, slots=True)
class Account:
    """What the carrier gave us. version rises with each change somebody makes, and with each "try again".
    transport: as TrunkTransport."""

    trunk_id: UUID
    version: int
    registrar: Server
    username: str
    password: str = field(repr=False)
    auth_username: str = ""
    outbound_proxy: Server | None = None
    contact_user: str = ""
    expires_s: int = 3600
    transport: str = "udp"

    @property
    def over(self) -> str:
        """As a Via says it."""
        return via_transport(self.transport)

    @property
    def aor(self) -> str:
        return aor_of(self.username, self.registrar.host)

    @property
    def next_hop(self) -> Server:
        """Where the packets go."""
        return self.outbound_proxy or self.registrar

    def contact(self, own: Address) -> str:
        """The URI under which the carrier reaches us."""
        user_and_host = aor_of(self.contact_user or self.username, own[0])
        over = "" if self.over == "UDP" else f";transport={self.over.lower()}"
        return f"{user_and_host}:{own[1]}{over}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a registration stands, as people see it. next_attempt_s: when we say something again; None: not by itself.

    server: who answered last. failures: in a row. contact: what was registered.
    """

    state: UplinkState
    since_s: float
    reason: UplinkReason = UplinkReason.NONE
    status: int | None = None
    phrase: str = ""
    server: str = ""
    contact: str = ""
    registered_until_s: float | None = None
    next_attempt_s: float | None = None
    failures: int = 0

    def is_registered(self, now_s: float) -> bool:
        """Whether the carrier still has our contact."""
        return self.registered_until_s is not None and self.registered_until_s > now_s


@dataclass(frozen=True, slots=True)
class Chance:
    """What must not be foreseen: `token` gives 32 hex digits, `spread` a number from 0 to under 1."""

    token: Callable[[], str]
    spread: Callable[[], float]


def via_transport(transport: str) -> str:
    """transport: as TrunkTransport."""
    return transport.partition("_")[0].upper()


def server_name(address: Address | Origin) -> str:
    return f"{format_host(address[0])}:{address[1]}"
