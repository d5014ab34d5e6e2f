"""A floor of simulated phones in virtual time: habits of renewing, lost packets, restarts, probes. What they send is
decided by the registrar's own rules; what is known of them becomes Facts."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final
from uuid import UUID

from apps.diagnosis.facts import BindingFacts, EventFacts, Facts
from apps.registrar.bindings import Event, StoredBinding
from apps.registrar.outcomes import END_EVENTS, EventKind
from apps.registrar.site import Site
from tests.registrar.registrations import ACCOUNT, DOMAIN, Record, status

START: Final = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
LOSS: Final = 0.01
MINUTE_S: Final = 60.0
# When a client sends a request again, and when it gives up (RFC 3261 §17.1.2): T1 0.5 s, T2 4 s, 64*T1.
SENDINGS_S: Final = (0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)
GIVEN_UP_S: Final = 32.0
LOSSES_TO_UNREACHABLE: Final = 2
_ENDS: Final = frozenset(END_EVENTS.values())
_MOST_EVENTS: Final = 50


@dataclass(frozen=True)
class Habit:
    """earliest, latest: when it renews, as parts of what was granted, or so many seconds before its end."""

    user_agent: str
    granted_s: int
    earliest: float
    latest: float
    before_end_s: float = 0.0
    new_contact: bool = False

    def gap_s(self, chance: Random, granted_s: float) -> float:
        if self.before_end_s:
            return granted_s - self.before_end_s - chance.uniform(0, 0.2)
        return granted_s * chance.uniform(self.earliest, self.latest)


def exchange(chance: Random) -> tuple[float | None, float | None]:
    """Seconds until a request first arrives, and until its answer does; None for never."""
    arrived: float | None = None
    for sent in SENDINGS_S:
        if chance.random() < LOSS:
            continue
        arrived = sent if arrived is None else arrived
        if chance.random() >= LOSS:
            return arrived + 0.01, sent + 0.02
    return (None if arrived is None else arrived + 0.01), None


@dataclass
class Probing:
    """The probes of one binding, every minute, with their retransmissions."""

    since: dt.datetime
    state: str = "unknown"
    answered_at: dt.datetime | None = None
    lost: int = 0
    rtt_ms: float | None = None

    def note(self, at: dt.datetime, rtt_ms: float | None) -> None:
        if rtt_ms is None:
            self.lost += 1
            state = "unreachable" if self.lost >= LOSSES_TO_UNREACHABLE else self.state
        else:
            self.lost, self.rtt_ms, self.answered_at, state = 0, rtt_ms, at, "reachable"
        if state != self.state:
            self.state, self.since = state, at


@dataclass
class Phone:
    habit: Habit
    chance: Random
    public: tuple[str, int]
    qualified: bool = True
    rotates_at_s: float | None = None
    record: Record = field(default_factory=Record)
    next_s: float = 0.0
    up_s: float = 0.0
    stops_s: float = float("inf")
    restarts_s: float = float("inf")
    calls: int = 0
    contact_port: int = 5060
    heard_granted_s: float = 0.0
    events: list[EventFacts] = field(default_factory=list)
    probings: dict[UUID, Probing] = field(default_factory=dict)
    activity: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.record.account = replace(
            ACCOUNT, min_expires_s=min(60, self.habit.granted_s), max_expires_s=self.habit.granted_s
        )
        self.record.domain = replace(DOMAIN, expires_spread_percent=10)
        self.heard_granted_s = self.habit.granted_s
        self.next_s = self.chance.uniform(0, MINUTE_S)
        self._plan_restart(0.0)

    def run(self, until_s: float) -> None:
        """Everything it does until then."""
        while min(self.next_s, self.restarts_s) <= min(until_s, self.stops_s):
            if self.restarts_s <= self.next_s:
                self._restart()
            else:
                self._register()
        if self.qualified:
            self._answer_probe(until_s)

    def is_settled(self, at_s: float) -> bool:
        """Whether it is neither starting up nor in the first exchange after it."""
        return at_s > self.up_s + 10

    def _register(self) -> None:
        """A challenge and its answer, or the answer alone under a nonce it still has; tried again if nobody answers."""
        at_s = self.next_s
        rounds = 2 if self.chance.random() < 0.5 else 1
        for number in range(rounds):
            arrived, answered = exchange(self.chance)
            if number == rounds - 1 and arrived is not None and at_s + arrived <= self.stops_s:
                self._arrive(at_s + arrived)
            if answered is None:
                self.next_s = at_s + GIVEN_UP_S + self.chance.uniform(1, 5)
                return
            at_s += answered
        self.next_s = at_s + self.habit.gap_s(self.chance, self.heard_granted_s)

    def _arrive(self, at_s: float) -> None:
        self.record.now = moment(at_s)
        host = "192.168.1.20" if self.public[1] % 3 == 0 else self.public[0]
        contact = f"<sip:1001@{host}:{self.contact_port}>;expires={self.habit.granted_s}"
        decision = self.record.register(
            contact, headers=[f"User-Agent: {self.habit.user_agent}"], source=self.public
        )
        assert status(decision) == 200
        granted_s = {one.contact: one.expires_s(self.record.now) for one in decision.bindings}
        self.heard_granted_s = granted_s[contact[1:].partition(">")[0]]
        self._note(decision.events)

    def _note(self, events: Sequence[Event]) -> None:
        for event in events:
            self.events.insert(0, _event_facts(event))
            if event.event in (EventKind.REGISTERED, EventKind.MOVED):
                self.activity["registered_at"] = self.activity["heard_at"] = event.at
            elif event.event in _ENDS:
                self.activity |= {"ended_at": event.at, "end_reason": event.reason}
        del self.events[_MOST_EVENTS:]

    def _restart(self) -> None:
        """Off the air for some seconds, then a new Call-ID, and for some a new contact through a new port."""
        self.up_s = self.restarts_s + self.chance.uniform(5, 30)
        self.next_s = self.up_s
        self.calls += 1
        self.record.call_id, self.record.cseq = f"boot-{self.calls}", 0
        if self.habit.new_contact:
            self.contact_port += 1
            self.public = (self.public[0], self.public[1] + 300)
        self._plan_restart(self.up_s)

    def _plan_restart(self, after_s: float) -> None:
        self.restarts_s = after_s + self.chance.expovariate(1 / (6 * 3600))

    def _answer_probe(self, at_s: float) -> None:
        """The last probe before this minute, to each contact; only the newest one has a phone behind it."""
        live = self.live(moment(at_s))
        for binding in live:
            probing = self.probings.setdefault(binding.binding_id, Probing(binding.registered_at))
            here = binding is live[0] and self.up_s <= at_s < self.stops_s
            answered = exchange(self.chance)[1] if here else None
            probing.note(moment(at_s), None if answered is None else self.chance.uniform(8, 60))

    def live(self, now: dt.datetime) -> list[StoredBinding]:
        live = [one for one in self.record.bindings if one.expires_at > now]
        return sorted(live, key=lambda one: one.refreshed_at, reverse=True)

    def facts(self, at_s: float, site: Site | None) -> Facts:
        now = moment(at_s)
        rotated = self.rotates_at_s is not None and at_s >= self.rotates_at_s
        rotated_at = moment(self.rotates_at_s) if rotated and self.rotates_at_s is not None else None
        return Facts(
            now=now,
            peer="1001",
            domain="example.com",
            created_at=START,
            extension="1001",
            usernames=("1001",),
            qualified=self.qualified,
            bindings=tuple(
                _binding_facts(one, self.probings.get(one.binding_id)) for one in self.record.bindings
            ),
            events=tuple(self.events),
            last_received=self.public,
            last_user_agent=self.habit.user_agent,
            networks=("203.0.0.0/16",),
            password_changed_at=rotated_at,
            old_password_until=rotated_at + dt.timedelta(hours=1) if rotated_at else None,
            site=site,
            **self.activity,  # type: ignore[arg-type]
        )


def moment(at_s: float) -> dt.datetime:
    return START + dt.timedelta(seconds=at_s)


def site_facts(phones: Sequence[Phone], at_s: float) -> dict[str, Site]:
    """Of each public address: who there should have been heard since anybody was."""
    now, sites = moment(at_s), {}
    for address in {phone.public[0] for phone in phones}:
        here = [phone.record.bindings for phone in phones if phone.public[0] == address]
        heard = max((one.refreshed_at for bindings in here for one in bindings), default=None)
        due = [min((one.late_at or one.expires_at for one in bindings), default=now) for bindings in here]
        overdue = [at for at in due if at < now and heard is not None and at > heard]
        sites[address] = Site(
            address, len(here), len(here) - len(overdue), heard, len(overdue), min(overdue, default=None)
        )
    return sites


def _event_facts(event: Event) -> EventFacts:
    return EventFacts(
        event=event.event,
        reason=event.reason,
        at=event.at,
        last_at=event.last_at or event.at,
        count=event.count,
        contact=event.contact,
        received=event.received,
        old_received=event.old_received,
        user_agent=event.user_agent,
    )


def _binding_facts(binding: StoredBinding, probing: Probing | None) -> BindingFacts:
    probed = probing or Probing(binding.registered_at)
    return BindingFacts(
        contact=binding.contact,
        received=binding.received,
        transport=binding.transport,
        user_agent=binding.user_agent,
        registered_at=binding.registered_at,
        refreshed_at=binding.refreshed_at,
        expires_at=binding.expires_at,
        refresh_count=binding.refresh_count,
        renewal_gap_s=binding.renewal_gap_s,
        late_at=binding.late_at,
        path=binding.path,
        rewritten=binding.rewritten,
        probe_state=probed.state,
        probe_since=probed.since,
        probe_answered_at=probed.answered_at,
        probes_lost=probed.lost,
        rtt_ms=probed.rtt_ms,
        rtt_avg_ms=probed.rtt_ms,
    )
