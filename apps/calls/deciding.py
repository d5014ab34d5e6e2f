"""Who may call whom, and what follows: a refusal, the way to the phones, or the way out through a trunk. Pure.

Nothing goes anywhere but to registered phones and to trunks. Must not look anything up: it says what to ask, and is
given the answers.
"""

from collections.abc import Callable, Sequence
from typing import Final

from apps.calls.authorizing import FORBIDDEN, Caller, Claimant
from apps.calls.hosts import OtherHosts
from apps.calls.redirect import redirect
from apps.calls.values import CarrierLeg, Forward, Hop, Refuse, Verdict
from apps.registrar.gruu import aor_of_gruu, is_gruu
from apps.routing.answer import (
    Found,
    Question,
    RouteAnswer,
    Target,
    Wanted,
    WantedContact,
    is_dial_address,
    ringing_groups,
)
from apps.sip.message import Request
from apps.sip.uri import SipUri, aor_of, parse_sip_uri
from apps.sipserver.events import Address, Origin, transport_of
from apps.trunks.servers import DEFAULT_PORT, DEFAULT_TLS_PORT
from apps.trunks.values import CallMode, Carriers, Trunk

RING_S: Final = 180.0
# With others to try after them.
RING_IN_TURN_S: Final = 30.0
NOT_FOUND: Final = Refuse(404, "Not Found")
UNSUPPORTED_SCHEME: Final = Refuse(416, "Unsupported URI Scheme")
_SECURE: Final = frozenset({"TLS", "WSS"})
NO_OTHERS: Final = OtherHosts()


def questions(
    request: Request, caller: Claimant | Trunk, carriers: Carriers, gruu_key: bytes
) -> tuple[Question, ...]:
    """Whom the request may mean, the first to be found is meant; nobody for what is not in the caller's domain."""
    uri = request.request_uri
    if uri is None:
        return ()
    contact = (WantedContact(caller.domain, uri),) if is_dial_address(uri) else ()
    if uri.host == caller.domain and is_gruu(uri):
        return _device(uri, gruu_key)
    if isinstance(caller, Trunk):
        # By the number alone: carriers write any of our names and addresses behind it.
        user = carriers.extension_for(caller, uri.user) if uri.user else None
        return (*contact, Wanted(caller.domain, user)) if user else contact
    if uri.host == caller.domain:
        return (Wanted(caller.domain, uri.user),) if uri.user else ()
    return contact


def decide(
    request: Request,
    caller: Caller | Trunk,
    answers: Sequence[RouteAnswer],
    carriers: Carriers,
    retry_after_s: Callable[[], int],
    hosts: OtherHosts = NO_OTHERS,
) -> Verdict:
    """answers: of `questions`, in their order."""
    uri = request.request_uri
    if uri is None:
        return UNSUPPORTED_SCHEME
    if request.values("route"):  # behind us and an edge proxy it might lead anywhere
        return FORBIDDEN
    found = next((one for one in answers if one.found is not Found.NOT_OUR_DOMAIN), None)
    if found is None:
        return NOT_FOUND
    match found.found:
        case Found.TARGETS:
            return _to_phones(request, uri, caller, found, retry_after_s, hosts)
        case Found.NOT_REGISTERED:
            return _nobody_there(retry_after_s)
        case Found.DISABLED:
            return FORBIDDEN
        case _:
            return _way_out(request, uri, caller, carriers)


def _device(uri: SipUri, gruu_key: bytes) -> tuple[Question, ...]:
    aor = aor_of_gruu(gruu_key, uri)
    user = parse_sip_uri(aor).user if aor is not None else None
    return (Wanted(uri.host, user, uri),) if user else ()


def _to_phones(
    request: Request,
    uri: SipUri,
    caller: Caller | Trunk,
    found: RouteAnswer,
    retry_after_s: Callable[[], int],
    hosts: OtherHosts,
) -> Verdict:
    targets = found.targets
    if uri.scheme == "sips":  # all the way (RFC 5630 §3.1.3), and hosts speak UDP with each other
        targets = tuple(
            target
            for target in targets
            if target.destination.transport in _SECURE and hosts.holding(target) is None
        )
    if not targets:
        return _nobody_there(retry_after_s)
    if _redirects(caller, found):
        return redirect(targets)
    identity = _identity(request, caller)
    groups = ringing_groups(targets)
    in_turn = sum(group[0].reachable for group in groups) > 1
    hops = tuple(tuple(_hop(target, identity, hosts) for target in group) for group in groups)
    return Forward(hops, RING_IN_TURN_S if in_turn else RING_S)


def _redirects(caller: Caller | Trunk, found: RouteAnswer) -> bool:
    """Whoever dials a phone's own address knows it already, and wants it relayed."""
    if found.is_contact:
        return False
    return caller.call_mode is CallMode.REDIRECT if isinstance(caller, Trunk) else found.redirects


def _identity(request: Request, caller: Caller | Trunk) -> str | None:
    """As of Hop. Neither phones nor carriers are trusted with that of one who asks to be withheld (RFC 3325 §7)."""
    if any("id" in value.lower().replace(";", " ").split() for value in request.values("privacy")):
        return ""
    return caller.identity if isinstance(caller, Caller) else None


def _hop(target: Target, identity: str | None, hosts: OtherHosts) -> Hop:
    destination, onward = hosts.way_to(target)
    return Hop(target.uri, destination, target.path, identity, onward)


def _nobody_there(retry_after_s: Callable[[], int]) -> Refuse:
    return Refuse(480, "Temporarily Unavailable", (("Retry-After", str(retry_after_s())),))


def _way_out(request: Request, uri: SipUri, caller: Caller | Trunk, carriers: Carriers) -> Verdict:
    """A phone's call to a number that no extension has: each server of each trunk that takes it, in turn."""
    if not isinstance(caller, Caller) or uri.user is None or is_gruu(uri):
        return NOT_FOUND
    identity = _identity(request, caller)
    hops = [
        _trunk_hop(trunk, number, server, identity)
        for trunk, number in carriers.ways_out(caller.domain, uri.user)
        for server in trunk.servers
    ]
    return Forward(tuple((hop,) for hop in hops), RING_S) if hops else NOT_FOUND


def _trunk_hop(trunk: Trunk, number: str, server: Address | Origin, identity: str | None) -> Hop:
    host, port = trunk.host or server[0], server[1]
    usual = DEFAULT_TLS_PORT if transport_of(server) == "TLS" else DEFAULT_PORT
    at_port = "" if port == usual else f":{port}"
    leg = CarrierLeg(trunk.account) if trunk.account is not None else None
    uri = f"{aor_of(number, host)}{at_port}"
    return Hop(uri, server, identity=identity, leg=leg, trunk=trunk.peer_id)
