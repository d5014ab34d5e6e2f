"""The types of event that are told: those of the ledger, and changes of a peer's state. Pure."""

from typing import Final

from apps.registrar.outcomes import EventKind

STATE_CHANGED: Final = "state_changed"
PING: Final = "ping"

WORDS: Final[dict[str, str]] = {
    EventKind.REGISTERED: "A phone registers a contact",
    EventKind.UNREGISTERED: "A phone signs off",
    EventKind.EXPIRED: "A registration expires without renewal",
    EventKind.REFUSED: "A REGISTER is refused",
    STATE_CHANGED: "A SIP peer's state changes (online, late, unreachable, refused, offline, disabled)",
    EventKind.MOVED: "A registration moves to another address",
    EventKind.LATE: "A renewal is late",
    EventKind.UNREACHABLE: "A phone does not answer probes",
    EventKind.REACHABLE: "A phone answers probes again",
    EventKind.DEACTIVATED: "A registration is ended by an admin, or with its connection",
    EventKind.REJECTED: "A registration is replaced by a newer contact",
    EventKind.SHORTENED: "A registration is shortened",
    EventKind.UNANSWERED: "A phone does not answer the challenge",
}
TYPES: Final = tuple(str(kind) for kind in WORDS)
