"""One batch of requests through triage, look-up, decision and commit: requests in, answers out.

What may be a renewal goes first, and quickly (renewals/); the rest is read in full. An answer exists only once what it
promises is committed. A batch that cannot be committed is tried request by request, so that one bad neighbour costs
one 500. Must not touch sockets, and reads no clock but the database's.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg import Error, InterfaceError, OperationalError
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg_pool import PoolTimeout

from apps.extensions.ha1s import place_of, sealed_for
from apps.registrar import outcomes
from apps.registrar.authentication import NOBODY, NOBODYS_HA1S, Claim, claim_of, read_claim
from apps.registrar.bindings import Address, DomainPolicy
from apps.registrar.blocking import BlockedNetworks
from apps.registrar.deciding import (
    Chance,
    Claimant,
    Deciding,
    Means,
    answered,
    challenge,
    first_challenge,
    unavailable,
)
from apps.registrar.decision_log import log_unread, tell_decisions
from apps.registrar.echoes import way_back
from apps.registrar.received import Malformed, Received, read
from apps.registrar.renewals.lane import Lane
from apps.registrar.renewals.reading import Renewal, RenewalReader
from apps.registrar.rules import Answer, requested_aor
from apps.registrar.sightings.notes import ChallengeKey, Sightings
from apps.registrar.store import Directory, NonceCountTaken, Store
from apps.registrar.triage import ALLOW, triage
from apps.registrar.unproven import Unproven, read_unproven
from apps.sip.digest import AuthorizationFault
from apps.sipserver.events import Datagram

logger = logging.getLogger(__name__)

Full = Received | Malformed
Heard = Renewal | Unproven | Full

_NOT_READ_YET = BlockedNetworks({})


# Of ours, which are hex.
_NONCE: Final = re.compile(r'nonce="?([0-9a-f]+)')


class BatchProcessor:
    """Turns datagrams into answers over a Store. `changed` hears the peers of each commit, `notified` that it queued
    NOTIFYs. The others are as Means has them."""

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
        allow: tuple[str, str] = ALLOW,
    ) -> None:
        # His HA1s are opened like everybody's, so that refusing him takes as long (C91).
        place = place_of(NOBODY.peer_id, NOBODY.peer_id, NOBODY.peer_name)
        kept = sealed_for(store.ha1_keys, NOBODYS_HA1S, place)
        nobody = replace(NOBODY, ha1s=store.opened([kept]))
        self.means = Means(chance, nobody, own_hosts, server, socket, sightings or Sightings())
        self.store = store
        self.lane = Lane(store, chance.nonce_key, chance.gruu_key, chance.spread)
        self.allow = allow
        self.changed = changed
        self.notified = notified
        # As last read: for while the database is away, and to know what may be a renewal.
        self._blocked = _NOT_READ_YET
        self._domains: Mapping[str, DomainPolicy] = {}
        self._reader = RenewalReader({}, "", b"")

    def blocks(self, host: str) -> bool:
        """Whether whoever is there gets no answer, as last read; nobody gets one before."""
        return self._blocked is _NOT_READ_YET or self._blocked.cover(host)

    async def answers(self, datagrams: Sequence[Datagram]) -> list[Datagram]:
        """(bytes, destination) for each request that gets an answer, committed before it is returned."""
        try:
            return await self._answers(datagrams)
        finally:
            tell_decisions()

    async def _answers(self, datagrams: Sequence[Datagram]) -> list[Datagram]:
        heard: list[Heard] = []
        for data, origin in datagrams:
            one = self._reader.read(data, origin) or read_unproven(data, origin) or read(data, origin)
            if one is not None:
                heard.append(one)
        renewed = await self._renew(_alone(heard))
        others = [full for one in heard if id(one) not in renewed and (full := _to_answer(one)) is not None]
        answers = await self._answer_all(others) if others else []
        return [*renewed.values(), *answers]

    async def _renew(self, renewals: Sequence[Renewal]) -> dict[int, Datagram]:
        """The answers of those that are, by their identity. Where the database fails they are tried the other way."""
        if not renewals:
            return {}
        try:
            found = await self.lane.renew(renewals)
        except (Error, PoolTimeout) as error:
            logger.warning("%d renewals could not be written: %s", len(renewals), error)
            return {}
        self.changed({UUID(one.known.peer_id) for one in found})
        for one in found:
            renewal = one.renewal
            self.means.sightings.answered(renewal.domain.name, renewal.user, renewal.source[0])
            log_unread(renewal.data, renewal.origin, outcomes.OK)
        return {id(one.renewal): (one.response, way_back(one.renewal)) for one in found}

    def _know(self, directory: Directory) -> Directory:
        """The same, with domains that are the known ones where they are equal to them."""
        self._blocked = directory.blocked
        if directory.domains != self._domains:
            self._domains = directory.domains
            place = f"{sorted(self.means.own_hosts)} {self.means.socket}"
            self._reader = RenewalReader(directory.domains, place, self.means.chance.nonce_key)
        return replace(directory, domains=self._domains)

    async def _answer_all(self, heard: list[Full | Unproven]) -> list[Datagram]:
        try:
            directory = await self.store.directory()
        except (Error, PoolTimeout) as error:
            logger.warning("database unavailable: %s", error)
            unblocked = [_in_full(one) for one in heard if not self._blocked.cover(one.source[0])]
            chance = self.means.chance
            return [
                one.answer if isinstance(one, Malformed) else unavailable(chance, one)
                for one in unblocked
                if one is not None
            ]
        directory = self._know(directory)
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

    def _triage(self, one: Full | Unproven, directory: Directory) -> Datagram | Claimant | None:
        """The answer, or whom to look up; nobody in a blocked network gets any."""
        is_blocked = directory.blocked.cover(one.source[0])
        if isinstance(one, Unproven) and not is_blocked:
            domain = directory.domains.get(one.asked)
            if domain is not None:
                return self._challenge(one, domain, directory.now)
        heard = _in_full(one)
        if heard is None:
            return None
        if is_blocked:
            self.means.sightings.blocked(heard.request, heard.source, directory.now)
            return None
        if isinstance(heard, Malformed):
            self.means.sightings.malformed(heard.request, heard.source, directory.now)
            return heard.answer
        return self._triage_request(heard, directory)

    def _challenge(self, one: Unproven, domain: DomainPolicy, now: datetime) -> Datagram:
        """What triage and read_claim come to for all of these."""
        key = ChallengeKey(domain.name, one.user, one.origin[0])
        transaction = (one.call_id, one.cseq, one.branch)
        self.means.sightings.awaits_answer(key, transaction, one.origin[1], one.user_agent, now)
        log_unread(one.data, one.origin, outcomes.CHALLENGE)
        return first_challenge(self.means.chance.nonce_key, one, domain, int(now.timestamp())), way_back(one)

    def _triage_request(self, received: Received, directory: Directory) -> Datagram | Claimant:
        request, source, now = received.request, received.source, directory.now
        domain = triage(request, directory.domains, self.allow)
        if isinstance(domain, Answer):
            self.means.sightings.refused(request, domain.outcome, source, now)
            return answered(received, domain)
        now_s = int(now.timestamp())
        claim = self._claim(received, domain, now_s)
        if isinstance(claim, AuthorizationFault):
            self.means.sightings.refused(request, outcomes.BAD_CREDENTIALS, source, now)
            return answered(received, Answer(outcomes.BAD_CREDENTIALS))
        if claim is None:
            self.means.sightings.challenged(request, domain, source, now)
            answer = challenge(self.means.chance, received, domain, now_s, outcomes.CHALLENGE)
            return answered(received, answer)
        self.means.sightings.claimed(request, domain, source)
        return Claimant(received, domain, claim, requested_aor(received.request))

    def _claim(
        self, received: Received, domain: DomainPolicy, now_s: int
    ) -> Claim | AuthorizationFault | None:
        """As read_claim; not read again where that was done before, for the domain as it still is."""
        known, request = received.renewal, received.request
        if known and known.domain is domain and request.values("authorization") == (known.authorization,):
            return claim_of(known.credentials, known.nonce_issued_at_s, domain, now_s)
        return read_claim(request, domain, self.means.chance.nonce_key, received.source[0], now_s)

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
                    return [unavailable(self.means.chance, claimant.received) for claimant in claimants]
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
                answers.append(answered(claimant.received, Answer(outcomes.SERVER_ERROR)))
        return answers

    async def _decide_and_commit(self, claimants: list[Claimant]) -> list[Datagram]:
        async with self.store.batch(
            aors={claimant.aor for claimant in claimants if claimant.aor is not None},
            claims={claimant.claimed for claimant in claimants},
            nonces={claimant.claim.credentials.nonce for claimant in claimants},
            asked=[asked for claimant in claimants if (asked := claimant.asked) is not None],
        ) as batch:
            deciding = Deciding(self.means, batch)
            answers = [deciding.answer(claimant) for claimant in claimants]
            deciding.collect()
        for key, known in deciding.renewable.items():
            self.lane.remember(key, known)
        self.changed(batch.changes.changed_peers())
        if batch.notifies:
            self.notified()
        return answers


def _alone(heard: Sequence[Heard]) -> list[Renewal]:
    """Those whose AOR and nonce nobody else in the batch has: the others must be answered in their order."""
    renewals = [one for one in heard if isinstance(one, Renewal)]
    others = [one.request for one in heard if isinstance(one, Received)]
    aors = Counter(one.aor for one in renewals)
    aors.update(requested_aor(request) or "" for request in others)
    nonces = Counter(one.credentials.nonce for one in renewals)
    for request in others:
        nonces.update(_NONCE.findall("".join(request.values("authorization"))))
    return [one for one in renewals if aors[one.aor] == 1 and nonces[one.credentials.nonce] == 1]


def _to_answer(one: Heard) -> Full | Unproven | None:
    return one if isinstance(one, Unproven) else _in_full(one)


def _in_full(one: Heard) -> Full | None:
    """None for what gets no answer, as of `read`."""
    if isinstance(one, Renewal):
        return read(one.data, one.origin, one)
    return read(one.data, one.origin) if isinstance(one, Unproven) else one
