"""How others dial a registered contact: its address, and the dial strings of their products. Pure; no I/O."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from apps.sip.uri import SipUri, UriError, format_host, parse_sip_uri

_PARTS: Final = re.compile(
    r"(sips?:)(?:([^@:]*)(?::[^@]*)?@)?(?:\[[^\]]*\]|[^;:?]*)(?::\d*)?([^?]*)", re.IGNORECASE
)
# What has another meaning in a dial string: "&" begins the next destination in Asterisk, "," the next argument.
_SPECIAL: Final = re.compile(r"[&,|'\"()$\\\s^{}<>]")
_PARTS_OF_CHAN_SIP: Final = re.compile(r"[:/!@&,;?%]")
_ROUTE_URI: Final = re.compile(r"<([^<>]+)>")


@dataclass(frozen=True, slots=True)
class Registered:
    """What of a binding says how to dial it: the Contact as registered, where its packets come from, and the Path."""

    contact: str
    host: str
    port: int
    transport: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DialStrings:
    """One contact as Asterisk's PJSIP and chan_sip, FreeSWITCH and everybody else dial it; None where it cannot be
    said in that product's words, or would be read as something else."""

    pjsip: str | None
    sip: str | None
    sofia: str | None
    uri: str


def dial_uri(registered: Registered) -> str:
    """The contact with host and port replaced by where its packets come from, user and parameters kept.

    A contact that is no SIP address, or is reached through a proxy (Path, RFC 3327), stays as it is.
    """
    contact = registered.contact
    try:
        params = dict(parse_sip_uri(contact).params)
    except UriError:
        return contact
    match = _PARTS.match(contact)
    if match is None or registered.path:
        return contact
    scheme, user, rest = match.groups()
    at = f"{user}@" if user else ""
    transport = "" if "transport" in params else f";transport={registered.transport.lower()}"
    return f"{scheme}{at}{format_host(registered.host)}:{registered.port}{rest}{transport}"


def dial_strings(registered: Registered, aor: str) -> DialStrings:
    """All of them. aor: what the contact registered; pjsip goes through the endpoint of that name."""
    uri = dial_uri(registered)
    dialled = _plain(uri)
    if dialled is None:
        return DialStrings(None, None, None, uri)
    through = registered.path
    return DialStrings(
        # PJSIP takes the way in from the endpoint's outbound_proxy or from ps_contacts, not from a dial string.
        pjsip=None if through else f"PJSIP/{parse_sip_uri(aor).user}/{uri}",
        sip=None if through else _chan_sip(dialled, registered),
        sofia=f"sofia/internal/{uri}{_fs_path(through)}" if len(through) < 2 else None,
        uri=uri,
    )


def _plain(uri: str) -> SipUri | None:
    """None for what would not stay one word, or is no SIP address."""
    if _SPECIAL.search(uri):
        return None
    try:
        return parse_sip_uri(uri)
    except UriError:
        return None


def _chan_sip(uri: SipUri, registered: Registered) -> str | None:
    """SIP/user[::::transport]@host:port. It has no place for URI parameters, nor for what separates its parts."""
    if uri.user is None or _PARTS_OF_CHAN_SIP.search(uri.user):
        return None
    transport = "" if registered.transport == "UDP" else f"::::{registered.transport.lower()}"
    return f"SIP/{uri.user}{transport}@{format_host(uri.host)}:{uri.port}"


def _fs_path(path: tuple[str, ...]) -> str:
    uris = [uri for value in path for uri in _ROUTE_URI.findall(value)]
    return f";fs_path={quote(uris[0], safe='')}" if uris else ""
