"""What passes between the proxy, which knows SIP, and its host, which has sockets, rows and a clock. Pure.

The proxy is told what was heard and what time it is; it says what to send, and what it has to know before a request
goes on. Must not act.
"""

from dataclasses import dataclass
from uuid import UUID

from apps.sip.message import Request
from apps.sipserver.events import Address, Origin
from apps.trunks.uplink.values import Account


@dataclass(frozen=True, slots=True)
class Send:
    """Goes out as it stands."""

    data: bytes
    destination: Address | Origin


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that begins something, fit to be forwarded: where does it go? Answered once with a Verdict.

    number: the proxy's name for the question. Routes that named us are gone from the request.
    """

    number: int
    request: Request
    origin: Address | Origin


@dataclass(frozen=True, slots=True)
class CarrierAnswer:
    """What a call came to at a trunk's server: its final answer, status None for silence or a lost connection. proven:
    it came after credentials of ours."""

    trunk: UUID
    status: int | None
    phrase: str = ""
    proven: bool = False


Effect = Send | Ask | CarrierAnswer


@dataclass(frozen=True, slots=True)
class CarrierLeg:
    """What a hop to a carrier has of its own. account: its challenges are answered with it, where there is one.

    raised: how much higher CSeq numbers are there than the caller's. credentials: header fields that answer challenges,
    of which there were so many.
    """

    account: Account | None
    raised: int = 0
    credentials: tuple[tuple[str, str], ...] = ()
    challenges: int = 0


@dataclass(frozen=True, slots=True)
class Hop:
    """One way on: the Request-URI it gets, the Route values put before those it has, and where it is sent.

    identity: the P-Asserted-Identity value it carries in place of any it came with, empty for none, None to leave what
    came. onward: where it goes from the destination, which is then another host of ours. leg: of a hop to a carrier.
    trunk: of one that begins something there.
    """

    request_uri: str
    destination: Address | Origin
    routes: tuple[str, ...] = ()
    identity: str | None = None
    onward: Address | Origin | None = None
    leg: CarrierLeg | None = None
    trunk: UUID | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """A final answer of ours (302 included). headers after the echo, in order."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Forward:
    """groups are tried one after the other, the hops of one at the same time (RFC 3261 §16.6).

    ring_s: how long the hops of one group may ring.
    """

    groups: tuple[tuple[Hop, ...], ...]
    ring_s: float = 180.0


@dataclass(frozen=True, slots=True)
class Ignore:
    """No answer at all: it came from a blocked network."""


Verdict = Refuse | Forward | Ignore
