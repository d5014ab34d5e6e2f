"""The shapes of the ASGI "sip" protocol: scope, events, addresses.

Specified in docs/asgi-sip.md. Only types stand here, and what is read off them; nothing acts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Literal, NamedTuple, NotRequired, Protocol, TypedDict

SPEC_VERSION = "1.2"

Address = tuple[str, int]
"""Numeric host (IPv6 without brackets, a link-local one with %zone) and port."""

Transport = Literal["UDP", "TCP", "TLS", "WS", "WSS"]


class Origin(NamedTuple):
    """Where a message came from, when host and port do not say it all; as a destination it is the way back.

    `flow` names the connection, None over UDP; `local` tells the server which of its own addresses to
    answer from.
    """

    host: str
    port: int
    transport: Transport = "UDP"
    flow: str | None = None
    local: bytes | None = None


def transport_of(way: Address | Origin) -> Transport:
    return way.transport if isinstance(way, Origin) else "UDP"


def flow_of(way: Address | Origin) -> str | None:
    return way.flow if isinstance(way, Origin) else None


Datagram = tuple[bytes, Address | Origin]
"""What was said, and who said it (received) or who is to hear it (sent). A message of a stream counts as one."""


@dataclass(slots=True)
class Counters:
    """What one worker's sockets have done since the worker started. Only ever rises."""

    received: int = 0
    batches: int = 0
    sent: int = 0
    send_dropped: int = 0
    send_errors: int = 0
    receive_errors: int = 0
    pauses: int = 0
    restarts: int = 0
    connections: int = 0
    connections_refused: int = 0
    handshakes_failed: int = 0
    stun_answers: int = 0
    handed_over: int = 0
    hand_over_dropped: int = 0


@dataclass(slots=True)
class Load:
    """How the kernel's buffer of the UDP socket was found last: the seconds that the datagram read last had waited, the
    part that is full (0 to 1), and how many were dropped since the socket was made, by all who share it."""

    waited_s: float = 0.0
    filled: float = 0.0
    dropped: int = 0


class HandingOver(Protocol):
    """The way to the call process."""

    @property
    def is_possible(self) -> bool:
        """Is there a call process, or was there one so lately that it is being started again?"""


class Versions(TypedDict):
    version: Literal["3.0"]
    spec_version: str


class SipScope(TypedDict):
    type: Literal["sip", "sip.calls"]
    asgi: Versions
    transport: Transport
    server: Address
    worker: str
    flows: Collection[str]
    workers: NotRequired[Collection[str]]
    counters: Counters
    load: Load
    handing_over: HandingOver | None


class StartupEvent(TypedDict):
    type: Literal["sip.startup"]


class ShutdownEvent(TypedDict):
    type: Literal["sip.shutdown"]


class DatagramsEvent(TypedDict):
    type: Literal["sip.datagrams"]
    datagrams: list[Datagram]


class FlowsClosedEvent(TypedDict):
    type: Literal["sip.flows_closed"]
    flows: list[str]


class SendEvent(TypedDict):
    type: Literal["sip.send"]
    datagrams: list[Datagram]


class HandOverEvent(TypedDict):
    type: Literal["sip.hand_over"]
    datagrams: list[Datagram]


SentEvent = SendEvent | HandOverEvent
ReceivedEvent = StartupEvent | DatagramsEvent | FlowsClosedEvent | ShutdownEvent
Receive = Callable[[], Awaitable[ReceivedEvent]]
Send = Callable[[SentEvent], Awaitable[None]]
Application = Callable[[SipScope, Receive, Send], Awaitable[None]]
