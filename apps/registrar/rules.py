"""RFC 3261 §10.3 as pure functions: a request and what is stored in, an answer and what is to change out.

No I/O, no clock, no chance: `now` and `new_id` are arguments. Steps 1 and 2 are triage.py, 3 is authentication.py,
4 to 8 are `register`, whose parts are changes.py (7), outbound.py (ways back) and answers.py (8).
"""

import datetime as dt

from apps.registrar import outcomes
from apps.registrar.answers import SUPPORTED_TAGS, ok_answer
from apps.registrar.bindings import Account, Address, DomainPolicy, Event, StoredBinding, end_events
from apps.registrar.changes import LONGEST_USER_AGENT, Change, refuse_out_of_order
from apps.registrar.decisions import Answer, Decision, Refused, Registration
from apps.registrar.outbound import accepted_path, applies_outbound
from apps.registrar.outcomes import EndReason, EventKind, Outcome
from apps.sip.contact import Contact, ContactError, Star, parse_contacts, parse_expires
from apps.sip.message import Request
from apps.sip.uri import address_of_record, aor_of

__all__ = [
    "SUPPORTED_TAGS",
    "Answer",
    "Decision",
    "Registration",
    "refusal_event",
    "register",
    "requested_aor",
]


def requested_aor(request: Request) -> str | None:
    """The canonical AOR of the To header (§10.3 step 5), None if it is not a sip or sips address."""
    return address_of_record(request.to.uri) if request.to.uri is not None else None


def register(registration: Registration) -> Decision:
    """§10.3 steps 4 to 8. All or nothing: a refusal leaves every binding as it was, except that expired ones go."""
    live, ended = _split_expired(registration)
    try:
        _authorize(registration)
        decision = _apply(registration, live)
    except Refused as refused:
        return Decision(refused.answer, live, (*ended, _refusal(registration, refused.answer.outcome)))
    return Decision(decision.answer, decision.bindings, (*ended, *decision.events))


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
        aor=aor_of(account.extension_number or account.peer_name, domain.name),
        peer_id=account.peer_id,
        extension_id=account.extension_id,
        received=source,
        user_agent=(request.value("user-agent") or "")[:LONGEST_USER_AGENT],
    )


def _split_expired(registration: Registration) -> tuple[tuple[StoredBinding, ...], list[Event]]:
    now = registration.now
    live = tuple(binding for binding in registration.bindings if binding.expires_at > now)
    expired = (binding for binding in registration.bindings if binding.expires_at <= now)
    return live, [event for binding in expired for event in end_events(binding, EndReason.EXPIRED, now)]


def _authorize(registration: Registration) -> None:
    """Steps 4 and 5: a peer registers its own name or its extension's number, in the domain it asked for."""
    uri = registration.request.to.uri
    if uri is None:
        raise Refused(outcomes.BAD_TO)
    if uri.host != registration.domain.name:
        raise Refused(outcomes.NOT_OUR_DOMAIN)
    if uri.user not in registration.account.address_users:
        raise Refused(outcomes.OTHER_USERS_AOR)


def _apply(registration: Registration, live: tuple[StoredBinding, ...]) -> Decision:
    """Steps 6 to 8."""
    contacts = _contacts(registration.request)
    path = accepted_path(registration)
    if isinstance(contacts, Star):
        return _remove_all(registration, live)
    outbound = applies_outbound(registration, contacts, path)
    change = Change.begin(registration, live, path)
    for contact in contacts:
        change.apply(contact)
    answer = ok_answer(registration, change.bindings, path if contacts else (), outbound=outbound)
    return Decision(answer, tuple(change.bindings), tuple(change.events))


def _contacts(request: Request) -> tuple[Contact, ...] | Star:
    try:
        return parse_contacts(request.values("contact"))
    except ContactError as error:
        raise Refused(_contact_outcome(error)) from None


def _contact_outcome(error: ContactError) -> Outcome:
    known = {
        "too_many_contacts": outcomes.TOO_MANY_CONTACTS,
        "star_with_contacts": outcomes.BAD_WILDCARD,
    }
    return known.get(error.why, outcomes.BAD_CONTACT)


def _remove_all(registration: Registration, live: tuple[StoredBinding, ...]) -> Decision:
    if parse_expires(registration.request.value("expires")) != 0:
        raise Refused(outcomes.BAD_WILDCARD)
    for binding in live:
        refuse_out_of_order(registration, binding, strictly=True)
    now = registration.now
    ends = [event for binding in live for event in end_events(binding, EndReason.UNREGISTERED, now)]
    return Decision(ok_answer(registration, (), (), outbound=False), (), tuple(ends))


def _refusal(registration: Registration, outcome: Outcome) -> Event:
    return refusal_event(
        registration.request,
        registration.account,
        registration.domain,
        outcome,
        registration.source,
        registration.now,
    )
