"""The contacts of one request applied to the bindings of its AOR, in order (RFC 3261 §10.3 step 7). Pure.

Must not answer: what cannot be applied is Refused, and then nothing is.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from uuid import UUID

from apps.registrar import gruu, outcomes
from apps.registrar.bindings import DomainPolicy, Event, StoredBinding, end_events, event_of, late_events
from apps.registrar.contact_policy import contact_allowed
from apps.registrar.decisions import Refused, Registration
from apps.registrar.expiry import spread_s
from apps.registrar.outbound import PathValues, outbound_key
from apps.registrar.outcomes import EndReason, EventKind
from apps.registrar.rhythm import Rhythm
from apps.registrar.sources import rewritten_header
from apps.sip.contact import Contact, parse_expires
from apps.sip.message import Request
from apps.sip.uri import SipUri, uris_equal

LONGEST_USER_AGENT: Final = 256
# Under an hour a request may be called too brief (RFC 3261 §10.3 step 7).
BRIEF_BELOW_S: Final = 3600
# A renewal may come with the old expiry counted from another second; that shortens nothing. Nor does the spread.
SHORTENED_BY: Final = dt.timedelta(seconds=5)


def refuse_out_of_order(registration: Registration, binding: StoredBinding, *, strictly: bool) -> None:
    """§10.3 steps 6-7: within one Call-ID the CSeq must rise; a refresh may repeat it unless `strictly` (C69)."""
    request = registration.request
    if binding.call_id != request.call_id or request.cseq > binding.cseq:
        return
    if strictly or registration.domain.strict_cseq or request.cseq < binding.cseq:
        raise Refused(outcomes.CSEQ_OUT_OF_ORDER)


class Limits(NamedTuple):
    """Of what is granted, in seconds: the peer's own, else the domain's; spread by so many percent."""

    domain: DomainPolicy
    own_least_s: int | None
    own_most_s: int | None
    spread_percent: int

    @property
    def least_s(self) -> int:
        return self.own_least_s or self.domain.min_expires_s

    @property
    def most_s(self) -> int:
        return max(self.least_s, self.own_most_s or self.domain.max_expires_s)

    def granted_s(self, asked_s: int | None, aor: str, binding_key: str, call_id: str, cseq: int) -> int:
        """§10.3 step 7: what is asked or the default, within the limits, spread (expiry.py); below them 423, or the
        least (C63). Raises Refused."""
        place, request = f"{aor} {binding_key}", f"{call_id} {cseq}"
        return spread_s(
            self.whole_s(asked_s), self.least_s, self.spread_percent, place=place, request=request
        )

    def whole_s(self, asked_s: int | None) -> int:
        """What is granted before it is spread. Raises Refused."""
        domain, least, most = self.domain, self.least_s, self.most_s
        if asked_s is None:
            return min(max(domain.default_expires_s, least), most)
        if 0 < asked_s < least and asked_s < BRIEF_BELOW_S:
            if not domain.raise_brief:
                raise Refused(outcomes.INTERVAL_TOO_BRIEF, [("Min-Expires", str(least))])
            return least
        return min(asked_s, most)


def limits_of(registration: Registration) -> Limits:
    domain, account = registration.domain, registration.account
    percent = registration.spread(domain.expires_spread_percent)
    return Limits(domain, account.min_expires_s, account.max_expires_s, percent)


def requested_s(request: Request, contact: Contact) -> int | None:
    """What the contact asks for, else the request for all of them; None if neither does."""
    return parse_expires(request.value("expires")) if contact.expires_s is None else contact.expires_s


def user_agent(registration: Registration) -> str:
    return (registration.request.value("user-agent") or "")[:LONGEST_USER_AGENT]


@dataclass(slots=True)
class Change:
    """The AOR's bindings while contacts are applied, and the events of it."""

    registration: Registration
    bindings: list[StoredBinding]
    path: PathValues
    events: list[Event]
    touched: set[UUID]

    @classmethod
    def begin(cls, registration: Registration, live: tuple[StoredBinding, ...], path: PathValues) -> "Change":
        return cls(registration, list(live), path, [], set())

    def apply(self, contact: Contact) -> None:
        """Adds, refreshes or removes one contact. Raises Refused."""
        if contact.uri is None:
            raise Refused(outcomes.BAD_CONTACT)
        limits, asked_s = limits_of(self.registration), requested_s(self.registration.request, contact)
        expires_s = self._granted_s(limits, contact, asked_s)
        known = self._known(contact, contact.uri)
        if known is not None and known.binding_id not in self.touched:
            refuse_out_of_order(self.registration, known, strictly=False)
        if expires_s == 0:
            if known is not None:
                self._end(known, EndReason.UNREGISTERED)
            return
        self._refuse_unwanted(contact.uri)
        if known is not None:
            refreshed = self._refresh(known, contact, contact.uri, expires_s)
            self._log_refresh(known, refreshed, limits.whole_s(asked_s))
        else:
            self._add(contact, contact.uri, expires_s)

    def _granted_s(self, limits: Limits, contact: Contact, asked_s: int | None) -> int:
        registration, request = self.registration, self.registration.request
        key = self._key(contact)
        return limits.granted_s(asked_s, registration.aor, key, request.call_id, request.cseq)

    def _known(self, contact: Contact, uri: SipUri) -> StoredBinding | None:
        """Its binding: by instance and reg-id if it has both (RFC 5626 §6), by the URI else (§19.1.4).

        The same text wins over an equal URI: equality is not transitive, and two rows must never want one key.
        """
        key = self._key(contact)
        outbound = key != contact.uri_text
        equal: list[Callable[[StoredBinding], bool]] = [
            lambda row: row.binding_key == key,
            lambda row: row.binding_key == row.contact and uris_equal(row.uri, uri),
            lambda row: not outbound and uris_equal(row.uri, uri),
        ]
        for same in equal:
            for binding in self.bindings:
                if same(binding):
                    return binding
        return None

    def _key(self, contact: Contact) -> str:
        key = outbound_key(contact) if self.registration.domain.outbound else None
        return key or contact.uri_text

    def _refuse_unwanted(self, uri: SipUri) -> None:
        registration = self.registration
        if registration.domain.any_contact:
            return
        if not contact_allowed(
            uri, registration.source[0], registration.own_hosts | {registration.domain.name}
        ):
            raise Refused(outcomes.CONTACT_NOT_ALLOWED)

    def _refresh(self, known: StoredBinding, contact: Contact, uri: SipUri, expires_s: int) -> StoredBinding:
        refreshed = _renewed(known, self._binding(known.binding_id, contact, uri, expires_s))
        if known.binding_id not in self.touched:
            _refuse_other_change(known, refreshed)
        self.bindings[self.bindings.index(known)] = refreshed
        self.touched.add(refreshed.binding_id)
        return refreshed

    def _log_refresh(self, known: StoredBinding, refreshed: StoredBinding, whole_s: int) -> None:
        """A normal renewal is no event."""
        now = self.registration.now
        self.events += late_events(known, now)
        if known.received != refreshed.received:
            moved = event_of(refreshed, EventKind.MOVED, "moved", now)
            count = refreshed.refresh_count
            self.events.append(replace(moved, old_received=known.received, refresh_count=count))
        if known.expires_at - dt.timedelta(seconds=whole_s) - now > SHORTENED_BY:
            self.events.append(event_of(refreshed, EventKind.SHORTENED, "shortened", now))

    def _add(self, contact: Contact, uri: SipUri, expires_s: int) -> None:
        self._make_room(contact, uri)
        added = self._binding(self.registration.new_id(), contact, uri, expires_s)
        self.bindings.append(added)
        self.touched.add(added.binding_id)
        self.events.append(event_of(added, EventKind.REGISTERED, "registered", self.registration.now))

    def _make_room(self, contact: Contact, uri: SipUri) -> None:
        account = self.registration.account
        own = [binding for binding in self.bindings if binding.peer_id == account.peer_id]
        if len(own) < account.max_contacts:
            return
        # What this very request added must stay: it asked for more than it may have.
        replaceable = [binding for binding in own if binding.binding_id not in self.touched]
        if not (account.replace_when_full and replaceable):
            raise Refused(outcomes.TOO_MANY_CONTACTS)
        self._end(self._least_wanted(replaceable, contact, uri), EndReason.REPLACED)

    def _least_wanted(self, own: list[StoredBinding], contact: Contact, uri: SipUri) -> StoredBinding:
        """The same device's older contact (by +sip.instance, else host:port and user agent), else the oldest."""
        agent = user_agent(self.registration)
        oldest_first = sorted(own, key=lambda binding: binding.refreshed_at)
        for binding in oldest_first:
            if contact.instance_id is not None and binding.instance_id == contact.instance_id:
                return binding
        for binding in oldest_first:
            same_place = (binding.uri.host, binding.uri.port) == (uri.host, uri.port)
            if same_place and binding.user_agent == agent:
                return binding
        return oldest_first[0]

    def _end(self, binding: StoredBinding, reason: EndReason) -> None:
        self.bindings.remove(binding)
        self.events += end_events(binding, reason, self.registration.now)

    def _binding(self, binding_id: UUID, contact: Contact, uri: SipUri, expires_s: int) -> StoredBinding:
        registration, request = self.registration, self.registration.request
        host, port = registration.source
        pub_gruu, temp_gruu = self._gruus(contact)
        return StoredBinding(
            aor=registration.aor,
            binding_id=binding_id,
            binding_key=self._key(contact),
            peer_id=registration.account.peer_id,
            extension_id=registration.account.extension_id,
            contact=contact.uri_text,
            q=contact.q,
            received_addr=host,
            received_port=port,
            transport=registration.transport,
            path=", ".join(self.path),
            instance_id=contact.instance_id,
            reg_id=contact.reg_id,
            call_id=request.call_id,
            cseq=request.cseq,
            user_agent=user_agent(registration),
            registered_at=registration.now,
            refreshed_at=registration.now,
            expires_at=registration.now + dt.timedelta(seconds=expires_s),
            flow=registration.flow,
            pub_gruu=pub_gruu,
            temp_gruu=temp_gruu,
            rewritten=rewritten_header(request, uri, host, registration.transport),
            server=registration.server,
            local=registration.local,
        )

    def _gruus(self, contact: Contact) -> tuple[str | None, str | None]:
        """RFC 5627 §5.1: for a device that understands them, and says which it is."""
        registration, request = self.registration, self.registration.request
        if contact.instance_id is None or not registration.gruu_key or not registration.supports("gruu"):
            return None, None
        return (
            gruu.pub_gruu(registration.aor, contact.instance_id),
            gruu.temp_gruu(
                registration.gruu_key, registration.aor, contact.instance_id, request.call_id, request.cseq
            ),
        )


def _renewed(known: StoredBinding, binding: StoredBinding) -> StoredBinding:
    """The binding as the request says it, in `known`'s place: with its age, and what the gap between both taught."""
    rhythm = Rhythm(known.renewal_gap_s, known.renewal_dev_s).after(
        (binding.refreshed_at - known.refreshed_at).total_seconds(),
        old_granted_s=(known.expires_at - known.refreshed_at).total_seconds(),
        granted_s=(binding.expires_at - binding.refreshed_at).total_seconds(),
    )
    return replace(
        binding,
        registered_at=known.registered_at,
        refresh_count=known.refresh_count + 1,
        renewal_gap_s=rhythm.gap_s,
        renewal_dev_s=rhythm.dev_s,
        late_at=rhythm.late_at(binding.refreshed_at, binding.expires_at),
    )


def _refuse_other_change(known: StoredBinding, refreshed: StoredBinding) -> None:
    """C69: a request that repeats the stored Call-ID and CSeq may change the expiry and nothing else."""
    if (known.call_id, known.cseq) != (refreshed.call_id, refreshed.cseq):
        return
    same = replace(
        refreshed,
        refreshed_at=known.refreshed_at,
        expires_at=known.expires_at,
        refresh_count=known.refresh_count,
        renewal_gap_s=known.renewal_gap_s,
        renewal_dev_s=known.renewal_dev_s,
        late_at=known.late_at,
        rewritten=known.rewritten,
        server=known.server,
        local=known.local,
        renewal_key=known.renewal_key,
    )
    if same != known:
        raise Refused(outcomes.CSEQ_OUT_OF_ORDER)
