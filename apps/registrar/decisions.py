"""What a REGISTER is decided from, and what is decided: the values rules.py and its parts pass around. Pure."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.registrar.bindings import Account, Address, DomainPolicy, Event, StoredBinding
from apps.registrar.expiry import Spread, as_set
from apps.registrar.outcomes import Outcome
from apps.sip.message import Request

Headers = Sequence[tuple[str, str]]
NewId = Callable[[], UUID]


@dataclass(frozen=True, slots=True)
class Answer:
    """keep_s: what the top Via's `keep` is answered (RFC 6223 §4.3), None for nothing."""

    outcome: Outcome
    headers: Headers = ()
    keep_s: int | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """An authenticated REGISTER with all it is decided from. `bindings` are all stored ones of the AOR, live or not.

    flow: the connection it came over, None over UDP. server, local: as StoredBinding keeps them. gruu_key: empty, no
    GRUUs are made. own_hosts: our own addresses and names, which no contact may point at. spread: of what is granted.
    """

    request: Request
    account: Account
    domain: DomainPolicy
    aor: str
    bindings: tuple[StoredBinding, ...]
    source: Address
    transport: str
    now: dt.datetime
    new_id: NewId
    flow: str | None = None
    server: str = ""
    local: str | None = None
    gruu_key: bytes = b""
    own_hosts: frozenset[str] = frozenset()
    spread: Spread = as_set

    def supports(self, tag: str) -> bool:
        """Whether the request says it understands an extension (RFC 3261 §20.37); requiring it says so too."""
        tags = (*self.request.tokens("supported"), *self.request.tokens("require"))
        return any(tag == sent.lower() for sent in tags)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, the AOR's bindings from now on, and what goes into the ledger."""

    answer: Answer
    bindings: tuple[StoredBinding, ...]
    events: tuple[Event, ...] = ()


class Refused(Exception):  # noqa: N818 - leaves the rules only as a Decision
    """The whole request is refused: nothing of it is applied."""

    def __init__(self, outcome: Outcome, headers: Headers = ()) -> None:
        self.answer = Answer(outcome, headers)
        super().__init__(outcome.code)
