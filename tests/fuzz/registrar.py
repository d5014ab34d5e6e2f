"""The registrar without I/O: one domain, one account, its bindings and who subscribes to them in memory; time is moved
by hand.

Credentials are read and tried, but a REGISTER goes on whatever comes of it: what is to be reached lies behind them.
Standard library and the pure rooms only, for the harness runs without Django.
"""

import datetime as dt
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final
from uuid import UUID

from apps.registrar import outcomes
from apps.registrar.answers import answering_keep
from apps.registrar.authentication import Claim, challenge_headers, new_nonce, prove, read_claim
from apps.registrar.bindings import Account, Address, ChangeSet, DomainPolicy, StoredBinding
from apps.registrar.regevent.notify import make_branch
from apps.registrar.regevent.queue import Cause, cause_of, notifications
from apps.registrar.regevent.subscription import Subscribing, subscribe
from apps.registrar.regevent.values import Notification, Subscription, Taken, Way
from apps.registrar.rules import Answer, Decision, Registration, register, requested_aor
from apps.registrar.triage import triage
from apps.sip.digest import Algorithm, AuthorizationFault, ha1
from apps.sip.message import Request, parse_request
from apps.sip.nonce import make_nonce
from apps.sip.response import build_response, response_address
from apps.sip.transactions import transaction_key

SOURCE: Final[Address] = ("192.0.2.10", 5070)
NONCE_KEY: Final = b"k" * 32
# In a message it stands for a nonce that is fresh now: whatever becomes of the nonces' form, an input stays good.
NONCE_MARK: Final = b"FRESH-NONCE"
# The same for the branch of a NOTIFY that went to the source, and for our tag of the last dialog begun.
BRANCH_MARK: Final = b"NOTIFY-BRANCH"
TAG_MARK: Final = b"OUR-TAG"
SENT_BY: Final = "192.0.2.1:5060"
START: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MAX_CONTACTS: Final = 3
MIN_EXPIRES_S: Final = 60
DEFAULT_EXPIRES_S: Final = 600
MAX_EXPIRES_S: Final = 3600

DOMAIN: Final = DomainPolicy(
    domain_id=UUID(int=1),
    name="example.com",
    realm="example.com",
    algorithms=(Algorithm.SHA512_256, Algorithm.SHA256, Algorithm.MD5),
    min_expires_s=MIN_EXPIRES_S,
    default_expires_s=DEFAULT_EXPIRES_S,
    max_expires_s=MAX_EXPIRES_S,
    expires_spread_percent=0,
    edge_proxies=(ip_network("192.0.2.0/24"),),
    service_routes=("<sip:edge.example.com;lr>",),
)
ACCOUNT: Final = Account(
    peer_id=UUID(int=2),
    peer_name="1001-desk",
    extension_id=UUID(int=3),
    extension_number="1001",
    enabled=True,
    max_contacts=MAX_CONTACTS,
    replace_when_full=True,
    min_expires_s=None,
    max_expires_s=None,
    ha1s={algorithm: (ha1(algorithm, "1001", "example.com", "secret"),) for algorithm in Algorithm},
)


@dataclass(slots=True)
class MemoryRegistrar:
    """`bindings` and `subscriptions` by address-of-record, as the last decision left them; `notified`: every NOTIFY."""

    now: dt.datetime = START
    account: Account = ACCOUNT
    bindings: dict[str, tuple[StoredBinding, ...]] = field(default_factory=dict)
    subscriptions: dict[str, tuple[Subscription, ...]] = field(default_factory=dict)
    notified: list[Notification] = field(default_factory=list)
    made: int = 0

    def answer(self, data: bytes, source: Address = SOURCE) -> tuple[bytes, Address] | None:
        """(bytes, destination) of the answer to one datagram; None is silence."""
        request = parse_request(self.with_marks(data, source))
        if isinstance(request, Request):
            answer = self.decide(request, source)
            request = answering_keep(request, answer.keep_s)
            status, reason, headers = answer.outcome.status, answer.outcome.phrase, answer.headers
        elif request.status is not None:
            status, reason, headers = request.status, request.reason, ()
        else:
            return None
        response = build_response(request, source, status, reason, headers)
        return response, response_address(request, source)

    def decide(self, request: Request, source: Address = SOURCE) -> Answer:
        domain = triage(request, {DOMAIN.name: DOMAIN})
        if isinstance(domain, Answer):
            return domain
        claim = read_claim(request, domain, NONCE_KEY, source[0], int(self.now.timestamp()))
        if isinstance(claim, AuthorizationFault):
            return Answer(outcomes.BAD_CREDENTIALS)
        if isinstance(claim, Claim):
            prove(claim, self.account, request.method)
        elif request.value("authorization") is not None:
            nonce = new_nonce(
                transaction_key(request), domain, NONCE_KEY, source[0], int(self.now.timestamp())
            )
            return Answer(outcomes.CHALLENGE, challenge_headers(domain, nonce, stale=False))
        if request.method == "SUBSCRIBE":
            return self.subscribe(request, source)
        return self.register(request, source).answer

    def register(self, request: Request, source: Address = SOURCE) -> Decision:
        aor = requested_aor(request) or ""
        decision = register(
            Registration(
                request=request,
                account=self.account,
                domain=DOMAIN,
                aor=aor,
                bindings=self.bindings.get(aor, ()),
                source=source,
                transport="TCP",
                now=self.now,
                new_id=self._new_id,
                flow="1/1",
                gruu_key=NONCE_KEY,
            )
        )
        before = {row.binding_id: row for row in self.bindings.get(aor, ())}
        after = {row.binding_id: row for row in decision.bindings}
        self.bindings[aor] = decision.bindings
        changes = ChangeSet(
            upserts=[row for key, row in after.items() if before.get(key) != row],
            deletes=[row for key, row in before.items() if key not in after],
            events=list(decision.events),
        )
        self._notify(aor, cause_of(changes), list(self.subscriptions.get(aor, ())))
        return decision

    def subscribe(self, request: Request, source: Address = SOURCE) -> Answer:
        aor = requested_aor(request) or ""
        decision = subscribe(
            Subscribing(
                request=request,
                account=self.account,
                domain=DOMAIN,
                aor=aor,
                subscriptions=self.subscriptions.get(aor, ()),
                way=Way(*response_address(request, source)),
                sent_by=SENT_BY,
                now=self.now,
                new_id=self._new_id,
            )
        )
        self.subscriptions[aor] = decision.subscriptions
        self._notify(aor, Cause(told=decision.told), [])
        return decision.answer

    def with_marks(self, data: bytes, source: Address = SOURCE) -> bytes:
        tags = [row.local_tag for rows in self.subscriptions.values() for row in rows]
        branch = make_branch(NONCE_KEY, UUID(int=1), source[0])
        data = data.replace(NONCE_MARK, self._fresh_nonce(source).encode())
        return data.replace(BRANCH_MARK, branch.encode()).replace(TAG_MARK, (tags or ["none"])[-1].encode())

    def _notify(self, aor: str, cause: Cause, concerned: list[Subscription]) -> None:
        """As the store would: the subscriptions go on with the numbers of the NOTIFYs written for them."""
        if not cause:
            return
        taken = [Taken(row) for row in concerned]
        written = notifications(cause, taken, self.bindings, self.now, NONCE_KEY, self._new_id)
        self.notified += written
        numbered = {one.subscription.subscription_id: one.subscription for one in written}
        self.subscriptions[aor] = tuple(
            numbered.get(row.subscription_id, row) for row in self.subscriptions.get(aor, ())
        )

    def _fresh_nonce(self, source: Address) -> str:
        return make_nonce(NONCE_KEY, int(self.now.timestamp()), b"salt", source[0], DOMAIN.realm)

    def _new_id(self) -> UUID:
        self.made += 1
        return UUID(int=1000 + self.made)
