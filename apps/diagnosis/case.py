"""What the facts of one peer come to, worked out once for all rules: who is live, what counts since the last success,
and which attempts are its own phone's. Pure."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import Final

from apps.diagnosis.facts import Address, BindingFacts, EventFacts, Facts
from apps.registrar.outcomes import EndReason, EventKind

HOUR: Final = dt.timedelta(hours=1)
ATTEMPTS: Final = frozenset({EventKind.REFUSED.value, EventKind.UNANSWERED.value})
ARRIVALS: Final = frozenset({EventKind.REGISTERED.value, EventKind.MOVED.value})
# Whoever is refused so has not shown that he knows a password of the peer; all others have.
UNPROVEN: Final = frozenset({"wrong_password", "unknown_user", "no_qop", "disabled"})

Device = tuple[str, str]


@dataclass(frozen=True)
class Case:
    facts: Facts

    @property
    def now(self) -> dt.datetime:
        return self.facts.now

    @cached_property
    def live(self) -> tuple[BindingFacts, ...]:
        return tuple(binding for binding in self.facts.bindings if binding.expires_at > self.now)

    @cached_property
    def current(self) -> tuple[BindingFacts, ...]:
        """The live ones without what a restarted phone left behind: it came back under another contact."""
        current = tuple(one for one in self.live if not any(_supersedes(other, one) for other in self.live))
        return current or self.live

    @cached_property
    def succeeded_at(self) -> dt.datetime | None:
        """The last REGISTER accepted. Renewals of a binding that ended are known by heard_at alone, if nothing else
        was heard after them."""
        facts, success = self.facts, self.facts.succeeded_at
        attempted = [at for at in (facts.refused_at, facts.unanswered_at) if at is not None]
        heard = facts.heard_at
        if success is None or heard is None or any(at >= heard for at in attempted):
            return success
        return max(success, heard)

    @cached_property
    def ended_at(self) -> dt.datetime | None:
        """When the last binding ended, also one that expired and is not swept yet; None while one is live."""
        expired = [binding.expires_at for binding in self.facts.bindings]
        known = [at for at in (self.facts.ended_at, *expired) if at is not None]
        return max(known, default=None) if not self.live else None

    @cached_property
    def end_reason(self) -> str:
        """An EndReason's value; without any it can only have expired."""
        facts = self.facts
        unswept = any(facts.ended_at is None or one.expires_at > facts.ended_at for one in facts.bindings)
        known = {reason.value for reason in EndReason}
        if unswept or facts.end_reason not in known:
            return EndReason.EXPIRED.value
        return str(facts.end_reason)

    @cached_property
    def refused(self) -> tuple[EventFacts, ...]:
        """Refusals since the last success, newest first; one for being disabled is over once it is enabled."""
        rows = self._attempts(EventKind.REFUSED, self.facts.refused_at, self.facts.refused_reason)
        return tuple(row for row in rows if row.reason != EndReason.DISABLED.value)

    @cached_property
    def unanswered(self) -> tuple[EventFacts, ...]:
        """Challenges without an answer since the last success, if the same host answered none later."""
        rows = self._attempts(EventKind.UNANSWERED, self.facts.unanswered_at, self.facts.unanswered_reason)
        return tuple(
            row
            for row in rows
            if not any(host(answer) == host(row) and answer.last_at >= row.last_at for answer in self.refused)
        )

    @cached_property
    def attempted(self) -> bool:
        """Whether its own phone has tried in vain since the last success."""
        return any(self.is_own(event) for event in (*self.refused, *self.unanswered))

    def is_trying(self, binding: BindingFacts) -> bool:
        """Whether the phone behind a binding has tried in vain since the last success: then it is not silent."""
        return any(device(event) == device(binding) for event in (*self.refused, *self.unanswered))

    def is_own(self, event: EventFacts) -> bool:
        """Whether an attempt is likely its own phone's: proven by a password, from where it registers, or alike."""
        if event.event == EventKind.REFUSED and event.reason not in UNPROVEN:
            return True
        if not (self._hosts or self.facts.networks):
            return True
        return self.is_near(event.received, event.user_agent)

    def is_near(self, received: Address | None, user_agent: str) -> bool:
        """Whether this address or user agent is known of the peer's phones."""
        if received is None or (user_agent and user_agent in self._agents):
            return True
        return received[0] in self._hosts or self.in_known_network(received[0])

    def in_known_network(self, address: str) -> bool:
        return any(within(address, network) for network in self.facts.networks)

    def recent(self, kinds: Iterable[str], span: dt.timedelta) -> list[EventFacts]:
        """Events of these kinds within the last `span`, oldest first."""
        found = [event for event in self.facts.events if event.event in kinds and event.at > self.now - span]
        return sorted(found, key=lambda event: event.at)

    @cached_property
    def _known(self) -> Sequence[tuple[Address | None, str]]:
        facts = self.facts
        bound = [(one.received, one.user_agent) for one in facts.bindings]
        past = [(one.received, one.user_agent) for one in facts.events if one.event not in ATTEMPTS]
        return [*bound, *past]

    @cached_property
    def _hosts(self) -> frozenset[str]:
        return frozenset(received[0] for received, _ in self._known if received is not None)

    @cached_property
    def _agents(self) -> frozenset[str]:
        return frozenset(agent for _, agent in self._known if agent)

    def _attempts(self, kind: EventKind, at: dt.datetime | None, reason: str | None) -> list[EventFacts]:
        """Those of the ledger; what it no longer holds stands in the peer's own facts."""
        success = self.succeeded_at
        rows = [
            event
            for event in self.facts.events
            if event.event == kind and (success is None or event.last_at > success)
        ]
        if not rows and at is not None and reason and (success is None or at > success):
            facts = self.facts
            rows = [EventFacts(kind, reason, at, at, 1, "", facts.last_received, None, facts.last_user_agent)]
        return sorted(rows, key=lambda event: event.last_at, reverse=True)


def within(address: str, network: object) -> bool:
    """Whether an address belongs to a network; what cannot be read does not."""
    try:
        return ip_address(address) in ip_network(str(network))
    except ValueError:
        return False


def host(event: EventFacts) -> str:
    return event.received[0] if event.received else ""


def device(event: EventFacts | BindingFacts) -> Device:
    """As near as a device can be told from another: its host and its user agent. A port is the NAT's."""
    return (event.received[0] if event.received else "", event.user_agent)


def _supersedes(other: BindingFacts, one: BindingFacts) -> bool:
    return other is not one and other.registered_at > one.refreshed_at and device(other) == device(one)
