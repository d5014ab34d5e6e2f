"""The values the rules work on: who asks, what is stored, what is to change. Pure; no I/O, no clock.

Times are aware datetimes of the database's clock; addresses are (host, port).
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Final, NamedTuple
from uuid import UUID

from apps.registrar.outcomes import END_EVENTS, EndReason, EventKind
from apps.sip.digest import Algorithm
from apps.sip.uri import SipUri, parse_sip_uri

Address = tuple[str, int]
Network = IPv4Network | IPv6Network

# The others end without a word from the phone.
ENDS_BY_REGISTER: Final = frozenset({EndReason.UNREGISTERED, EndReason.REPLACED})


@dataclass(frozen=True, slots=True)
class DomainPolicy:
    """A domain we serve, as the rules need it; algorithms in the order a challenge offers them.

    expires_spread_percent: expiry.py. raise_brief: too short an expiry is raised, not answered 423. strict_cseq: an
    equal CSeq is refused like a lower one. any_contact: also one that points inward. edge_proxies: who may add a
    Path. service_routes: header values. version: differs after every change.
    """

    domain_id: UUID
    name: str
    realm: str
    algorithms: tuple[Algorithm, ...]
    min_expires_s: int
    default_expires_s: int
    max_expires_s: int
    expires_spread_percent: int = 10
    raise_brief: bool = False
    strict_cseq: bool = False
    outbound: bool = True
    any_contact: bool = False
    edge_proxies: tuple[Network, ...] = ()
    service_routes: tuple[str, ...] = ()
    version: str = ""


class LastingCredential(NamedTuple):
    """A credential without an end, its HA1s as they are stored, and which versions of the peer's, its own and the
    extension's row were read."""

    credential_id: UUID
    kept_ha1s: Mapping[Algorithm, str]
    versions: str


@dataclass(frozen=True, slots=True)
class Account:
    """The peer behind a user name; `ha1s` are those valid now, per algorithm, None for one that cannot be read.
    may_watch: it may subscribe to the state of any AOR of its domain. lasting: its credential, if that is alone."""

    peer_id: UUID
    peer_name: str
    extension_id: UUID | None
    extension_number: str | None
    enabled: bool
    max_contacts: int
    replace_when_full: bool
    min_expires_s: int | None
    max_expires_s: int | None
    ha1s: Mapping[Algorithm, tuple[str | None, ...]]
    accepts_no_qop: bool = False
    may_watch: bool = False
    # Good no more, kept to be recognised: a phone that was not told of the new password.
    retired_ha1s: Mapping[Algorithm, tuple[str | None, ...]] = field(default_factory=dict)
    lasting: LastingCredential | None = None

    @property
    def address_users(self) -> frozenset[str]:
        """The user parts this peer may register: its own name or its extension's number."""
        return frozenset(name for name in (self.peer_name, self.extension_number) if name is not None)


@dataclass(frozen=True, slots=True)
class StoredBinding:
    """A row of Binding. q in thousandths; flow "<worker id>/<connection number>", None over UDP.

    server: whose UDP socket it came to; local: which of its addresses, as hex digits of Origin.local. renewal_*: the
    learned rhythm; late_at: when a renewal is overdue by it, None while unknown. rewritten: signs of a SIP ALG.
    renewal_key: what the next REGISTER must have in common with this one to be a mere renewal (renewals/)."""

    aor: str
    binding_id: UUID
    binding_key: str
    peer_id: UUID
    extension_id: UUID | None
    contact: str
    q: int | None
    received_addr: str
    received_port: int
    transport: str
    path: str
    instance_id: str | None
    reg_id: int | None
    call_id: str
    cseq: int
    user_agent: str
    registered_at: dt.datetime
    refreshed_at: dt.datetime
    expires_at: dt.datetime
    refresh_count: int = 0
    flow: str | None = None
    pub_gruu: str | None = None
    temp_gruu: str | None = None
    server: str = ""
    local: str | None = None
    renewal_gap_s: float | None = None
    renewal_dev_s: float | None = None
    late_at: dt.datetime | None = None
    rewritten: str = ""
    renewal_key: bytes | None = None

    @property
    def uri(self) -> SipUri:
        return parse_sip_uri(self.contact)

    @property
    def received(self) -> Address:
        return self.received_addr, self.received_port

    def expires_s(self, now: dt.datetime) -> int:
        """Whole seconds left, rounded up: what was just granted reads as granted, and what is left is never 0."""
        return -(-(self.expires_at - now) // dt.timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class NonceRecord:
    """The last request accepted under a nonce, and what it was answered: what an Answer's text says.

    repeat_key is the same for its very repeats, request_key also where it came another way; expires_at for all uses."""

    nonce: str
    nc: int
    repeat_key: bytes
    request_key: bytes
    answer: str
    accepted_at: dt.datetime
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A row of RegistrationEvent in the making."""

    event: EventKind
    reason: str
    at: dt.datetime
    aor: str
    peer_id: UUID
    extension_id: UUID | None
    binding_id: UUID | None = None
    contact: str = ""
    received: Address | None = None
    old_received: Address | None = None
    user_agent: str = ""
    # Of ends and moves: how often the binding was refreshed. Of ends: when the phone was last heard (None: at `at`).
    refresh_count: int | None = None
    heard_at: dt.datetime | None = None
    # Of `late`: until when it was; of sums: how many and the last (None: one, at `at`).
    last_at: dt.datetime | None = None
    count: int = 1


@dataclass(slots=True)
class ChangeSet:
    """What a batch writes in its one transaction. No binding is both upserted and deleted, none twice."""

    upserts: list[StoredBinding] = field(default_factory=list)
    deletes: list[StoredBinding] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    nonces: list[NonceRecord] = field(default_factory=list)
    # Events of users who do not exist: written and taken back, so that refusing them takes as long (C91).
    decoys: list[Event] = field(default_factory=list)

    def changed_peers(self) -> set[UUID]:
        bindings = {row.peer_id for row in (*self.upserts, *self.deletes)}
        return bindings | {event.peer_id for event in self.events}

    def __bool__(self) -> bool:
        return bool(self.upserts or self.deletes or self.events or self.nonces)


def end_events(binding: StoredBinding, reason: EndReason, at: dt.datetime) -> tuple[Event, ...]:
    """A binding's end, after the time it was late; an expiry happened when it was due, whenever it is noticed."""
    ended_at = binding.expires_at if reason is EndReason.EXPIRED else at
    end = replace(
        event_of(binding, END_EVENTS[reason], reason, ended_at),
        refresh_count=binding.refresh_count,
        heard_at=None if reason in ENDS_BY_REGISTER else binding.refreshed_at,
    )
    return (*late_events(binding, ended_at), end)


def late_events(binding: StoredBinding, until: dt.datetime) -> tuple[Event, ...]:
    """The time from when its renewal was overdue `until` it came or the binding ended; nothing if it never was."""
    if binding.late_at is None or binding.late_at >= until:
        return ()
    return (replace(event_of(binding, EventKind.LATE, "late", binding.late_at), last_at=until),)


def event_of(binding: StoredBinding, event: EventKind, reason: str, at: dt.datetime) -> Event:
    return Event(
        event=event,
        reason=reason,
        at=at,
        aor=binding.aor,
        peer_id=binding.peer_id,
        extension_id=binding.extension_id,
        binding_id=binding.binding_id,
        contact=binding.contact,
        received=binding.received,
        user_agent=binding.user_agent,
    )
