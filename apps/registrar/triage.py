"""What needs no look-up is answered at once: RFC 3261 §8.2 and §10.3 steps 1 and 2, as a pure function.

No I/O, no clock. Must not decide anything about bindings: a REGISTER or SUBSCRIBE for a domain of ours goes on to
authentication.py, then to rules.py or regevent/subscription.py.
"""

import ipaddress
from collections.abc import Mapping
from typing import Final

from apps.registrar import outcomes
from apps.registrar.bindings import DomainPolicy
from apps.registrar.outcomes import Outcome
from apps.registrar.regevent.subscription import ALLOW_EVENTS, triage_subscribe
from apps.registrar.rules import SUPPORTED_TAGS, Answer
from apps.sip.contact import ContactError, parse_contacts
from apps.sip.message import Request
from apps.sip.uri import SipUri

ALLOW: Final = ("Allow", "REGISTER, OPTIONS, SUBSCRIBE")
ACCEPT: Final = ("Accept", "application/sdp")
# Where there is a call process to hand the others to.
ALLOW_WITH_CALLS: Final = (
    "Allow",
    "REGISTER, OPTIONS, SUBSCRIBE, INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, NOTIFY, MESSAGE, REFER",
)
KNOWN_METHODS: Final = frozenset(
    {"INVITE", "BYE", "PRACK", "UPDATE", "INFO", "NOTIFY", "MESSAGE", "REFER", "PUBLISH"}
)
_HANDLED: Final = frozenset({"REGISTER", "OPTIONS", "SUBSCRIBE"})
_UNDERSTOOD_TYPES: Final = frozenset({"application/sdp"})


def triage(
    request: Request, domains: Mapping[str, DomainPolicy], allow: tuple[str, str] = ALLOW
) -> Answer | DomainPolicy:
    """What needs no look-up is answered; a REGISTER or SUBSCRIBE for a domain of ours gives that domain (§8.2, §10.3
    steps 1-2).

    Where calls are handed over they do not come here (handover.py).
    In the order of §8.2: method, Request-URI, Require, body. Max-Forwards, Proxy-Require, Route and Record-Route are a
    proxy's business and are not looked at.
    """
    if request.method == "CANCEL":
        return Answer(outcomes.NO_TRANSACTION)
    if request.method not in _HANDLED:
        known = request.method in KNOWN_METHODS
        return Answer(outcomes.METHOD_NOT_ALLOWED if known else outcomes.NOT_IMPLEMENTED, [allow])
    if request.request_uri is None:
        return Answer(outcomes.UNSUPPORTED_SCHEME)
    domain = domains.get(_asked_host(request, request.request_uri))
    if domain is None and (request.method != "OPTIONS" or _is_somebody_elsewhere(request.request_uri)):
        return Answer(outcomes.NOT_OUR_DOMAIN)
    refusal = _not_understood(request) or (
        triage_subscribe(request) if request.method == "SUBSCRIBE" else None
    )
    if refusal is not None:
        return refusal
    if request.method == "OPTIONS" or domain is None:
        supported = ("Supported", ", ".join(sorted(SUPPORTED_TAGS)))
        return Answer(outcomes.OK, [allow, ACCEPT, supported, ALLOW_EVENTS])
    malformed = _malformed(request)
    return domain if malformed is None else Answer(malformed)


def _asked_host(request: Request, uri: SipUri) -> str:
    """The domain asked for; within a dialog the Request-URI is our own Contact, and says nothing (§12.2.1.1)."""
    if request.method == "SUBSCRIBE" and request.to.tag is not None and request.to.uri is not None:
        return request.to.uri.host
    return uri.host


def _is_somebody_elsewhere(uri: SipUri) -> bool:
    """A user of a domain we do not serve. OPTIONS to a bare host or to an address of ours asks about this server."""
    if uri.user is None:
        return False
    try:
        ipaddress.ip_address(uri.host)
    except ValueError:
        return True
    return False


def _not_understood(request: Request) -> Answer | None:
    """§8.2.2.3 and §8.2.3: what the request needs of us and we do not have."""
    unsupported = [tag for tag in request.tokens("require") if tag.lower() not in SUPPORTED_TAGS]
    if unsupported:
        return Answer(outcomes.BAD_EXTENSION, [("Unsupported", ", ".join(unsupported))])
    if not request.body or _is_optional(request.value("content-disposition")):
        return None
    content_type = (request.value("content-type") or "").partition(";")[0].strip(" \t").lower()
    if content_type and content_type not in _UNDERSTOOD_TYPES:
        return Answer(outcomes.UNSUPPORTED_MEDIA_TYPE, [ACCEPT])
    if any(coding.lower() != "identity" for coding in request.tokens("content-encoding")):
        return Answer(outcomes.UNSUPPORTED_MEDIA_TYPE, [("Accept-Encoding", "identity")])
    return None


def _is_optional(content_disposition: str | None) -> bool:
    """handling=optional (§20.11): the body may be left unread."""
    _, *params = (content_disposition or "").lower().split(";")
    return any("".join(param.split()) in {"handling=optional", 'handling="optional"'} for param in params)


def _malformed(request: Request) -> Outcome | None:
    """What no credentials can mend. A phone that has answered its challenge hears of its Contact from the rules."""
    if request.to.uri is None:
        return outcomes.BAD_TO
    if request.value("authorization") is not None:
        return None
    try:
        parse_contacts(request.values("contact"))
    except ContactError as error:
        # Only what is no Contact at all; what is one, and wrong, is judged for somebody known.
        return outcomes.BAD_CONTACT if error.why == "bad_contact" else None
    return None
