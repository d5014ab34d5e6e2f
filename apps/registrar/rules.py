"""RFC 3261 §10.3 as pure functions: a request and what is stored in, an answer and what is to change out.

No I/O, no clock, no chance: `now` and `new_id` are arguments. Steps 1 and 2 are triage.py, 3 is authentication.py,
4 to 8 are `register`.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from apps.registrar import outcomes
from apps.registrar.bindings import Account, Address, DomainPolicy, Event, StoredBinding, end_event
from apps.registrar.outcomes import EndReason, EventKind, Outcome
from apps.sip.contact import Contact, ContactError, Star, parse_contacts, parse_expires
from apps.sip.message import Request
from apps.sip.response import sip_date
from apps.sip.uri import SipUri, address_of_record, uris_equal

SUPPORTED_TAGS: Final[frozenset[str]] = frozenset()
SUPPORTED_TAGS: Final = frozenset({"path", "outbound", "gruu"})
LONGEST_USER_AGENT: Final = 256
# Under an hour a request may be called too brief (RFC 3261 §10.3 step 7).
BRIEF_BELOW_S: Final = 3600

Headers = Sequence[tuple[str, str]]
NewId = Callable[[], UUID]


@dataclass(frozen=True, slots=True)
class Answer:
    outcome: Outcome
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Registration:
    """An authenticated REGISTER with all it is decided from. `bindings` are all stored ones of the AOR, live or not."""

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


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, the AOR's bindings from now on, and what goes into the ledger."""

    answer: Answer
    bindings: tuple[StoredBinding, ...]
    events: tuple[Event, ...] = ()


class _Refused(Exception):  # noqa: N818 - leaves this module only as a Decision
    def __init__(self, outcome: Outcome, headers: Headers = ()) -> None:
        self.answer = Answer(outcome, headers)
        super().__init__(outcome.code)


def requested_aor(request: Request) -> str | None:
    """The canonical AOR of the To header (§10.3 step 5), None if it is not a sip or sips address."""
    return address_of_record(request.to.uri) if request.to.uri is not None else None


def register(registration: Registration) -> Decision:
    """§10.3 steps 4 to 8. All or nothing: a refusal leaves every binding as it was, except that expired ones go."""
    live, ended = _split_expired(registration)
    try:
        _authorize(registration)
        bindings, events = _apply(registration, live)
    except _Refused as refused:
        return Decision(refused.answer, live, (*ended, _refusal(registration, refused.answer.outcome)))
    return Decision(_ok(registration, bindings), bindings, (*ended, *events))


def _split_expired(registration: Registration) -> tuple[tuple[StoredBinding, ...], list[Event]]:
    now = registration.now
    live = tuple(binding for binding in registration.bindings if binding.expires_at > now)
    expired = (binding for binding in registration.bindings if binding.expires_at <= now)
    return live, [end_event(binding, EndReason.EXPIRED, now) for binding in expired]


def _authorize(registration: Registration) -> None:
    """Steps 4 and 5: a peer registers its own name or its extension's number, in the domain it asked for."""
    uri = registration.request.to.uri
    if uri is None:
        raise _Refused(outcomes.BAD_TO)
    if uri.host != registration.domain.name:
        raise _Refused(outcomes.NOT_OUR_DOMAIN)
    if uri.user not in registration.account.address_users:
        raise _Refused(outcomes.OTHER_USERS_AOR)


def _apply(
    registration: Registration, live: tuple[StoredBinding, ...]
) -> tuple[tuple[StoredBinding, ...], list[Event]]:
    """Steps 6 and 7."""
    try:
        contacts = parse_contacts(registration.request.values("contact"))
    except ContactError as error:
        raise _Refused(_contact_outcome(error)) from None
    if isinstance(contacts, Star):
        return _remove_all(registration, live)
    change = _Change(registration, live)
    for contact in contacts:
        change.apply(contact)
    return tuple(change.bindings), change.events


def _contact_outcome(error: ContactError) -> Outcome:
    known = {
        "too_many_contacts": outcomes.TOO_MANY_CONTACTS,
        "star_with_contacts": outcomes.BAD_WILDCARD,
    }
    return known.get(error.why, outcomes.BAD_CONTACT)


def _remove_all(
    registration: Registration, live: tuple[StoredBinding, ...]
) -> tuple[tuple[StoredBinding, ...], list[Event]]:
    if parse_expires(registration.request.value("expires")) != 0:
        raise _Refused(outcomes.BAD_WILDCARD)
    for binding in live:
        _refuse_out_of_order(registration.request, binding, strictly=True)
    return (), [end_event(binding, EndReason.UNREGISTERED, registration.now) for binding in live]


def _refuse_out_of_order(request: Request, binding: StoredBinding, *, strictly: bool) -> None:
    """§10.3 steps 6-7: within one Call-ID the CSeq must rise; a contact's own refresh may repeat it (C69)."""
    if binding.call_id != request.call_id or request.cseq > binding.cseq:
        return
    if strictly or request.cseq < binding.cseq:
        raise _Refused(outcomes.CSEQ_OUT_OF_ORDER)


class _Change:
    """The AOR's bindings while the contacts of one request are applied, in order."""

    def __init__(self, registration: Registration, live: tuple[StoredBinding, ...]) -> None:
        self.registration = registration
        self.bindings = list(live)
        self.events: list[Event] = []
        self.touched: set[UUID] = set()
        self.header_expires_s = parse_expires(registration.request.value("expires"))

    def apply(self, contact: Contact) -> None:
        if contact.uri is None:
            raise _Refused(outcomes.BAD_CONTACT)
        expires_s = self._granted_s(contact)
        known = next((binding for binding in self.bindings if uris_equal(binding.uri, contact.uri)), None)
        if known is not None and known.binding_id not in self.touched:
            _refuse_out_of_order(self.registration.request, known, strictly=False)
        if expires_s == 0:
            if known is not None:
                self._end(known, EndReason.UNREGISTERED)
        elif known is not None:
            self._refresh(known, contact, expires_s)
        else:
            self._add(contact, contact.uri, expires_s)

    def _granted_s(self, contact: Contact) -> int:
        """§10.3 step 7: the parameter, else the header, else the default; within the limits or 423."""
        asked = contact.expires_s if contact.expires_s is not None else self.header_expires_s
        account, domain = self.registration.account, self.registration.domain
        least = account.min_expires_s or domain.min_expires_s
        most = max(least, account.max_expires_s or domain.max_expires_s)
        if asked is None:
            return min(max(domain.default_expires_s, least), most)
        if 0 < asked < least and asked < BRIEF_BELOW_S:
            raise _Refused(outcomes.INTERVAL_TOO_BRIEF, [("Min-Expires", str(least))])
        return min(asked, most)

    def _refresh(self, known: StoredBinding, contact: Contact, expires_s: int) -> None:
        refreshed = replace(
            self._binding(known.binding_id, contact, expires_s),
            registered_at=known.registered_at,
            refresh_count=known.refresh_count + 1,
        )
        self.bindings[self.bindings.index(known)] = refreshed
        self.touched.add(refreshed.binding_id)
        if known.received != refreshed.received:
            self._log(EventKind.MOVED, "moved", refreshed, old_received=known.received)

    def _add(self, contact: Contact, uri: SipUri, expires_s: int) -> None:
        self._make_room(contact, uri)
        added = self._binding(self.registration.new_id(), contact, expires_s)
        self.bindings.append(added)
        self.touched.add(added.binding_id)
        self._log(EventKind.REGISTERED, "registered", added)

    def _make_room(self, contact: Contact, uri: SipUri) -> None:
        account = self.registration.account
        own = [binding for binding in self.bindings if binding.peer_id == account.peer_id]
        if len(own) < account.max_contacts:
            return
        # What this very request added must stay: it asked for more than it may have.
        replaceable = [binding for binding in own if binding.binding_id not in self.touched]
        if not (account.replace_when_full and replaceable):
            raise _Refused(outcomes.TOO_MANY_CONTACTS)
        self._end(self._least_wanted(replaceable, contact, uri), EndReason.REPLACED)

    def _least_wanted(self, own: list[StoredBinding], contact: Contact, uri: SipUri) -> StoredBinding:
        """The same device's older contact (by +sip.instance, else host:port and user agent), else the oldest."""
        user_agent = self._user_agent()
        oldest_first = sorted(own, key=lambda binding: binding.refreshed_at)
        for binding in oldest_first:
            if contact.instance_id is not None and binding.instance_id == contact.instance_id:
                return binding
        for binding in oldest_first:
            same_place = (binding.uri.host, binding.uri.port) == (uri.host, uri.port)
            if same_place and binding.user_agent == user_agent:
                return binding
        return oldest_first[0]

    def _end(self, binding: StoredBinding, reason: EndReason) -> None:
        self.bindings.remove(binding)
        self.events.append(end_event(binding, reason, self.registration.now))

    def _binding(self, binding_id: UUID, contact: Contact, expires_s: int) -> StoredBinding:
        registration, request = self.registration, self.registration.request
        host, port = registration.source
        return StoredBinding(
            aor=registration.aor,
            binding_id=binding_id,
            binding_key=contact.uri_text,
            peer_id=registration.account.peer_id,
            extension_id=registration.account.extension_id,
            contact=contact.uri_text,
            q=contact.q,
            received_addr=host,
            received_port=port,
            transport=registration.transport,
            path="",
            instance_id=contact.instance_id,
            reg_id=contact.reg_id,
            call_id=request.call_id,
            cseq=request.cseq,
            user_agent=self._user_agent(),
            registered_at=registration.now,
            refreshed_at=registration.now,
            expires_at=registration.now + dt.timedelta(seconds=expires_s),
            flow=registration.flow,
        )

    def _user_agent(self) -> str:
        return (self.registration.request.value("user-agent") or "")[:LONGEST_USER_AGENT]

    def _log(
        self, event: EventKind, reason: str, binding: StoredBinding, old_received: Address | None = None
    ) -> None:
        self.events.append(
            Event(
                event=event,
                reason=reason,
                at=self.registration.now,
                aor=binding.aor,
                peer_id=binding.peer_id,
                extension_id=binding.extension_id,
                binding_id=binding.binding_id,
                contact=binding.contact,
                received=binding.received,
                old_received=old_received,
                user_agent=binding.user_agent,
            )
        )


def _refusal(registration: Registration, outcome: Outcome) -> Event:
    return refusal_event(
        registration.request,
        registration.account,
        registration.domain,
        outcome,
        registration.source,
        registration.now,
    )


def refusal_event(
    request: Request,
    account: Account,
    domain: DomainPolicy,
    outcome: Outcome,
    source: Address,
    now: dt.datetime,
) -> Event:
    """The ledger's row for a REGISTER that changed nothing, under the peer whose user name it carried."""
    return Event(
        event=EventKind.REFUSED,
        reason=outcome.code,
        at=now,
        aor=f"sip:{account.extension_number or account.peer_name}@{domain.name}",
        peer_id=account.peer_id,
        extension_id=account.extension_id,
        received=source,
        user_agent=(request.value("user-agent") or "")[:LONGEST_USER_AGENT],
    )


def _ok(registration: Registration, bindings: Sequence[StoredBinding]) -> Answer:
    """Step 8: all current bindings, with what is left of each, and the time."""
    contacts = [("Contact", _contact_value(binding, registration.now)) for binding in bindings]
    return Answer(outcomes.OK, [*contacts, ("Date", sip_date(int(registration.now.timestamp())))])


def _contact_value(binding: StoredBinding, now: dt.datetime) -> str:
    """C79: after the URI only q, expires, +sip.instance and reg-id."""
    value = f"<{binding.contact}>"
    if binding.q is not None:
        value += f";q={_q_text(binding.q)}"
    value += f";expires={binding.expires_s(now)}"
    if binding.instance_id is not None:
        value += f';+sip.instance="{binding.instance_id}"'
    if binding.reg_id is not None:
        value += f";reg-id={binding.reg_id}"
    return value


def _q_text(thousandths: int) -> str:
    return f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".")
