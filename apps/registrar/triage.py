"""What needs no look-up is answered at once: RFC 3261 §8.2 and §10.3 steps 1 and 2, as a pure function.

No I/O, no clock. Must not decide anything about bindings: a REGISTER for a domain of ours goes on to
authentication.py and rules.py.
"""

from collections.abc import Mapping
from typing import Final

from apps.registrar import outcomes
from apps.registrar.bindings import DomainPolicy
from apps.registrar.rules import SUPPORTED_TAGS, Answer
from apps.sip.message import Request

ALLOW: Final = ("Allow", "REGISTER, OPTIONS")
KNOWN_METHODS: Final = frozenset(
    {"INVITE", "BYE", "PRACK", "UPDATE", "INFO", "SUBSCRIBE", "NOTIFY", "MESSAGE", "REFER", "PUBLISH"}
)


def triage(request: Request, domains: Mapping[str, DomainPolicy]) -> Answer | DomainPolicy:
    """What needs no look-up is answered; a REGISTER for a domain of ours gives that domain (§8.2, §10.3 steps 1-2)."""
    if request.method == "CANCEL":
        return Answer(outcomes.NO_TRANSACTION)
    if request.method not in {"REGISTER", "OPTIONS"}:
        known = request.method in KNOWN_METHODS
        return Answer(outcomes.METHOD_NOT_ALLOWED if known else outcomes.NOT_IMPLEMENTED, [ALLOW])
    if request.request_uri is None:
        return Answer(outcomes.UNSUPPORTED_SCHEME)
    unsupported = [tag for tag in request.tokens("require") if tag.lower() not in SUPPORTED_TAGS]
    domain = domains.get(request.request_uri.host)
    if request.method == "OPTIONS":
        return _options(unsupported)
    if domain is None:
        return Answer(outcomes.NOT_OUR_DOMAIN)
    if unsupported:
        return _bad_extension(unsupported)
    return domain


def _options(unsupported: list[str]) -> Answer:
    if unsupported:
        return _bad_extension(unsupported)
    supported = ("Supported", ", ".join(sorted(SUPPORTED_TAGS)))
    return Answer(outcomes.OK, [ALLOW, ("Accept", "application/sdp"), supported])


def _bad_extension(unsupported: list[str]) -> Answer:
    return Answer(outcomes.BAD_EXTENSION, [("Unsupported", ", ".join(unsupported))])
