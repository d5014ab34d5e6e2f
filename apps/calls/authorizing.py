"""Who begins this: a trusted trunk, by where the packet came from, or a phone that proves its password (RFC 3261
§22.3). Pure.

Whoever is neither hears the same 407, whatever is wrong with what he sent; 403 if he does not even say that he is from
a domain of ours. Must not look anything up: the account that
a claim names is an argument.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from apps.calls.hosts import OtherHosts
from apps.calls.nonce_counts import NonceCounts
from apps.calls.values import Ask, Ignore, Refuse
from apps.registrar.authentication import (
    PROVEN,
    Claim,
    challenge_headers,
    nonce_after_refusal,
    prove,
    read_claim,
)
from apps.registrar.bindings import Account, DomainPolicy
from apps.registrar.blocking import BlockedNetworks
from apps.registrar.outcomes import BAD_CREDENTIALS, OK, UNREADABLE_CREDENTIAL
from apps.sip.digest import AuthorizationFault
from apps.sip.message import Request
from apps.sip.nonce import make_nonce, nonce_salt
from apps.sip.transactions import transaction_key
from apps.sip.uri import aor_of
from apps.sipserver.events import Address, Origin, Transport, transport_of
from apps.trunks.values import Carriers, Trunk

FORBIDDEN = Refuse(403, "Forbidden")


@dataclass(frozen=True, slots=True)
class Means:
    """What is judged by, besides the request. domains and blocked: as read with this batch, at now_s. nobody: whom a
    user who does not exist is checked against. retry_after_s: another number each time. hosts: the other SIP hosts."""

    domains: Mapping[str, DomainPolicy]
    blocked: BlockedNetworks
    now_s: int
    carriers: Carriers
    counts: NonceCounts
    nobody: Account
    nonce_key: bytes
    retry_after_s: Callable[[], int]
    hosts: OtherHosts = OtherHosts()  # noqa: RUF009 - nothing changes it

    def unavailable(self) -> Refuse:
        return Refuse(503, "Service Unavailable", (("Retry-After", str(self.retry_after_s())),))


@dataclass(frozen=True, slots=True)
class Claimant:
    """Says under a nonce of ours who it is: worth looking up, not proven yet."""

    policy: DomainPolicy
    claim: Claim

    @property
    def domain(self) -> str:
        return self.policy.name

    @property
    def claimed(self) -> tuple[UUID, str]:
        return self.policy.domain_id, self.claim.credentials.username


@dataclass(frozen=True, slots=True)
class Caller:
    """A phone that proved itself. number: its extension's, else its own name."""

    domain: str
    number: str
    display_name: str

    @property
    def identity(self) -> str:
        """Its P-Asserted-Identity (RFC 3325 §9.1)."""
        address = f"<{aor_of(self.number, self.domain)}>"
        if not self.display_name:
            return address
        escaped = self.display_name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" {address}'


def approach(ask: Ask, means: Means) -> Ignore | Refuse | Trunk | Claimant:
    """Who asks, as far as the packet tells."""
    host, port, transport = _source(ask.origin)
    if means.blocked.cover(host):
        return Ignore()
    trunk = means.carriers.trunk_at(host, port, transport)
    if trunk is not None:
        return trunk
    sender = ask.request.from_.uri
    domain = means.domains.get(sender.host) if sender is not None else None
    if domain is None:  # no password would help: nobody here may say that he is from there
        return FORBIDDEN
    claim = read_claim(ask.request, domain, means.nonce_key, host, means.now_s, "proxy-authorization")
    if isinstance(claim, AuthorizationFault):
        return Refuse(BAD_CREDENTIALS.status, BAD_CREDENTIALS.phrase)
    return _challenge(ask, domain, means) if claim is None else Claimant(domain, claim)


def authorize(
    ask: Ask, claimant: Claimant, account: Account | None, display_name: str, means: Means
) -> Caller | Refuse:
    """The caller. Otherwise 407; 403 for who is known and says in From that he is somebody else."""
    claim, domain = claimant.claim, claimant.policy
    proof = prove(claim, account, ask.request.method, means.nobody)
    if proof is UNREADABLE_CREDENTIAL:
        return means.unavailable()
    if account is None or proof is not OK:
        if proof in PROVEN:  # whoever captured it must not be able to send it again once the peer is let in
            _take(claim, means)
        return _challenge(ask, domain, means, nonce=nonce_after_refusal(claim))
    if claim.nonce_expired or not _take(claim, means):
        return _challenge(ask, domain, means, stale=True)
    if not _is_own(ask.request, domain, account):
        return FORBIDDEN
    return Caller(domain.name, account.extension_number or account.peer_name, display_name)


def _source(origin: Address | Origin) -> tuple[str, int, Transport]:
    return origin[0], origin[1], transport_of(origin)


def _challenge(
    ask: Ask, domain: DomainPolicy, means: Means, *, nonce: str | None = None, stale: bool = False
) -> Refuse:
    """With this nonce, or a new one."""
    if nonce is None:
        salt = nonce_salt(means.nonce_key, transaction_key(ask.request))
        issued_at_s = means.counts.issue_s(means.now_s)
        nonce = make_nonce(means.nonce_key, issued_at_s, salt, ask.origin[0], domain.realm)
    headers = challenge_headers(domain, nonce, stale=stale, header="Proxy-Authenticate")
    return Refuse(407, "Proxy Authentication Required", tuple(headers))


def _take(claim: Claim, means: Means) -> bool:
    return means.counts.take(claim.credentials.nonce, claim.nonce_issued_at_s, claim.credentials.nc)


def _is_own(request: Request, domain: DomainPolicy, account: Account) -> bool:
    uri = request.from_.uri
    return uri is not None and uri.host == domain.name and uri.user in account.address_users
