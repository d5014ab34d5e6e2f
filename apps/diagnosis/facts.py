"""What a verdict rests on, and the verdict: values that selectors.py fills and explain.py reads. Pure.

Times are aware datetimes of the database's clock, addresses (host, port). Text from phones is as they sent it: whoever
shows it escapes it.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from apps.registrar.site import Site

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class BindingFacts:
    """A live binding. renewal_gap_s: the learned rhythm, None while it is not known; rewritten: "contact" or "via"
    where a SIP ALG seems to have changed that header; probe_*: None where nothing was asked yet."""

    contact: str
    received: Address
    transport: str
    user_agent: str
    registered_at: dt.datetime
    refreshed_at: dt.datetime
    expires_at: dt.datetime
    refresh_count: int = 0
    renewal_gap_s: float | None = None
    late_at: dt.datetime | None = None
    path: str = ""
    rewritten: str = ""
    probe_state: str = "unknown"
    probe_since: dt.datetime | None = None
    probe_answered_at: dt.datetime | None = None
    probes_lost: int = 0
    rtt_ms: float | None = None
    rtt_avg_ms: float | None = None

    @property
    def granted_s(self) -> int:
        return round((self.expires_at - self.refreshed_at).total_seconds())


@dataclass(frozen=True, slots=True)
class EventFacts:
    """A row of the ledger: `event` is an EventKind's value, `reason` its machine reason; a sum of `count` from at to
    last_at."""

    event: str
    reason: str
    at: dt.datetime
    last_at: dt.datetime
    count: int = 1
    contact: str = ""
    received: Address | None = None
    old_received: Address | None = None
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class StrangerFacts:
    """Somebody refused without being anybody, who seems to mean this peer. reason: unknown_user (then the name is
    nearly right), not_our_domain (`domain` is what it asked for), wrong_realm (`domain` is the realm it answered),
    blocked_source, malformed, bad_contact or bad_extension: then the name is right."""

    reason: str
    username: str
    domain: str
    received: Address
    user_agent: str
    count: int
    first_at: dt.datetime
    last_at: dt.datetime
    # How many different user names came from this address: many make a scanner, not a typing error.
    names_from_there: int = 1


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one peer at `now`.

    bindings: the live ones, in ringing order. events: the newest first, a bounded number. registered_at, ended_at,
    refused_at, unanswered_at: the last of each. usernames: what its phone may log in with. networks: where it
    registered from before, `new_network_at` when it came from another one.
    """

    now: dt.datetime
    peer: str
    domain: str
    created_at: dt.datetime
    extension: str | None = None
    usernames: tuple[str, ...] = ()
    peer_enabled: bool = True
    extension_enabled: bool = True
    max_contacts: int = 5
    replaces_when_full: bool = True
    min_expires_s: int = 60
    qualified: bool = True
    bindings: tuple[BindingFacts, ...] = ()
    events: tuple[EventFacts, ...] = ()
    strangers: tuple[StrangerFacts, ...] = ()
    registered_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    end_reason: str | None = None
    refused_at: dt.datetime | None = None
    refused_reason: str | None = None
    unanswered_at: dt.datetime | None = None
    unanswered_reason: str | None = None
    last_received: Address | None = None
    last_user_agent: str = ""
    heard_at: dt.datetime | None = None
    networks: tuple[str, ...] = ()
    new_network_at: dt.datetime | None = None
    password_changed_at: dt.datetime | None = None
    old_password_until: dt.datetime | None = None
    blocked: IPv4Network | IPv6Network | None = None
    site: Site | None = None

    @property
    def succeeded_at(self) -> dt.datetime | None:
        """The last time a REGISTER of this peer was accepted."""
        times = [self.registered_at, *(binding.refreshed_at for binding in self.bindings)]
        return max((time for time in times if time is not None), default=None)


class Certainty(StrEnum):
    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Severity(StrEnum):
    """Whether calls fail (`broken`), soon or sometimes do (`attention`), or nothing is wrong (`note`, `fine`)."""

    BROKEN = "broken"
    ATTENTION = "attention"
    NOTE = "note"
    FINE = "fine"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One dated line; last_at and count for what happened more than once."""

    at: dt.datetime
    text: str
    last_at: dt.datetime | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer to "why does this phone not ring?".

    code: stable, a key of words.py. sentence: for a supervisor. fix: what to change, and where. action: what we can do
    about it ourselves ("password", "enable", "settings", "" for nothing).
    """

    code: str
    severity: Severity
    certainty: Certainty
    sentence: str
    evidence: tuple[Evidence, ...] = ()
    fix: str = ""
    action: str = ""
    since: dt.datetime | None = None
    details: Mapping[str, str] = field(default_factory=dict)
