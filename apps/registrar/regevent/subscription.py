"""What a SUBSCRIBE to the registration event package does (RFC 6665 §4.2.1, RFC 3680 §4). Pure.

No I/O, no clock, no chance: `now` and `new_id` are arguments. Who asks is proven already (authentication.py). Must not
write the NOTIFY: it only says whom to tell, and whether that is the last time.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from apps.registrar import outcomes
from apps.registrar.bindings import Account, DomainPolicy
from apps.registrar.decisions import Answer, Headers, Refused
from apps.registrar.outcomes import Outcome
from apps.registrar.regevent.notify import own_contact
from apps.registrar.regevent.values import (
    CONTENT_TYPE,
    PACKAGE,
    EndOfSubscription,
    Subscribed,
    Subscription,
    Way,
)
from apps.sip.contact import ContactError, Star, parse_contacts, parse_expires
from apps.sip.message import Request
from apps.sip.params import FieldError, find_param, parse_params, split_list
from apps.sip.transactions import answer_tag, transaction_key

ALLOW_EVENTS: Final = ("Allow-Events", PACKAGE)
# RFC 3680 §4.4.
DEFAULT_EXPIRES_S: Final = 3761
# Under an hour a subscription may be called too brief (RFC 6665 §4.2.1.1).
BRIEF_BELOW_S: Final = 3600
MOST_PER_PEER: Final = 10
LONGEST_ROUTE_SET: Final = 2048
LONGEST_EVENT_ID: Final = 64
LONGEST_TAG: Final = 256

BAD_EVENT: Final = Outcome(489, "Bad Event", "bad_event")
NOT_ACCEPTABLE: Final = Outcome(406, "Not Acceptable", "not_acceptable")
UNKNOWN_AOR: Final = Outcome(404, "Not Found", "unknown_aor")
NO_DIALOG: Final = Outcome(481, "Subscription Does Not Exist", "no_subscription")
BAD_TARGET: Final = Outcome(400, "Bad Contact", "bad_subscribe_contact")
BAD_ROUTE_SET: Final = Outcome(400, "Bad Record-Route", "bad_record_route")
# RFC 3261 §12.2.2 wants this status, though the fault is not ours.
OUT_OF_ORDER: Final = Outcome(500, "CSeq Out Of Order", "subscribe_out_of_order")


@dataclass(frozen=True, slots=True)
class Subscribing:
    """An authenticated SUBSCRIBE with all it is decided from: `subscriptions` are all stored ones of the AOR, is_served
    whether an extension or a device has it."""

    request: Request
    account: Account
    domain: DomainPolicy
    aor: str
    subscriptions: tuple[Subscription, ...]
    way: Way
    sent_by: str
    now: dt.datetime
    new_id: Callable[[], UUID]
    is_served: bool = True


@dataclass(frozen=True, slots=True)
class SubscribeDecision:
    """The answer, the AOR's subscriptions from now on, and whom to tell the full state."""

    answer: Answer
    subscriptions: tuple[Subscription, ...]
    told: tuple[Subscribed, ...] = ()


def triage_subscribe(request: Request) -> Answer | None:
    """What needs no look-up: another event package, or no document we write is wanted (RFC 6665 §4.2.1.1)."""
    package, _ = _event(request)
    if package.lower() != PACKAGE:
        return Answer(BAD_EVENT, [ALLOW_EVENTS])
    accepted = [value.partition(";")[0].strip(" \t").lower() for value in request.tokens("accept")]
    if accepted and not {CONTENT_TYPE, "application/*", "*/*"} & set(accepted):
        return Answer(NOT_ACCEPTABLE, [("Accept", CONTENT_TYPE)])
    return None


def subscribe(subscribing: Subscribing) -> SubscribeDecision:
    """An initial SUBSCRIBE, a refresh, an end or a fetch. A refusal changes nothing."""
    try:
        _authorize(subscribing)
        if subscribing.request.to.tag is None:
            return _begin(subscribing)
        return _go_on(subscribing, _dialog(subscribing))
    except Refused as refused:
        return SubscribeDecision(refused.answer, subscribing.subscriptions)


def _authorize(subscribing: Subscribing) -> None:
    """C111: a peer is told of its own name's or its extension's registrations; of others in its domain only if an
    admin lets it watch (RFC 3680 §6)."""
    request, account = subscribing.request, subscribing.account
    if request.to.uri is None:
        raise Refused(outcomes.BAD_TO)
    if request.to.uri.host != subscribing.domain.name:
        raise Refused(outcomes.NOT_OUR_DOMAIN)
    asked = {request.to.uri.user}
    if request.to.tag is None and request.request_uri is not None:
        asked.add(request.request_uri.user or request.to.uri.user)
    if asked <= account.address_users:
        return
    if not account.may_watch:
        raise Refused(outcomes.OTHER_USERS_AOR)
    if not subscribing.is_served:
        raise Refused(UNKNOWN_AOR)


def _begin(subscribing: Subscribing) -> SubscribeDecision:
    expires_s = _granted_s(subscribing)
    subscription = _new(subscribing, expires_s)
    answer = _ok(subscribing, expires_s)
    if expires_s == 0:
        return SubscribeDecision(
            answer, subscribing.subscriptions, (Subscribed(subscription, EndOfSubscription.TIMEOUT),)
        )
    kept, dropped = _make_room(subscribing)
    return SubscribeDecision(answer, (*kept, subscription), (*dropped, Subscribed(subscription)))


def _go_on(subscribing: Subscribing, known: Subscription) -> SubscribeDecision:
    expires_s = _granted_s(subscribing)
    refreshed = replace(
        known,
        target=_target(subscribing.request) or known.target,
        remote_cseq=subscribing.request.cseq,
        expires_at=subscribing.now + dt.timedelta(seconds=expires_s),
        way=subscribing.way,
        sent_by=subscribing.sent_by,
    )
    others = tuple(row for row in subscribing.subscriptions if row.subscription_id != known.subscription_id)
    answer = _ok(subscribing, expires_s)
    if expires_s == 0:
        return SubscribeDecision(answer, others, (Subscribed(refreshed, EndOfSubscription.TIMEOUT),))
    return SubscribeDecision(answer, (*others, refreshed), (Subscribed(refreshed),))


def _dialog(subscribing: Subscribing) -> Subscription:
    """The live subscription of the request's dialog and event id (RFC 6665 §4.5.1). Raises Refused."""
    request = subscribing.request
    wanted = (request.call_id, request.to.tag, request.from_.tag or "", _event(request)[1])
    for row in subscribing.subscriptions:
        own = row.peer_id == subscribing.account.peer_id and row.expires_at > subscribing.now
        if own and wanted == (row.call_id, row.local_tag, row.remote_tag, row.event_id):
            if request.cseq < row.remote_cseq:
                raise Refused(OUT_OF_ORDER)
            return row
    raise Refused(NO_DIALOG)


def _make_room(subscribing: Subscribing) -> tuple[tuple[Subscription, ...], tuple[Subscribed, ...]]:
    """Who subscribes too often loses the oldest: a phone that lost its memory must not lock itself out."""
    peer_id = subscribing.account.peer_id
    own = sorted(
        (row for row in subscribing.subscriptions if row.peer_id == peer_id), key=lambda row: row.expires_at
    )
    surplus = own[: max(0, len(own) - MOST_PER_PEER + 1)]
    kept = tuple(row for row in subscribing.subscriptions if row not in surplus)
    return kept, tuple(Subscribed(row, EndOfSubscription.PROBATION) for row in surplus)


def _new(subscribing: Subscribing, expires_s: int) -> Subscription:
    request = subscribing.request
    target = _target(request)
    if target is None:
        raise Refused(BAD_TARGET)
    remote_tag = request.from_.tag or ""
    if len(remote_tag) > LONGEST_TAG:
        raise Refused(outcomes.BAD_TO)
    return Subscription(
        subscription_id=subscribing.new_id(),
        aor=subscribing.aor,
        peer_id=subscribing.account.peer_id,
        call_id=request.call_id,
        local_tag=answer_tag(transaction_key(request)),
        remote_tag=remote_tag,
        local_uri=request.to.uri_text,
        remote_uri=request.from_.uri_text,
        target=target,
        route_set=_route_set(request),
        event_id=_event(request)[1],
        sent_by=subscribing.sent_by,
        remote_cseq=request.cseq,
        cseq=0,
        version=0,
        expires_at=subscribing.now + dt.timedelta(seconds=expires_s),
        notified_at=subscribing.now,
        way=subscribing.way,
    )


def _granted_s(subscribing: Subscribing) -> int:
    """What is asked or the default, within the domain's limits; below them 423 (RFC 6665 §4.2.1.1)."""
    domain = subscribing.domain
    least = domain.min_expires_s
    most = max(least, domain.max_expires_s)
    asked_s = parse_expires(subscribing.request.value("expires"))
    if asked_s is None:
        asked_s = DEFAULT_EXPIRES_S
    if 0 < asked_s < least:
        if asked_s < BRIEF_BELOW_S and not domain.raise_brief:
            raise Refused(outcomes.INTERVAL_TOO_BRIEF, [("Min-Expires", str(least))])
        return least
    return min(asked_s, most)


def _ok(subscribing: Subscribing, expires_s: int) -> Answer:
    routes = [("Record-Route", value) for value in subscribing.request.values("record-route")]
    contact = own_contact(subscribing.sent_by, subscribing.way.transport)
    headers: Headers = [*routes, ("Contact", contact), ("Expires", str(expires_s))]
    return Answer(outcomes.OK, headers)


def _target(request: Request) -> str | None:
    """Where NOTIFYs are addressed to: the one sip or sips Contact; None if there is no Contact. Raises Refused."""
    values = request.values("contact")
    try:
        contacts = parse_contacts(values)
    except ContactError:
        raise Refused(BAD_TARGET) from None
    if not contacts:
        return None
    if isinstance(contacts, Star) or len(contacts) > 1 or contacts[0].uri is None:
        raise Refused(BAD_TARGET)
    if contacts[0].uri.headers:
        raise Refused(BAD_TARGET)
    return contacts[0].uri_text


def _route_set(request: Request) -> str:
    """The recorded route in the order it came (RFC 3261 §12.1.1). Raises Refused."""
    values = request.values("record-route")
    try:
        routes = [route for value in values for route in split_list(value)]
    except FieldError:
        raise Refused(BAD_ROUTE_SET) from None
    text = ", ".join(routes)
    if len(text) > LONGEST_ROUTE_SET or not all(_is_route(route) for route in routes):
        raise Refused(BAD_ROUTE_SET)
    return text


def _is_route(text: str) -> bool:
    return text.startswith("<") and ">" in text


def _event(request: Request) -> tuple[str, str | None]:
    """Package and id of the Event header; "" where it is missing or cannot be read."""
    values: Sequence[str] = request.values("event")
    if len(values) != 1:
        return "", None
    package, semicolon, params = values[0].partition(";")
    try:
        event_id = find_param(parse_params(semicolon + params), "id") if semicolon else None
    except FieldError:
        return "", None
    if event_id is not None and len(event_id) > LONGEST_EVENT_ID:
        return "", None
    return package.strip(" \t"), event_id
