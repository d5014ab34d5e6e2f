"""One batch of requests through triage, look-up, decision and commit: requests in, answers out.

An answer exists only once what it promises is committed. A batch that cannot be committed is tried request by
request, so that one bad neighbour costs one 500. Must not touch sockets, and reads no clock but the database's.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from psycopg import Error, InterfaceError, OperationalError
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg_pool import PoolTimeout

from apps.registrar import outcomes
from apps.registrar.answers import answering_keep
from apps.registrar.authentication import (
    NOBODY,
    NONCE_LIFETIME_S,
    Claim,
    challenge_headers,
    is_merged,
    prove,
    read_claim,
    success_headers,
)
from apps.registrar.bindings import (
    Account,
    Address,
    DomainPolicy,
    NonceRecord,
)
from apps.registrar.decision_log import log_decision
from apps.registrar.outcomes import Outcome
from apps.registrar.regevent.notify import sent_by
from apps.registrar.regevent.subscription import Subscribing, subscribe
from apps.registrar.regevent.values import Way
from apps.registrar.rules import Answer, Registration, refusal_event, register, requested_aor
from apps.registrar.store import Batch, Claimed, Directory, NonceCountTaken, Store
from apps.registrar.triage import triage
from apps.sip.digest import AuthorizationFault
from apps.sip.message import MalformedRequest, Request, parse_request
from apps.sip.response import build_response, response_address
from apps.sip.transactions import REPEATED_WITHIN_S, repeat_key
from apps.sipserver.events import Datagram, Origin, Transport

logger = logging.getLogger(__name__)

# Content-Length may only be left out where something else ends the message (RFC 3261 §18.3, RFC 7118 §5).
STREAMS: Final = frozenset({"TCP", "TLS"})


@dataclass(frozen=True, slots=True)
class Received:
    """A request that parsed, the packet's source, and the way back for its answer."""

    request: Request
    source: Address
    origin: Address | Origin

    @property
    def transport(self) -> Transport:
        return self.origin.transport if isinstance(self.origin, Origin) else "UDP"

    @property
    def flow(self) -> str | None:
        return self.origin.flow if isinstance(self.origin, Origin) else None

    @property
    def local(self) -> str | None:
        """The address of ours it came to, in hex digits; None where there is but one."""
        local = self.origin.local if isinstance(self.origin, Origin) else None
        return None if local is None else local.hex()


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


@dataclass(frozen=True, slots=True)
class Chance:
    """What is random or secret, given from outside: the nonces' key, new binding ids, seconds of Retry-After, the
    GRUUs' key (empty: none are made)."""

    nonce_key: bytes
    new_id: Callable[[], UUID]
    retry_after_s: Callable[[], int]
    gruu_key: bytes = b""


class BatchProcessor:
    """Turns datagrams into answers over a Store. `changed` hears the peers of each commit, `notified` that it queued
    NOTIFYs. No contact may point at `own_hosts`. `server` is where subscribers find us, ("", 0) by our domain;
    `socket` is the name of the UDP socket we hear."""

    def __init__(
        self,
        store: Store,
        chance: Chance,
        changed: Callable[[set[UUID]], None],
        own_hosts: frozenset[str] = frozenset(),
        notified: Callable[[], None] = lambda: None,
        server: Address = ("", 0),
        socket: str = "",
    ) -> None:
        self.own_hosts = own_hosts
        self.notified = notified
        self.server = server
        self.socket = socket
        self.store = store
        self.chance = chance
        self.changed = changed

    async def answers(self, datagrams: Sequence[Datagram]) -> list[Datagram]:
        """(bytes, destination) for each request that gets an answer, committed before it is returned."""
        answers: list[Datagram] = []
        received: list[Received] = []
        for data, origin in datagrams:
            parsed = _parsed(data, origin)
            if isinstance(parsed, Request):
                received.append(Received(parsed, origin[:2], origin))
            elif parsed.status is not None:
                answers.append(_malformed_answer(parsed, origin))
        if received:
            answers += await self._answer_all(received)
        return answers

    async def _answer_all(self, received: list[Received]) -> list[Datagram]:
        try:
            directory = await self.store.directory()
        except (Error, PoolTimeout) as error:
            logger.warning("database unavailable: %s", error)
            return [self._unavailable(one) for one in received]
        answers: list[Datagram] = []
        claimants: list[Claimant] = []
        for one in received:
            result = self._triage(one, directory)
            if isinstance(result, Claimant):
                claimants.append(result)
            else:
                answers.append(result)
        if claimants:
            answers += await self._commit(claimants)
        return answers

    def _triage(self, received: Received, directory: Directory) -> Datagram | Claimant:
        domain = triage(received.request, directory.domains)
        if isinstance(domain, Answer):
            return _answer(received, domain)
        now_s = int(directory.now.timestamp())
        claim = read_claim(received.request, domain, self.chance.nonce_key, received.source[0], now_s)
        if isinstance(claim, AuthorizationFault):
            return _answer(received, Answer(outcomes.BAD_CREDENTIALS))
        if claim is None:
            return self._challenge(received, domain, now_s, outcomes.CHALLENGE)
        return Claimant(received, domain, claim, requested_aor(received.request))

    async def _commit(self, claimants: list[Claimant]) -> list[Datagram]:
        """The claimants' answers, after the commit of what they say."""
        for attempt in (1, 2):
            try:
                return await self._decide_and_commit(claimants)
            except (NonceCountTaken, DeadlockDetected, SerializationFailure):
                break
            except (OperationalError, InterfaceError, PoolTimeout) as error:
                # The connection is gone. If its commit went through, the second attempt finds the answers it stored.
                logger.warning("database connection lost (attempt %d): %s", attempt, error)
                if attempt == 2:
                    return [self._unavailable(claimant.received) for claimant in claimants]
            except Error:
                logger.exception("a batch of %d could not be committed", len(claimants))
                break
        return await self._commit_one_by_one(claimants)

    async def _commit_one_by_one(self, claimants: list[Claimant]) -> list[Datagram]:
        answers: list[Datagram] = []
        for claimant in claimants:
            try:
                answers += await self._decide_and_commit([claimant])
            except (Error, PoolTimeout):
                logger.exception("a request could not be committed")
                answers.append(_answer(claimant.received, Answer(outcomes.SERVER_ERROR)))
        return answers

    async def _decide_and_commit(self, claimants: list[Claimant]) -> list[Datagram]:
        async with self.store.batch(
            aors={claimant.aor for claimant in claimants if claimant.aor is not None},
            claims={claimant.claimed for claimant in claimants},
            nonces={claimant.claim.credentials.nonce for claimant in claimants},
            subscribed_aors={
                claimant.aor for claimant in claimants if claimant.is_subscribe and claimant.aor is not None
            },
        ) as batch:
            deciding = _Deciding(self, batch)
            answers = [deciding.answer(claimant) for claimant in claimants]
            deciding.collect()
        self.changed(batch.changes.changed_peers())
        if batch.notifies:
            self.notified()
        return answers

    def _challenge(
        self, received: Received, domain: DomainPolicy, now_s: int, outcome: Outcome, *, stale: bool = False
    ) -> Datagram:
        headers = challenge_headers(
            received.request, domain, self.chance.nonce_key, received.source[0], now_s, stale=stale
        )
        return _answer(received, Answer(outcome, headers))

    def _unavailable(self, received: Received) -> Datagram:
        retry_after = ("Retry-After", str(self.chance.retry_after_s()))
        return _answer(received, Answer(outcomes.UNAVAILABLE, [retry_after]))


class _Deciding:
    """The requests of one batch in arrival order, each seeing the one before."""

    def __init__(self, processor: BatchProcessor, batch: Batch) -> None:
        self.processor = processor
        self.batch = batch
        self.now = batch.snapshot.now
        self.before = dict(batch.snapshot.bindings)
        self.bindings = dict(batch.snapshot.bindings)
        self.nonces = dict(batch.snapshot.nonces)
        self.subscriptions = dict(batch.snapshot.subscriptions)

    def answer(self, claimant: Claimant) -> Datagram:
        request = claimant.received.request
        account = self.batch.snapshot.accounts.get(claimant.claimed)
        proof = prove(claimant.claim, account, request.method)
        if account is None or proof is not outcomes.OK:
            return self._refuse(claimant, account, proof)
        key = repeat_key(request, claimant.received.source)
        record = self.nonces.get(claimant.claim.credentials.nonce)
        if record is not None and self._is_ongoing(claimant, record):
            if record.transaction_key == key:
                received = claimant.received
                log_decision(request, received.source, received.transport, outcomes.REPEAT)
                return record.response, way_back(request, claimant.received.origin)
            if is_merged(request, record):
                return _answer(claimant.received, Answer(outcomes.MERGED_REQUEST))
        if claimant.claim.nonce_expired or (record and record.nc >= claimant.claim.credentials.nc):
            return self._challenge(claimant, outcomes.STALE_NONCE, stale=True)
        decide = self._subscribe if claimant.is_subscribe else self._register
        answer = decide(claimant, account)
        self._remember(claimant, key, answer[0])
        return answer

    def _is_ongoing(self, claimant: Claimant, record: NonceRecord) -> bool:
        """Whether the transaction this nonce count was accepted in still lives (§17.2.2); later all is a replay."""
        accepted_at = record.expires_at - timedelta(seconds=NONCE_LIFETIME_S)
        young = self.now - accepted_at <= timedelta(seconds=REPEATED_WITHIN_S)
        return young and record.nc == claimant.claim.credentials.nc

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

    def _refuse(self, claimant: Claimant, account: Account | None, proof: Outcome) -> Datagram:
        received, changes = claimant.received, self.batch.changes
        (changes.events if account is not None else changes.decoys).append(
            refusal_event(
                received.request, account or NOBODY, claimant.domain, proof, received.source, self.now
            )
        )
        return self._challenge(claimant, proof)

    def _challenge(self, claimant: Claimant, outcome: Outcome, *, stale: bool = False) -> Datagram:
        now_s = int(self.now.timestamp())
        return self.processor._challenge(claimant.received, claimant.domain, now_s, outcome, stale=stale)

    def _register(self, claimant: Claimant, account: Account) -> Datagram:
        aor = claimant.aor or ""
        decision = register(
            Registration(
                request=claimant.received.request,
                account=account,
                domain=claimant.domain,
                aor=aor,
                bindings=self.bindings.get(aor, ()),
                source=claimant.received.source,
                transport=claimant.received.transport,
                flow=claimant.received.flow,
                server="" if claimant.received.flow else self.processor.socket,
                local=claimant.received.local,
                now=self.now,
                new_id=self.processor.chance.new_id,
                gruu_key=self.processor.chance.gruu_key,
                own_hosts=self.processor.own_hosts,
            )
        )
        self.bindings[aor] = decision.bindings
        self.batch.changes.events += decision.events
        answer = self._with_next_nonce(claimant, decision.answer)
        return _answer(claimant.received, answer, is_routine=not decision.events)

    def _with_next_nonce(self, claimant: Claimant, answer: Answer) -> Answer:
        if answer.outcome is not outcomes.OK:
            return answer
        received, chance = claimant.received, self.processor.chance
        now_s = int(self.now.timestamp())
        more = success_headers(
            received.request, claimant.claim, claimant.domain, chance.nonce_key, received.source[0], now_s
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
                # Where answers go: the same addresses get through to the phone.
                way=Way(*way_back(received.request, received.origin)),
                sent_by=sent_by(self.processor.server, claimant.domain.name, received.transport),
                now=self.now,
                new_id=self.processor.chance.new_id,
            )
        )
        self.subscriptions[aor] = decision.subscriptions
        self.batch.subscribed += decision.told
        return _answer(received, decision.answer)

    def _remember(self, claimant: Claimant, key: bytes, response: bytes) -> None:
        credentials = claimant.claim.credentials
        self.nonces[credentials.nonce] = NonceRecord(
            nonce=credentials.nonce,
            nc=credentials.nc,
            transaction_key=key,
            response=response,
            expires_at=self.now + timedelta(seconds=NONCE_LIFETIME_S),
        )


def _answer(received: Received, answer: Answer, *, is_routine: bool = False) -> Datagram:
    log_decision(received.request, received.source, received.transport, answer.outcome, is_routine=is_routine)
    request = answering_keep(received.request, answer.keep_s)
    response = build_response(
        request, received.source, answer.outcome.status, answer.outcome.phrase, answer.headers
    )
    return response, way_back(received.request, received.origin)


def _malformed_answer(malformed: MalformedRequest, origin: Address | Origin) -> Datagram:
    response = build_response(malformed, origin[:2], malformed.status or 400, malformed.reason)
    return response, way_back(malformed, origin)


def _parsed(data: bytes, origin: Address | Origin) -> Request | MalformedRequest:
    parsed = parse_request(data)
    on_stream = isinstance(origin, Origin) and origin.transport in STREAMS
    if on_stream and isinstance(parsed, Request) and parsed.value("content-length") is None:
        why = "missing_content_length"
        return MalformedRequest(400, "Bad Request (missing content length)", why, parsed.echo)
    return parsed


def way_back(request: Request | MalformedRequest, origin: Address | Origin) -> Address | Origin:
    """On the connection it came over (RFC 3261 §18.2.2); over UDP as the Via says, from where it was heard."""
    if not isinstance(origin, Origin):
        return response_address(request, origin)
    if origin.flow is not None:
        return origin
    _, port = response_address(request, origin[:2])
    return origin._replace(port=port)
