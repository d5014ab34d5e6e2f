"""What the transactions of one proxy share: the effects they leave, their timers, and how messages find them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from apps.calls.names import Names
from apps.calls.timers import Timers
from apps.calls.values import Effect, Send
from apps.sipserver.events import Address, Origin, transport_of

if TYPE_CHECKING:
    from apps.calls.client_transaction import ClientTransaction
    from apps.calls.response_context import ResponseContext
    from apps.calls.server_transaction import ServerTransaction


class Layer:
    """servers: by transaction key (RFC 3261 §17.2.3); clients: by branch (§17.1.3); asking: by the Ask's number."""

    __slots__ = ("_out", "asking", "clients", "key", "names", "servers", "timers", "token")

    def __init__(self, key: bytes, names: Names, token: Callable[[], str]) -> None:
        self.key = key
        self.names = names
        self.token = token
        self.timers = Timers()
        self.servers: dict[bytes, ServerTransaction] = {}
        self.clients: dict[str, ClientTransaction] = {}
        self.asking: dict[int, ResponseContext] = {}
        self._out: list[Effect] = []

    def send(self, data: bytes, destination: Address | Origin) -> None:
        self._out.append(Send(data, destination))

    def tell(self, effect: Effect) -> None:
        self._out.append(effect)

    def taken(self) -> list[Effect]:
        """The effects since the last time, in order."""
        out, self._out = self._out, []
        return out


def is_reliable(way: Address | Origin) -> bool:
    """Whether nothing has to be repeated that way (RFC 3261 §17)."""
    return transport_of(way) != "UDP"
