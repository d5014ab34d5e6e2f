"""Where a call to an address goes: one answer for every door. Pure; no I/O, no clock.

Must not say how a call is carried there: that is the door's business.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from uuid import UUID

from apps.registrar.gruu import bindings_of_gruu
from apps.registrar.ringing import NO_Q, RingingKey, ringing_key
from apps.sip.uri import SipUri, address_of_record, parse_sip_uri
from apps.sipserver.events import Origin

# A phone may write "ws" for what is WSS, and of sips URIs "tcp" for what is TLS.
_SAME_KIND: Final = {"TLS": "TCP", "WSS": "WS"}


class Found(StrEnum):
    """What the look-up of an AOR came to; what a caller is told of the last four: 480, 403, 404, 404."""

    TARGETS = "targets"
    NOT_REGISTERED = "not_registered"
    DISABLED = "disabled"
    UNKNOWN_USER = "unknown_user"
    NOT_OUR_DOMAIN = "not_our_domain"


@dataclass(frozen=True, slots=True)
class Target:
    """One live binding as a call reaches it.

    uri: the Contact as registered, the Request-URI for the phone. destination: where its packets come from, with the
    connection it holds or the address of ours it knows. server: whose UDP socket it came to, as of
    registrar.consumers.socket_name. path: Route values in the order they are visited (RFC 3327 §5.3). q in thousandths,
    None if not said. reachable: False where probes say it does not hear us. call_id: of its REGISTER.
    """

    aor: str
    uri: str
    destination: Origin
    server: str
    path: tuple[str, ...]
    q: int | None
    refreshed_at: dt.datetime
    reachable: bool
    binding_id: UUID
    peer_id: UUID
    peer_name: str
    instance_id: str | None = None
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """What an AOR leads to. targets: in the order a call tries them, empty unless found is TARGETS. redirects: callers
    of its domain are sent to the phones (302). is_contact: asked for was a phone by its dial address."""

    aor: str
    found: Found
    targets: tuple[Target, ...] = ()
    extension_id: UUID | None = None
    redirects: bool = False
    is_contact: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """An address somebody calls in `domain`, a domain's name: the AOR of `user`, and of that the device of `gruu`."""

    domain: str
    user: str
    gruu: SipUri | None = None


@dataclass(frozen=True, slots=True)
class WantedContact:
    """A phone of `domain` somebody calls by its dial address (dialing.py)."""

    domain: str
    uri: SipUri


Question = Wanted | WantedContact


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an AOR is: an extension, or else a device of that name. enabled: and its extension."""

    extension_id: UUID | None
    enabled: bool


def answer(
    aor: str,
    owner: Owner | None,
    targets: Iterable[Target],
    *,
    is_our_domain: bool = True,
    redirects: bool = False,
) -> RouteAnswer:
    """What the owner's live bindings come to, in ringing order; owner None: nobody has this AOR."""
    if not is_our_domain:
        return RouteAnswer(aor, Found.NOT_OUR_DOMAIN)
    if owner is None:
        return RouteAnswer(aor, Found.UNKNOWN_USER, redirects=redirects)
    ordered = in_ringing_order(targets) if owner.enabled else ()
    found = Found.DISABLED if not owner.enabled else Found.TARGETS if ordered else Found.NOT_REGISTERED
    return RouteAnswer(aor, found, ordered, owner.extension_id, redirects)


def of_device(whole: RouteAnswer, gruu: SipUri, gruu_key: bytes) -> RouteAnswer:
    """The part of an AOR's answer that a GRUU of it reaches: the flows of one device. A public one may come back, a
    temporary one that reaches nobody is over (RFC 5627 §5.1)."""
    if whole.found is not Found.TARGETS:
        return whole
    targets = tuple(bindings_of_gruu(gruu_key, gruu, whole.targets))
    if targets:
        return replace(whole, targets=targets)
    is_public = bool(dict(gruu.params).get("gr"))
    return replace(whole, found=Found.NOT_REGISTERED if is_public else Found.UNKNOWN_USER, targets=())


def dialled(uri: SipUri, domain: str, targets: Iterable[Target]) -> RouteAnswer:
    """What a dial address (dialing.py) of a phone of that domain reaches: the newest with its user, of `targets` where
    its host and port are."""
    text = address_of_record(uri)
    found = [target for target in targets if _is_dialled(target, uri, domain)]
    if not found:
        return RouteAnswer(text, Found.NOT_OUR_DOMAIN)
    newest = max(found, key=lambda target: target.refreshed_at)
    return RouteAnswer(newest.aor, Found.TARGETS, (newest,), is_contact=True)


def is_dial_address(uri: SipUri) -> bool:
    """Whether it may be one: a numeric host, and a port."""
    try:
        ip_address(uri.host)
    except ValueError:
        return False
    return uri.port is not None


def in_ringing_order(targets: Iterable[Target]) -> tuple[Target, ...]:
    return tuple(sorted(targets, key=_ringing_key))


def ringing_groups(targets: Iterable[Target]) -> tuple[tuple[Target, ...], ...]:
    """Of targets in ringing order: who rings at the same time, one group after the other. One flow of each device
    (RFC 5626 §7); whoever is not reachable is tried at last."""
    groups: dict[tuple[bool, int], list[Target]] = {}
    seen: set[tuple[str, str]] = set()
    for target in targets:
        if target.instance_id is not None:
            if (target.aor, target.instance_id) in seen:
                continue
            seen.add((target.aor, target.instance_id))
        q = NO_Q if target.q is None else target.q
        groups.setdefault((target.reachable, q if target.reachable else 0), []).append(target)
    return tuple(tuple(group) for group in groups.values())


def _ringing_key(target: Target) -> RingingKey:
    return ringing_key(target.q, target.refreshed_at, target.binding_id, reachable=target.reachable)


def _is_dialled(target: Target, uri: SipUri, domain: str) -> bool:
    origin = target.destination
    said = (dict(uri.params).get("transport") or ("tls" if uri.scheme == "sips" else "udp")).upper()
    return (
        (origin.host, origin.port) == (uri.host, uri.port)
        and _SAME_KIND.get(said, said) == _SAME_KIND.get(origin.transport, origin.transport)
        and parse_sip_uri(target.uri).user == uri.user
        and parse_sip_uri(target.aor).host == domain
    )
