"""Whether a renewal is one, and what it changes. Pure.

Says of a renewal exactly what rules.py would say of it; whatever is not plain is left to that. Must not refuse anybody.
"""

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Any, NamedTuple

from apps.registrar.answers import gruu_params, outbound_headers, plain_contact_value
from apps.registrar.authentication import NONCE_LIFETIME_S, success_headers
from apps.registrar.bindings import Account, StoredBinding
from apps.registrar.changes import Limits, limits_of, requested_s
from apps.registrar.decisions import Refused, Registration
from apps.registrar.echoes import response, transaction_key
from apps.registrar.gruu import temp_gruu
from apps.registrar.renewals.reading import Renewal
from apps.sip.contact import Star, parse_contacts
from apps.sip.digest import verify
from apps.sip.message import Request
from apps.sip.nonce import NonceState, nonce_state
from apps.sip.response import sip_date
from apps.sipserver.events import flow_of


class Known(NamedTuple):
    """What one request was judged by, and the next like it will be unless RENEW finds any of it changed: versions of
    rows, and the binding it made, as a row of sql.READ has them."""

    versions: str
    peer_id: str
    extension_id: str | None
    credential_id: str
    ha1: str
    min_expires_s: int | None
    max_expires_s: int | None
    binding_id: str
    binding_key: str
    contact: str
    q: int | None
    instance_id: str | None
    reg_id: int | None
    pub_gruu: str | None


class Listed(NamedTuple):
    """A row of sql.READ: one binding of the AOR as an answer lists it. known: if the key is that binding's."""

    number: int
    known: Sequence[Any] | None
    contact: str
    q: int | None
    instance_id: str | None
    reg_id: int | None
    pub_gruu: str | None
    temp_gruu: str | None
    registered_at_s: float
    left_s: float


class Renewed(NamedTuple):
    """What is to be written if it still holds, and the answer then. bindings: how many the answer lists. whole_s: what
    is granted before it is spread."""

    renewal: Renewal
    known: Known
    bindings: int
    granted_s: int
    whole_s: int
    temp_gruu: str | None
    answer: str

    @property
    def response(self) -> bytes:
        head, _, tail = self.answer.partition("\r\n")
        return response(self.renewal, head, tail)


def renewed(
    renewal: Renewal,
    known: Known,
    limits: Limits,
    ha1: str | None,
    rows: Sequence[Listed],
    now_s: int,
    nonce_key: bytes,
    gruu_key: bytes,
) -> Renewed | None:
    """None where it is no mere renewal, as far as can be said before RENEW. ha1: the opened one; rows: all bindings of
    the AOR, or none if `known` is the only one."""
    listed: Sequence[Known | Listed] = [*rows] or [known]
    if ha1 is None or any(row.left_s <= 0 for row in rows) or not _tells_gruus(renewal, listed):
        return None
    state = nonce_state(renewal.nonce_issued_at_s, now_s, NONCE_LIFETIME_S)
    if state is not NonceState.FRESH or not verify(renewal.credentials, ha1, "REGISTER"):
        return None
    try:
        granted = _granted_s(limits, renewal, known.binding_key)
    except Refused:
        return None
    gruu = _temp_gruu(renewal, known.instance_id, gruu_key)
    own = _contact_of(renewal, known, gruu, granted)
    contacts = [
        _contact_of(renewal, row, row.temp_gruu, ceil(row.left_s)) if row.known is None else own
        for row in sorted(rows, key=_in_order)
    ]
    answer = ok_text(renewal, known.binding_key, contacts or [own], now_s, nonce_key)
    return Renewed(renewal, known, len(listed), granted, limits.whole_s(renewal.asked_s), gruu, answer)


def known_of(renewal: Renewal, account: Account, own: StoredBinding) -> Known | None:
    """What the request that made `own`, the only binding of its AOR, was judged by; None where READ has to say."""
    lasting = account.lasting
    ha1 = lasting and lasting.kept_ha1s.get(renewal.credentials.algorithm)
    if lasting is None or not ha1:
        return None
    return Known(
        lasting.versions,
        str(account.peer_id),
        None if account.extension_id is None else str(account.extension_id),
        str(lasting.credential_id),
        ha1,
        account.min_expires_s,
        account.max_expires_s,
        str(own.binding_id),
        own.binding_key,
        own.contact,
        own.q,
        own.instance_id,
        own.reg_id,
        own.pub_gruu,
    )


def _granted_s(limits: Limits, renewal: Renewal, binding_key: str) -> int:
    """Raises Refused."""
    return limits.granted_s(renewal.asked_s, renewal.aor, binding_key, renewal.call_id, renewal.cseq)


def _contact_of(
    renewal: Renewal, row: Known | Listed | StoredBinding, temp_gruu: str | None, left_s: int
) -> str:
    value = plain_contact_value(row.contact, row.q, left_s, row.instance_id, row.reg_id)
    return value + gruu_params(row.pub_gruu, temp_gruu) if "gruu" in renewal.supported else value


def _temp_gruu(renewal: Renewal, instance_id: str | None, gruu_key: bytes) -> str | None:
    """Another at each request (RFC 5627 §3.2)."""
    if instance_id is None or not gruu_key or "gruu" not in renewal.supported:
        return None
    return temp_gruu(gruu_key, renewal.aor, instance_id, renewal.call_id, renewal.cseq)


def _in_order(row: Listed) -> tuple[float, str]:
    """As sql.BINDINGS_OF_AORS has them."""
    return row.registered_at_s, row.contact


def _tells_gruus(renewal: Renewal, rows: Iterable[Known | Listed | StoredBinding]) -> bool:
    """Whether it is sure that they are to be told, if there are any."""
    return "gruu" in renewal.supported or all(row.pub_gruu is None for row in rows)


def ok_text(
    renewal: Renewal,
    binding_key: str,
    contacts: Sequence[str],
    now_s: int,
    nonce_key: bytes,
) -> str:
    """What answers.kept_text says of the 200, with these Contact values. binding_key: of the binding it renews."""
    domain, host = renewal.domain, renewal.source[0]
    lines = ["200 OK", *[f"Contact: {contact}" for contact in contacts]]
    lines += [f"Service-Route: {route}" for route in domain.service_routes]
    if "outbound" in renewal.supported and domain.outbound and binding_key.startswith("<"):
        lines += [f"{name}: {value}" for name, value in outbound_headers(flow_of(renewal.origin))]
    lines.append(f"Date: {sip_date(now_s)}")
    more = success_headers(
        lambda: transaction_key(renewal), renewal.nonce_issued_at_s, domain, nonce_key, host, now_s
    )
    lines += [f"{name}: {value}" for name, value in more]
    lines.append("")
    return "\r\n".join(lines)


def key_to_keep(
    renewal: Renewal | None,
    registration: Registration,
    bindings: Sequence[StoredBinding],
    own: StoredBinding,
    answered: tuple[str, bytes],
    nonce_key: bytes,
) -> bytes | None:
    """The key to keep with `own`, the binding a request made, so that the next like it is taken for a renewal. None
    unless all that was read here of this one, and would be answered, is what was read in full and `answered` (the text
    and the bytes)."""
    if renewal is None or own.path or not _says_the_same(renewal, registration.request):
        return None
    try:
        granted = _granted_s(limits_of(registration), renewal, own.binding_key)
    except Refused:
        return None
    now = registration.now
    if own.temp_gruu != _temp_gruu(renewal, own.instance_id, registration.gruu_key):
        return None
    contacts = [
        _contact_of(renewal, row, row.temp_gruu, granted if row is own else row.expires_s(now))
        for row in bindings
    ]
    text = ok_text(renewal, own.binding_key, contacts, int(now.timestamp()), nonce_key)
    is_plain = _tells_gruus(renewal, bindings) and renewal.aor == registration.aor
    head, _, tail = text.partition("\r\n")
    same = answered == (text, response(renewal, head, tail))
    return renewal.key if is_plain and same and renewal.cseq == own.cseq else None


def _says_the_same(renewal: Renewal, request: Request) -> bool:
    """Whether one contact, with this expiry, and one proof are all there is: under other limits of the peer, and with
    other credentials, an equal answer would tell nothing of them."""
    contacts = parse_contacts(request.values("contact"))
    return (
        not isinstance(contacts, Star)
        and len(contacts) == 1
        and renewal.asked_s == requested_s(request, contacts[0])
        and len(request.values("authorization")) == 1
    )
