"""Whether a renewal is one, and what it changes. Pure.

Says of a renewal exactly what rules.py would say of it; whatever is not plain is left to that. Must not refuse anybody.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from apps.registrar.answers import plain_contact_value
from apps.registrar.authentication import NONCE_KEPT_S, NONCE_LIFETIME_S, new_nonce, nonce_is_ageing
from apps.registrar.bindings import StoredBinding
from apps.registrar.changes import granted_s, requested_s
from apps.registrar.decisions import Refused, Registration
from apps.registrar.renewals.reading import Renewal
from apps.registrar.rhythm import Rhythm
from apps.sip.contact import Star, parse_contacts
from apps.sip.digest import authentication_info, verify
from apps.sip.message import Request
from apps.sip.nonce import NonceState, nonce_state
from apps.sip.response import sip_date

SECOND: Final = dt.timedelta(seconds=1)


class StoredRenewable(NamedTuple):
    """A row of sql.READ: one binding of the AOR, with what is known of the peer. has_key: the key is that binding's."""

    number: int
    has_key: bool
    now: dt.datetime
    domain_version: str
    credential_id: UUID
    ha1: str
    peer_id: UUID
    min_expires_s: int | None
    max_expires_s: int | None
    nc: int | None
    binding_id: str
    contact: str
    q: int | None
    instance_id: str | None
    reg_id: int | None
    pub_gruu: str | None
    cseq: int
    registered_at: dt.datetime
    refreshed_at: dt.datetime
    expires_at: dt.datetime
    renewal_gap_s: float | None
    renewal_dev_s: float | None
    late_at: dt.datetime | None


@dataclass(slots=True)
class Renewed:
    """What is to be written, and the answer once it is."""

    renewal: Renewal
    known: StoredRenewable
    granted_s: int
    rhythm: Rhythm
    late_s: float | None
    answer: str
    nonce_expires_at_s: int

    @property
    def response(self) -> bytes:
        head, _, tail = self.answer.partition("\r\n")
        return self.renewal.response(head, tail)


def renewed(
    renewal: Renewal, rows: Sequence[StoredRenewable], ha1: str | None, nonce_key: bytes
) -> Renewed | None:
    """None where it is no mere renewal. rows: all of its AOR; ha1: the opened one of its credential."""
    known = next((row for row in rows if row.has_key), None)
    if known is None or ha1 is None or not _is_plain(renewal, rows, known):
        return None
    credentials, now = renewal.credentials, known.now
    now_s = int(now.timestamp())
    state = nonce_state(renewal.nonce_issued_at_s, now_s, NONCE_LIFETIME_S)
    if state is not NonceState.FRESH or not verify(credentials, ha1, "REGISTER"):
        return None
    try:
        granted = granted_s(renewal.domain, known.min_expires_s, known.max_expires_s, renewal.asked_s)
    except Refused:
        return None
    expires_at = now + dt.timedelta(seconds=granted)
    if expires_at < known.expires_at:
        return None
    rhythm = Rhythm(known.renewal_gap_s, known.renewal_dev_s).after(
        (now - known.refreshed_at).total_seconds(),
        old_granted_s=(known.expires_at - known.refreshed_at).total_seconds(),
        granted_s=granted,
    )
    late_at = rhythm.late_at(now, expires_at)
    in_order = sorted(rows, key=_in_order) if len(rows) > 1 else rows
    return Renewed(
        renewal,
        known,
        granted,
        rhythm,
        None if late_at is None else (late_at - now).total_seconds(),
        ok_text(renewal, [(row, granted if row is known else None) for row in in_order], now, nonce_key),
        renewal.nonce_issued_at_s + NONCE_KEPT_S,
    )


def _in_order(row: StoredRenewable) -> tuple[dt.datetime, str]:
    """As sql.BINDINGS_OF_AORS has them."""
    return row.registered_at, row.contact


def _is_plain(renewal: Renewal, rows: Sequence[StoredRenewable], known: StoredRenewable) -> bool:
    """Nothing has ended, nothing was late, and the request comes after all before it."""
    now = known.now
    return (
        known.domain_version == renewal.domain.version
        and renewal.cseq > known.cseq
        and renewal.credentials.nc > (known.nc or 0)
        and (known.late_at is None or known.late_at >= now)
        and all(row.expires_at > now and row.pub_gruu is None for row in rows)
    )


def ok_text(
    renewal: Renewal,
    contacts: Sequence[tuple[StoredRenewable | StoredBinding, int | None]],
    now: dt.datetime,
    nonce_key: bytes,
) -> str:
    """What answers.kept_text says of the 200: each contact with the seconds granted now, or what is left of it."""
    domain = renewal.domain
    lines = ["200 OK"]
    for row, granted in contacts:
        left_s = -(-(row.expires_at - now) // SECOND) if granted is None else granted
        lines.append(
            f"Contact: {plain_contact_value(row.contact, row.q, left_s, row.instance_id, row.reg_id)}"
        )
    lines += [f"Service-Route: {route}" for route in domain.service_routes]
    now_s = int(now.timestamp())
    lines.append(f"Date: {sip_date(now_s)}")
    if nonce_is_ageing(renewal.nonce_issued_at_s, now_s):
        nonce = new_nonce(renewal.transaction_key, domain, nonce_key, renewal.source[0], now_s)
        lines.append(f"Authentication-Info: {authentication_info(nonce)}")
    return "\r\n".join([*lines, ""])


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
        granted = granted_s(
            renewal.domain,
            registration.account.min_expires_s,
            registration.account.max_expires_s,
            renewal.asked_s,
        )
    except Refused:
        return None
    text = ok_text(
        renewal, [(row, granted if row is own else None) for row in bindings], registration.now, nonce_key
    )
    is_plain = all(row.pub_gruu is None for row in bindings) and renewal.aor == registration.aor
    head, _, tail = text.partition("\r\n")
    same = answered == (text, renewal.response(head, tail))
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
