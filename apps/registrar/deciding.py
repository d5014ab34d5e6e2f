"""The requests of one batch in arrival order, each seeing the one before. No I/O: batches.py reads and commits.

Must not decide what rules.py, authentication.py and regevent/subscription.py decide: it asks them, and gathers what
changes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from apps.registrar import echoes, outcomes
from apps.registrar.answers import answering_keep, kept_text, repeated_answer
from apps.registrar.authentication import (
    NOBODY,
    NONCE_KEPT_S,
    PROVEN,
    Claim,
    challenge_headers,
    is_merged,
    new_nonce,
    nonce_after_refusal,
    prove,
    success_headers,
)
from apps.registrar.bindings import Account, Address, DomainPolicy, NonceRecord, StoredBinding
from apps.registrar.decision_log import log_decision
from apps.registrar.decisions import Decision
from apps.registrar.expiry import Spread, as_set
from apps.registrar.outcomes import Outcome
from apps.registrar.received import Received, way_back
from apps.registrar.regevent.notify import sent_by
from apps.registrar.regevent.store import Asked
from apps.registrar.regevent.subscription import Subscribing, subscribe
from apps.registrar.regevent.values import Way
from apps.registrar.renewals.deciding import Known, key_to_keep, known_of
from apps.registrar.rules import Answer, Registration, refusal_event, register
from apps.registrar.sightings.notes import Sightings
from apps.registrar.store import Batch, Claimed
from apps.registrar.unproven import Unproven
from apps.sip.response import build_response
from apps.sip.transactions import LIFE_S, repeat_key, request_key, transaction_key
from apps.sipserver.events import Datagram


@dataclass(frozen=True, slots=True)
class Claimant:
    """A REGISTER or SUBSCRIBE that has to be looked up."""

    received: Received
    domain: DomainPolicy
    claim: Claim
    aor: str | None

    @property
    def claimed(self) -> Claimed:
        return self.domain.domain_id, self.claim.credentials.username

    @property
    def is_subscribe(self) -> bool:
        return self.received.request.method == "SUBSCRIBE"

    @property
    def asked(self) -> Asked | None:
        """What a SUBSCRIBE asks about."""
        uri = self.received.request.to.uri
        if not self.is_subscribe or self.aor is None or uri is None:
            return None
        return Asked(self.aor, self.domain.domain_id, uri.user, self.claim.credentials.username)


@dataclass(frozen=True, slots=True)
class Chance:
    """What is random or secret, given from outside: the nonces' key, new binding ids, seconds of Retry-After, the
    GRUUs' key (empty: none are made), how far expiries are spread."""

    nonce_key: bytes
    new_id: Callable[[], UUID]
    retry_after_s: Callable[[], int]
    gruu_key: bytes = b""
    spread: Spread = as_set


@dataclass(slots=True)
class Means:
    """What decisions rest on besides request and database. No contact may point at `own_hosts`. `server` is where
    subscribers find us, ("", 0) by our domain; `socket` is the name of the UDP socket we hear. nobody: whom a user who
    does not exist is checked against. `sightings` remembers the attempts that come to nothing."""

    chance: Chance
    nobody: Account
    own_hosts: frozenset[str]
    server: Address
    socket: str
    sightings: Sightings


class Deciding:
    """The requests of one batch; `collect` puts what they change into it. renewable: by the keys of renewals, what they
    may be judged by once this is committed."""

    def __init__(self, means: Means, batch: Batch) -> None:
        self.means = means
        self.batch = batch
        self.now = batch.snapshot.now
        self.now_s = int(self.now.timestamp())
        self.before = dict(batch.snapshot.bindings)
        self.bindings = dict(batch.snapshot.bindings)
        self.nonces = dict(batch.snapshot.nonces)
        self.subscriptions = dict(batch.snapshot.subscriptions)
        self.renewable: dict[bytes, Known] = {}

    def answer(self, claimant: Claimant) -> Datagram:
        received, claim = claimant.received, claimant.claim
        account = self.batch.snapshot.accounts.get(claimant.claimed)
        proof = prove(claim, account, received.request.method, self.means.nobody)
        if proof is outcomes.UNREADABLE_CREDENTIAL:
            return unavailable(self.means.chance, received, proof)
        if account is None or proof is not outcomes.OK:
            return self._refuse(claimant, account, proof)
        record = self.nonces.get(claim.credentials.nonce)
        if record is not None and self._is_ongoing(claimant, record):
            if record.repeat_key == repeat_key(received.data, received.source):
                return _repeated(received, record)
            if is_merged(received.request, record):
                return answered(received, Answer(outcomes.MERGED_REQUEST))
        if claim.nonce_expired or (record and record.nc >= claim.credentials.nc):
            return answered(received, self._challenge(claimant, outcomes.STALE_NONCE, stale=True))
        return (self._subscribe if claimant.is_subscribe else self._register)(claimant, account)

    def collect(self) -> None:
        """What differs between the bindings read and the bindings decided becomes the batch's change set."""
        for aor in self.bindings:
            before = {row.binding_id: row for row in self.before.get(aor, ())}
            after = {row.binding_id: row for row in self.bindings[aor]}
            self.batch.changes.deletes += [row for key, row in before.items() if key not in after]
            self.batch.changes.upserts += [row for key, row in after.items() if before.get(key) != row]
        used = (
            nonce for nonce, record in self.nonces.items() if self.batch.snapshot.nonces.get(nonce) != record
        )
        self.batch.changes.nonces += [self.nonces[nonce] for nonce in used]

    def _is_ongoing(self, claimant: Claimant, record: NonceRecord) -> bool:
        """Whether the transaction this nonce count was accepted in still lives (§17.2.2); later all is a replay."""
        young = self.now - record.accepted_at <= timedelta(seconds=LIFE_S)
        return young and record.nc == claimant.claim.credentials.nc

    def _refuse(self, claimant: Claimant, account: Account | None, proof: Outcome) -> Datagram:
        received, changes = claimant.received, self.batch.changes
        request, source, domain = received.request, received.source, claimant.domain
        if account is None:
            username = claimant.claim.credentials.username
            self.means.sightings.unknown_user(username, domain, request, source, self.now)
        event = refusal_event(request, account or NOBODY, domain, proof, source, self.now)
        (changes.events if account is not None else changes.decoys).append(event)
        answer = self._challenge(claimant, proof, nonce=nonce_after_refusal(claimant.claim))
        if proof in PROVEN:
            self._use_up(claimant, answer)
        return answered(received, answer)

    def _use_up(self, claimant: Claimant, answer: Answer) -> None:
        """Whoever captured it must not be able to send it again once the peer is let in (C92)."""
        credentials = claimant.claim.credentials
        record = self.nonces.get(credentials.nonce)
        if record is None or record.nc < credentials.nc:
            self._remember(claimant, answer)

    def _challenge(
        self, claimant: Claimant, outcome: Outcome, *, nonce: str | None = None, stale: bool = False
    ) -> Answer:
        chance, domain = self.means.chance, claimant.domain
        return challenge(chance, claimant.received, domain, self.now_s, outcome, nonce=nonce, stale=stale)

    def _register(self, claimant: Claimant, account: Account) -> Datagram:
        registration = self._registration(claimant, account)
        decision = register(registration)
        self.batch.changes.events += decision.events
        answer = self._with_next_nonce(claimant, decision.answer)
        text = self._remember(claimant, answer)
        response = answered(claimant.received, answer, is_routine=not decision.events)
        self.bindings[registration.aor] = self._renewable(
            claimant.received, registration, decision, (text, response[0])
        )
        return response

    def _registration(self, claimant: Claimant, account: Account) -> Registration:
        received, aor = claimant.received, claimant.aor or ""
        return Registration(
            request=received.request,
            account=account,
            domain=claimant.domain,
            aor=aor,
            bindings=self.bindings.get(aor, ()),
            source=received.source,
            transport=received.transport,
            flow=received.flow,
            server="" if received.flow else self.means.socket,
            local=received.local,
            now=self.now,
            new_id=self.means.chance.new_id,
            gruu_key=self.means.chance.gruu_key,
            own_hosts=self.means.own_hosts,
            spread=self.means.chance.spread,
        )

    def _renewable(
        self,
        received: Received,
        registration: Registration,
        decision: Decision,
        answer: tuple[str, bytes],
    ) -> tuple[StoredBinding, ...]:
        """The bindings decided; the one that this request made with the key of its renewals."""
        known = {row.binding_id: row for row in registration.bindings}
        made = [row for row in decision.bindings if known.get(row.binding_id) != row]
        if received.renewal is None or len(made) != 1 or decision.answer.outcome is not outcomes.OK:
            return decision.bindings
        (own,) = made
        nonce_key = self.means.chance.nonce_key
        key = key_to_keep(received.renewal, registration, decision.bindings, own, answer, nonce_key)
        if key is not None and len(decision.bindings) == 1:
            known_now = known_of(received.renewal, registration.account, own)
            if known_now is not None:
                self.renewable[key] = known_now
        return tuple(replace(row, renewal_key=key) if row is own else row for row in decision.bindings)

    def _with_next_nonce(self, claimant: Claimant, answer: Answer) -> Answer:
        if answer.outcome is not outcomes.OK:
            return answer
        received, nonce_key = claimant.received, self.means.chance.nonce_key
        more = success_headers(
            lambda: transaction_key(received.request),
            claimant.claim.nonce_issued_at_s,
            claimant.domain,
            nonce_key,
            received.source[0],
            self.now_s,
        )
        return replace(answer, headers=[*answer.headers, *more]) if more else answer

    def _subscribe(self, claimant: Claimant, account: Account) -> Datagram:
        aor, received = claimant.aor or "", claimant.received
        decision = subscribe(
            Subscribing(
                request=received.request,
                account=account,
                domain=claimant.domain,
                aor=aor,
                subscriptions=self.subscriptions.get(aor, ()),
                is_served=aor in self.batch.snapshot.served,
                # Where answers go: the same addresses get through to the phone.
                way=Way(*way_back(received.request, received.origin)),
                sent_by=sent_by(self.means.server, claimant.domain.name, received.transport),
                now=self.now,
                new_id=self.means.chance.new_id,
            )
        )
        self.subscriptions[aor] = decision.subscriptions
        self.batch.subscribed += decision.told
        self._remember(claimant, decision.answer)
        return answered(received, decision.answer)

    def _remember(self, claimant: Claimant, answer: Answer) -> str:
        """What is kept of the answer."""
        credentials, received = claimant.claim.credentials, claimant.received
        request, text = received.request, kept_text(answer)
        self.nonces[credentials.nonce] = NonceRecord(
            nonce=credentials.nonce,
            nc=credentials.nc,
            repeat_key=repeat_key(received.data, received.source),
            request_key=request_key(request.from_.text, request.call_id, request.value("cseq") or ""),
            answer=text,
            accepted_at=self.now,
            expires_at=datetime.fromtimestamp(claimant.claim.nonce_issued_at_s + NONCE_KEPT_S, UTC),
        )
        return text


def challenge(
    chance: Chance,
    received: Received,
    domain: DomainPolicy,
    now_s: int,
    outcome: Outcome,
    *,
    nonce: str | None = None,
    stale: bool = False,
) -> Answer:
    """With this nonce, or a new one."""
    if nonce is None:
        transaction = transaction_key(received.request)
        nonce = new_nonce(transaction, domain, chance.nonce_key, received.source[0], now_s)
    return Answer(outcome, challenge_headers(domain, nonce, stale=stale))


def first_challenge(nonce_key: bytes, one: Unproven, domain: DomainPolicy, now_s: int) -> bytes:
    """The bytes that challenge() comes to."""
    nonce = new_nonce(echoes.transaction_key(one), domain, nonce_key, one.origin[0], now_s)
    headers = challenge_headers(domain, nonce, stale=False)
    tail = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return echoes.response(one, f"{outcomes.CHALLENGE.status} {outcomes.CHALLENGE.phrase}", tail)


def unavailable(chance: Chance, received: Received, outcome: Outcome = outcomes.UNAVAILABLE) -> Datagram:
    return answered(received, Answer(outcome, [("Retry-After", str(chance.retry_after_s()))]))


def answered(received: Received, answer: Answer, *, is_routine: bool = False) -> Datagram:
    log_decision(received.request, received.source, received.transport, answer.outcome, is_routine=is_routine)
    request = answering_keep(received.request, answer.keep_s)
    outcome = answer.outcome
    response = build_response(request, received.source, outcome.status, outcome.phrase, answer.headers)
    return response, way_back(received.request, received.origin)


def _repeated(received: Received, record: NonceRecord) -> Datagram:
    log_decision(received.request, received.source, received.transport, outcomes.REPEAT)
    response = repeated_answer(received.request, received.source, record.answer)
    return response, way_back(received.request, received.origin)
