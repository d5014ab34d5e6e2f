"""A stateful SIP proxy (RFC 3261 §16, §17, RFC 6026) without sockets or clock: bytes and times in, effects out. Pure.

Times are monotonic seconds. Must not look anything up (it asks), act, or raise on anything the network can send.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from apps.calls.names import Names
from apps.calls.values import Ask, Send, Verdict
from apps.sipserver.events import Address, Origin

MOST_CALLS: Final = 20_000

Effects = list[Send | Ask]


class Proxy:
    """key: of the tokens in our Record-Routes, the same after a restart. token: new random text, fit for a branch.

    most_calls: requests at work at once, above which new ones get 503.
    """

    def __init__(self, key: bytes, names: Names, token: Callable[[], str], most_calls: int = MOST_CALLS) -> None: ...

    def receive(self, data: bytes, origin: Address | Origin, now: float) -> Effects:
        """A message came: a request, a response, or noise (which comes to nothing)."""
        return []

    def answer(self, number: int, verdict: Verdict, now: float) -> Effects:
        """Where the request of Ask `number` goes. Nothing, if nobody waits for it any more."""
        return []

    def due(self, now: float) -> Effects:
        """What the timers that ran out by now come to. Call it at next_due(), later is no harm."""
        return []

    def next_due(self) -> float | None:
        """When due() has something to do next; None while nothing is at work. May be earlier than needed."""
        return None

    def flows_closed(self, flows: Collection[str], now: float) -> Effects:
        """These connections are gone: what waits for an answer over them gets none (430), callers on them hang up."""
        return []

    def failed(self, sends: Iterable[Send], now: float) -> Effects:
        """These could not be sent (no such connection, no route): their hops count as gone (430, RFC 5626 §5.3.1).

        Also the way a request within a dialog learns that the connection its Route names is no more.
        """
        return []

    @property
    def calls(self) -> int:
        """Requests at work (server transactions), of which INVITEs that rang or were answered in the last 32 s."""
        return 0

    @property
    def refused_for_room(self) -> int:
        """Requests that got 503 because of most_calls; only ever rises."""
        return 0
