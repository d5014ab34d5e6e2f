"""The shapes of the ASGI "sip" protocol: scope, events, addresses.

Specified in docs/asgi-sip.md. Only types stand here; nothing acts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypedDict

SPEC_VERSION = "1.0"

Address = tuple[str, int]
"""Numeric host (IPv6 without brackets, a link-local one with %zone) and port."""

Datagram = tuple[bytes, Address]
"""What was said, and who said it (received) or who is to hear it (sent)."""


@dataclass(slots=True)
class Counters:
    """What one worker's socket has done since the worker started. Only ever rises."""

    received: int = 0
    batches: int = 0
    sent: int = 0
    send_dropped: int = 0
    send_errors: int = 0
    receive_errors: int = 0
    pauses: int = 0
    restarts: int = 0


class Versions(TypedDict):
    version: Literal["3.0"]
    spec_version: str


class SipScope(TypedDict):
    type: Literal["sip"]
    asgi: Versions
    transport: Literal["UDP"]
    server: Address
    counters: Counters


class StartupEvent(TypedDict):
    type: Literal["sip.startup"]


class ShutdownEvent(TypedDict):
    type: Literal["sip.shutdown"]


class DatagramsEvent(TypedDict):
    type: Literal["sip.datagrams"]
    datagrams: list[Datagram]


class SendEvent(TypedDict):
    type: Literal["sip.send"]
    datagrams: list[Datagram]


ReceivedEvent = StartupEvent | DatagramsEvent | ShutdownEvent
Receive = Callable[[], Awaitable[ReceivedEvent]]
Send = Callable[[SendEvent], Awaitable[None]]
Application = Callable[[SipScope, Receive, Send], Awaitable[None]]
