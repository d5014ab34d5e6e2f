"""One batch of requests through triage, look-up, decision and commit: requests in, answers out.

An answer exists only once what it promises is committed. A batch that cannot be committed is tried request by
request, so that one bad neighbour costs one 500. Must not touch sockets, and reads no clock but the database's.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from psycopg import Error, InterfaceError, OperationalError
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg_pool import PoolTimeout

from apps.extensions.ha1s import place_of, sealed_for
from apps.registrar import outcomes
from apps.registrar.answers import answering_keep
from apps.registrar.authentication import (
    NOBODY,
    NOBODYS_HA1S,
    NONCE_LIFETIME_S,
    PROVEN,
    Claim,
    challenge_headers,
    is_merged,
    new_nonce,
    nonce_after_refusal,
    prove,
    read_claim,
    success_headers,
)
from apps.registrar.bindings import Account, Address, DomainPolicy, NonceRecord
from apps.registrar.blocking import BlockedNetworks
from apps.registrar.decision_log import log_decision
from apps.registrar.outcomes import Outcome
from apps.registrar.received import Malformed, Received, read, way_back
from apps.registrar.regevent.notify import sent_by
from apps.registrar.regevent.store import Asked
from apps.registrar.regevent.subscription import Subscribing, subscribe
from apps.registrar.regevent.values import Way
from apps.registrar.rules import Answer, Registration, refusal_event, register, requested_aor
from apps.registrar.sightings.notes import Sightings
from apps.registrar.store import Batch, Claimed, Directory, NonceCountTaken, Store
from apps.registrar.triage import triage
from apps.sip.digest import AuthorizationFault
from apps.sip.response import build_response
from apps.sip.transactions import REPEATED_WITHIN_S, repeat_key
from apps.sipserver.events import Datagram

logger = logging.getLogger(__name__)

_NOT_READ_YET = BlockedNetworks({})


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
    GRUUs' key (empty: none are made)."""

    nonce_key: bytes
    new_id: Callable[[], UUID]
    retry_after_s: Callable[[], int]
    gruu_key: bytes = b""


class BatchProcessor:
    """Turns datagrams into answers over a Store. `changed` hears the peers of each commit, `notified` that it queued
    NOTIFYs. No contact may point at `own_hosts`. `server` is where subscribers find us, ("", 0) by our domain; `socket`
    is the name of the UDP socket we hear. `sightings` remembers the attempts that come to nothing."""

    def __init__(
        self,
        store: Store,
        chance: Chance,
        changed: Callable[[set[UUID]], None],
        own_hosts: frozenset[str] = frozenset(),
        notified: Callable[[], None] = lambda: None,
        server: Address = ("", 0),
        socket: str = "",
        sightings: Sightings | None = None,
    ) -> None:
        self.sightings = sightings or Sightings()
        # As last read: for while the database is away.
        self._blocked = _NOT_READ_YET
        self.own_hosts = own_hosts
        self.notified = notified
        self.server = server
        self.socket = socket
        self.store = store
        self.chance = chance
        self.changed = changed
        # His HA1s are opened like everybody's, so that refusing him takes as long (C91).
        place = place_of(NOBODY.peer_id, NOBODY.peer_id, NOBODY.peer_name)
        kept = sealed_for(store.ha1_keys, NOBODYS_HA1S, place)
        self.nobody = replace(NOBODY, ha1s=store.opened([kept]))

    def blocks(self, host: str) -> bool:
        """Whether whoever is there gets no answer, as last read; nobody gets one before."""
        return self._blocked is _NOT_READ_YET or self._blocked.cover(host)

    async def answers(self, datagrams: Sequence[Datagram]) -> list[Datagram]:
        """(bytes, destination) for each request that gets an answer, committed before it is returned."""
        messages = [read(data, origin) for data, origin in datagrams]
        heard = [message for message in messages if message is not None]
        return await self._answer_all(heard) if heard else []

    async def _answer_all(self, heard: list[Received | Malformed]) -> list[Datagram]:
        try:
            directory = await self.store.directory()
        except (Error, PoolTimeout) as error:
            logger.warning("database unavailable: %s", error)
            unblocked = [one for one in heard if not self._blocked.cover(one.source[0])]
            return [one.answer if isinstance(one, Malformed) else self._unavailable(one) for one in unblocked]
        self._blocked = directory.blocked
        answers: list[Datagram] = []
        claimants: list[Claimant] = []
        for one in heard:
            result = self._triage(one, directory)
            if isinstance(result, Claimant):
                claimants.append(result)
            elif result is not None:
                answers.append(result)
        if claimants:
            answers += await self._commit(claimants)
        return answers

    def _triage(self, heard: Received | Malformed, directory: Directory) -> Datagram | Claimant | None:
        """The answer, or whom to look up; nobody in a blocked network gets any."""
        if directory.blocked.cover(heard.source[0]):
            self.sightings.blocked(heard.request, heard.source, directory.now)
            return None
        if isinstance(heard, Malformed):
            self.sightings.malformed(heard.request, heard.source, directory.now)
            return heard.answer
        return self._triage_request(heard, directory)

    def _triage_request(self, received: Received, directory: Directory) -> Datagram | Claimant:
        request, source, now = received.request, received.source, directory.now
        domain = triage(request, directory.domains)
        if isinstance(domain, Answer):
            self.sightings.refused(request, domain.outcome, source, now)
            return _answer(received, domain)
        now_s = int(now.timestamp())
        claim = read_claim(request, domain, self.chance.nonce_key, source[0], now_s)
        if isinstance(claim, AuthorizationFault):
            self.sightings.refused(request, outcomes.BAD_CREDENTIALS, source, now)
            return _answer(received, Answer(outcomes.BAD_CREDENTIALS))
        if claim is None:
            self.sightings.challenged(request, domain, source, now)
            return self._challenge(received, domain, now_s, outcomes.CHALLENGE)
        self.sightings.claimed(request, domain, source)
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
            asked=[asked for claimant in claimants if (asked := claimant.asked) is not None],
        ) as batch:
            deciding = _Deciding(self, batch)
            answers = [deciding.answer(claimant) for claimant in claimants]
            deciding.collect()
        self.changed(batch.changes.changed_peers())
        if batch.notifies:
            self.notified()
        return answers

    def _challenge(
        self,
        received: Received,
        domain: DomainPolicy,
        now_s: int,
        outcome: Outcome,
        *,
        nonce: str | None = None,
        stale: bool = False,
    ) -> Datagram:
        """With this nonce, or a new one."""
        nonce = nonce or new_nonce(received.request, domain, self.chance.nonce_key, received.source[0], now_s)
        return _answer(received, Answer(outcome, challenge_headers(domain, nonce, stale=stale)))

    def _unavailable(self, received: Received, outcome: Outcome = outcomes.UNAVAILABLE) -> Datagram:
        retry_after = ("Retry-After", str(self.chance.retry_after_s()))
        return _answer(received, Answer(outcome, [retry_after]))


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
        proof = prove(claimant.claim, account, request.method, self.processor.nobody)
        if proof is outcomes.UNREADABLE_CREDENTIAL:
            return self.processor._unavailable(claimant.received, proof)
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
        if account is None:
            self.processor.sightings.unknown_user(
                claimant.claim.credentials.username,
                claimant.domain,
                received.request,
                received.source,
                self.now,
            )
        (changes.events if account is not None else changes.decoys).append(
            refusal_event(
                received.request, account or NOBODY, claimant.domain, proof, received.source, self.now
            )
        )
        answer = self._challenge(claimant, proof, nonce=nonce_after_refusal(claimant.claim))
        if proof in PROVEN:
            self._use_up(claimant, answer[0])
        return answer

    def _use_up(self, claimant: Claimant, response: bytes) -> None:
        """Whoever captured it must not be able to send it again once the peer is let in (C92)."""
        credentials = claimant.claim.credentials
        record = self.nonces.get(credentials.nonce)
        if record is None or record.nc < credentials.nc:
            key = repeat_key(claimant.received.request, claimant.received.source)
            self._remember(claimant, key, response)

    def _challenge(
        self, claimant: Claimant, outcome: Outcome, *, nonce: str | None = None, stale: bool = False
    ) -> Datagram:
        now_s = int(self.now.timestamp())
        return self.processor._challenge(
            claimant.received, claimant.domain, now_s, outcome, nonce=nonce, stale=stale
        )

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
                is_served=aor in self.batch.snapshot.served,
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
