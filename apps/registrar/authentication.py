"""Digest authentication of a REGISTER (RFC 3261 §22, RFC 7616, RFC 8760): challenge, claim, proof. Pure.

Every refusal looks the same from outside: 401 with the nonce it came under, the same headers in the same order, and the
same work done for a user who does not exist (C91, C97). Keeps nothing: a nonce proves itself (C46, C93).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from apps.registrar.bindings import Account, DomainPolicy, NonceRecord
from apps.registrar.outcomes import (
    DISABLED,
    NO_QOP,
    OK,
    OLD_PASSWORD,
    UNKNOWN_USER,
    UNREADABLE_CREDENTIAL,
    WRONG_PASSWORD,
    Outcome,
)
from apps.sip.digest import (
    Algorithm,
    AuthorizationFault,
    DigestCredentials,
    authentication_info,
    parse_authorization,
    verify,
    www_authenticate,
)
from apps.sip.message import Request
from apps.sip.nonce import NonceState, issue_time, make_nonce, nonce_issued_at_s, nonce_salt, nonce_state
from apps.sip.transactions import LIFE_S, request_key

# Long enough that a phone renewing twice an hour can reuse its nonce and save a round trip each time.
NONCE_LIFETIME_S: Final = 3600
# From its issue on its use is remembered: after that it is refused for its age, and no transaction under it lives.
NONCE_KEPT_S: Final = NONCE_LIFETIME_S + int(2 * LIFE_S)

NOBODYS_HA1S: Final[dict[Algorithm, str]] = {
    Algorithm.MD5: "0" * 32,
    Algorithm.SHA256: "0" * 64,
    Algorithm.SHA512_256: "0" * 64,
}

# Refused although the password was right.
PROVEN: Final = frozenset({DISABLED, NO_QOP})

# Whom a user who does not exist is checked against. His HA1s are no secret: nobody is let in as him.
NOBODY: Final = Account(
    peer_id=UUID(int=0),
    peer_name="nobody",
    extension_id=None,
    extension_number=None,
    enabled=False,
    max_contacts=0,
    replace_when_full=False,
    min_expires_s=None,
    max_expires_s=None,
    ha1s={algorithm: (ha1,) for algorithm, ha1 in NOBODYS_HA1S.items()},
)


@dataclass(frozen=True, slots=True)
class Claim:
    """Credentials under a nonce of ours: worth looking up, not proven yet."""

    credentials: DigestCredentials
    nonce_issued_at_s: int
    nonce_expired: bool = False


def read_claim(
    request: Request,
    domain: DomainPolicy,
    nonce_key: bytes,
    source_host: str,
    now_s: int,
    header: str = "authorization",
) -> Claim | AuthorizationFault | None:
    """The claim to look up; None where a challenge is due (no credentials for us, foreign nonce, algorithm not
    offered)."""
    credentials = parse_authorization(request.values(header), domain.realm)
    if not isinstance(credentials, DigestCredentials):
        return credentials
    issued_at_s = nonce_issued_at_s(nonce_key, credentials.nonce, source_host, domain.realm)
    return claim_of(credentials, issued_at_s, domain, now_s)


def claim_of(
    credentials: DigestCredentials, issued_at_s: int | None, domain: DomainPolicy, now_s: int
) -> Claim | None:
    """None where a challenge is due. issued_at_s: as nonce_issued_at_s says of the nonce."""
    if credentials.algorithm not in domain.algorithms:
        return None
    state = nonce_state(issued_at_s, now_s, NONCE_LIFETIME_S)
    if issued_at_s is None or state is NonceState.FOREIGN:
        return None
    return Claim(credentials, issued_at_s, nonce_expired=state is NonceState.EXPIRED)


def prove(claim: Claim, account: Account | None, method: str, nobody: Account = NOBODY) -> Outcome:
    """OK, or why the claim is refused; the reason is for our ledger, never for the wire."""
    algorithm = claim.credentials.algorithm
    ha1s = (account or nobody).ha1s[algorithm]
    retired = account.retired_ha1s.get(algorithm, ()) if account else ()
    # Each is computed, also after a match: the time taken tells nothing.
    proofs = [ha1 is not None and verify(claim.credentials, ha1, method) for ha1 in ha1s]
    was_good = [ha1 is not None and verify(claim.credentials, ha1, method) for ha1 in retired]
    if account is None:
        return UNKNOWN_USER
    if not any(proofs):
        return _why_unproven(ha1s, was_good)
    # Without qop there is no nonce count: it reads as 0, so that each nonce is good for one request (C100).
    if claim.credentials.qop is None and not account.accepts_no_qop:
        return NO_QOP
    return OK if account.enabled else DISABLED


def _why_unproven(ha1s: tuple[str | None, ...], was_good: list[bool]) -> Outcome:
    if any(was_good):
        return OLD_PASSWORD
    return UNREADABLE_CREDENTIAL if None in ha1s else WRONG_PASSWORD


def success_headers(
    transaction: Callable[[], bytes],
    issued_at_s: int,
    domain: DomainPolicy,
    nonce_key: bytes,
    source_host: str,
    now_s: int,
) -> list[tuple[str, str]]:
    """In the second half of a nonce's life the 200 brings the next one, which saves the phone a round trip (RFC 7616
    §3.5, C101). Not earlier: each nonce in use is a row that is kept. `transaction` gives its key, if it is needed."""
    if now_s - issued_at_s <= NONCE_LIFETIME_S // 2:
        return []
    following = new_nonce(transaction(), domain, nonce_key, source_host, now_s)
    return [("Authentication-Info", authentication_info(following))]


def new_nonce(
    transaction: bytes, domain: DomainPolicy, nonce_key: bytes, source_host: str, now_s: int
) -> str:
    """A nonce for this source; a repeat of the transaction within seconds gets the same one (C42)."""
    return make_nonce(
        nonce_key,
        issue_time(now_s, NONCE_LIFETIME_S),
        nonce_salt(nonce_key, transaction),
        source_host,
        domain.realm,
    )


def is_merged(request: Request, record: NonceRecord) -> bool:
    """The request accepted last under this nonce, come another way (RFC 3261 §8.2.2.2, C38): the same From, Call-ID
    and CSeq in another transaction."""
    if request.to.tag is not None:
        return False
    return record.request_key == request_key(request.from_.text, request.call_id, request.value("cseq") or "")


def nonce_after_refusal(claim: Claim) -> str | None:
    """The refused request's own nonce while it is good: the client sees that its answer was wrong, not its nonce, and
    asks its user (RFC 7616 §3.3). With a new one each time some phones try again at once, and without end."""
    return None if claim.nonce_expired else claim.credentials.nonce


def challenge_headers(
    domain: DomainPolicy, nonce: str, *, stale: bool, header: str = "WWW-Authenticate"
) -> list[tuple[str, str]]:
    """One of that header per algorithm, in the domain's order (RFC 8760 §2.4)."""
    return [
        (header, www_authenticate(domain.realm, nonce, algorithm, stale)) for algorithm in domain.algorithms
    ]
