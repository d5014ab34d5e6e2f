"""Ways back to a phone: Path (RFC 3327) and client-initiated connections (RFC 5626), as pure functions.

Must not decide what becomes of a binding.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final

from apps.registrar import outcomes
from apps.registrar.decisions import Refused, Registration
from apps.sip.contact import Contact
from apps.sip.name_addr import parse_addr, split_name_addr
from apps.sip.params import FieldError, split_list
from apps.sip.uri import SipUri

LONGEST_PATH: Final = 2048
MOST_HOPS: Final = 10

PathValues = tuple[str, ...]


def accepted_path(registration: Registration) -> PathValues:
    """The Path values in order, to be stored and returned (RFC 3327 §5.3). Raises Refused.

    Who may add a Path may route this user's calls through an address of his choice: edge proxies alone (C104).
    """
    values = registration.request.values("path")
    if not values:
        return ()
    if not registration.supports("path"):
        raise Refused(outcomes.BAD_EXTENSION, [("Unsupported", "path")])
    source = ipaddress.ip_address(registration.source[0].partition("%")[0])
    if not any(source in network for network in registration.domain.edge_proxies):
        raise Refused(outcomes.PATH_NOT_ALLOWED)
    return _path_values(values)


def outbound_key(contact: Contact) -> str | None:
    """What identifies the binding of a flow (RFC 5626 §6); None where the contact URI does."""
    if contact.instance_id is None or contact.reg_id is None:
        return None
    # No URI begins with "<", so no contact can take this key.
    return f"{contact.instance_id};reg-id={contact.reg_id}"


def applies_outbound(registration: Registration, contacts: Iterable[Contact], path: PathValues) -> bool:
    """Whether the request is handled as outbound, which its 200 then says (RFC 5626 §6). Raises Refused: 420 where it
    is required and switched off, 439 where the first hop cannot keep the flow."""
    if not registration.domain.outbound:
        if any(tag.lower() == "outbound" for tag in registration.request.tokens("require")):
            raise Refused(outcomes.BAD_EXTENSION, [("Unsupported", "outbound")])
        return False
    flows = any(outbound_key(contact) for contact in contacts)
    if not (flows and registration.supports("outbound")):
        return False
    if len(registration.request.vias) > 1 and not any(_keeps_flows(value) for value in path):
        raise Refused(outcomes.NO_OUTBOUND_AT_FIRST_HOP)
    return True


def _path_values(lines: Iterable[str]) -> PathValues:
    try:
        values = tuple([value for line in lines for value in split_list(line)])
        lengths = [len(value) for value in values if _path_uri(value)]
    except FieldError:
        raise Refused(outcomes.BAD_PATH) from None
    if len(values) > MOST_HOPS or sum(lengths) > LONGEST_PATH:
        raise Refused(outcomes.BAD_PATH)
    return values


def _path_uri(value: str) -> SipUri:
    """RFC 3327 §4: a sip URI, in brackets. Raises FieldError."""
    uri_text, _ = split_name_addr(value)
    uri = parse_addr(uri_text)
    if uri is None or "<" not in value:
        raise FieldError("path")
    return uri


def _keeps_flows(value: str) -> bool:
    return "ob" in dict(_path_uri(value).params)
