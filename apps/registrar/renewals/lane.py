"""Renewals in PostgreSQL, a whole batch at a time: one round trip to write and commit, and one before it to read those
that are not remembered.

Whatever turns out to be none is given back, untouched. Must not answer anything that is not committed, nor take
anything remembered for true.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

import orjson
from psycopg.errors import NotNullViolation

from apps.extensions.ha1s import KeptHa1s, key_id_of, place_of
from apps.registrar.authentication import NONCE_KEPT_S
from apps.registrar.changes import Limits
from apps.registrar.expiry import Spread, as_set
from apps.registrar.renewals import sql
from apps.registrar.renewals.deciding import Known, Listed, Renewed, renewed
from apps.registrar.renewals.memory import Memory
from apps.registrar.renewals.reading import Renewal
from apps.registrar.sql import lock_key, to_json
from apps.registrar.store import NonceCountTaken, Store


class Lane:
    """`clock` only rises, in seconds; with it goes what time it is at the database."""

    def __init__(
        self,
        store: Store,
        nonce_key: bytes,
        gruu_key: bytes,
        spread: Spread = as_set,
        clock: Callable[[], float] = time.monotonic,
        memory: Memory | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.memory = Memory() if memory is None else memory
        self._keys = nonce_key, gruu_key
        self._spread = spread
        self._ahead_s = 0.0

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Those that are, committed. No two may have one AOR, nor one nonce. Raises psycopg.Error and PoolTimeout."""
        found = await self._renew_remembered(renewals)
        if len(found) == len(renewals):
            return found
        done = {id(one.renewal) for one in found}
        return found + await self._renew_read([one for one in renewals if id(one) not in done])

    async def _renew_remembered(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        texts = [(one, text) for one in renewals if (text := self.memory.get(one.key)) is not None]
        if not texts:
            return []
        values = orjson.loads(b"[" + b",".join(text for _, text in texts) + b"]")
        decided = [
            decision
            for (renewal, _), value in zip(texts, values, strict=True)
            if (decision := self._decided(renewal, Known._make(value), ())) is not None
        ]
        found = await self._written(decided)
        if len(found) < len(texts):
            kept = {one.renewal.key for one in found}
            for renewal, _ in texts:
                if renewal.key not in kept:
                    self.memory.forget(renewal.key)
        return found

    async def _renew_read(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        asked = to_json([_asked(number, one) for number, one in enumerate(renewals)])
        ((now_s, found),) = await self.store.fetch_by_keys(sql.READ, {"rows": asked})
        self._is_now(now_s)
        rows: dict[int, list[Listed]] = defaultdict(list)
        for values in orjson.loads(found or "[]"):
            rows[values[0]].append(Listed._make(values))
        decided = [
            decision
            for number, listed in rows.items()
            if (known := _known_of(listed)) is not None
            and (decision := self._decided(renewals[number], known, listed)) is not None
        ]
        done = await self._written(decided)
        for one in done:
            if one.bindings == 1:
                self.remember(one.renewal.key, one.known)
        return done

    def remember(self, key: bytes, known: Known) -> None:
        """By what the next renewal with this key may be judged, of the only binding of its AOR; it is committed."""
        # A copy, for what orjson returns keeps the whole buffer it was written in: some 5 kB.
        self.memory.note(key, bytes(memoryview(orjson.dumps(tuple(known)))))

    def _decided(self, renewal: Renewal, known: Known, listed: Sequence[Listed]) -> Renewed | None:
        percent = self._spread(renewal.domain.expires_spread_percent)
        limits = Limits(renewal.domain, known.min_expires_s, known.max_expires_s, percent)
        ha1 = self._ha1(renewal, known)
        return renewed(renewal, known, limits, ha1, listed, int(self._now_s()), *self._keys)

    async def _written(self, decided: Sequence[Renewed]) -> list[Renewed]:
        if not decided:
            return []
        rows = sorted(
            (_row_of(number, one) for number, one in enumerate(decided)), key=itemgetter("lock_key")
        )
        domains = {one.renewal.domain.domain_id: one.renewal.domain.version for one in decided}
        params = {
            "rows": to_json(rows),
            "domains": to_json(
                [{"id": domain_id, "version": version} for domain_id, version in domains.items()]
            ),
            "decided_at_s": self._now_s(),
        }
        try:
            ((now_s, nonces),) = await self.store.fetch_by_keys(sql.RENEW, params)
        except NotNullViolation:
            raise NonceCountTaken("a nonce count was taken meanwhile") from None
        self._is_now(now_s)
        used = set(nonces)
        return [one for one in decided if one.renewal.credentials.nonce in used]

    def _ha1(self, renewal: Renewal, known: Known) -> str | None:
        """The opened HA1; None if it cannot be read."""
        if key_id_of(known.ha1) is None:
            return known.ha1
        algorithm = renewal.credentials.algorithm
        place = place_of(UUID(known.credential_id), UUID(known.peer_id), renewal.credentials.username)
        (ha1,) = self.store.opened([KeptHa1s(place, {algorithm: known.ha1})])[algorithm]
        return ha1

    def _now_s(self) -> float:
        return self.clock() + self._ahead_s

    def _is_now(self, at_s: float) -> None:
        """The database said so when it began what has just been answered: our time never runs ahead of its own."""
        self._ahead_s = at_s - self.clock()


def _known_of(listed: Sequence[Listed]) -> Known | None:
    """None if there is no saying which it is."""
    found = [row.known for row in listed if row.known is not None]
    return Known._make(found[0]) if len(found) == 1 else None


def _asked(number: int, renewal: Renewal) -> dict[str, Any]:
    credentials = renewal.credentials
    return {
        "n": number,
        "aor": renewal.aor,
        "key": renewal.key,
        "source": _host(renewal),
        "domain_id": renewal.domain.domain_id,
        "username": credentials.username,
        "user_part": renewal.user,
        "algorithm": credentials.algorithm,
    }


def _row_of(number: int, one: Renewed) -> dict[str, Any]:
    renewal, known = one.renewal, one.known
    return {
        "n": number,
        "lock_key": lock_key(renewal.aor),
        "aor": renewal.aor,
        "key": renewal.key,
        "source": _host(renewal),
        "peer_id": known.peer_id,
        "credential_id": known.credential_id,
        "extension_id": known.extension_id,
        "versions": known.versions,
        "binding_id": known.binding_id,
        "bindings": one.bindings,
        "cseq": renewal.cseq,
        "granted_s": one.granted_s,
        "whole_s": one.whole_s,
        "temp_gruu": one.temp_gruu,
        "nonce": renewal.credentials.nonce,
        "nc": renewal.credentials.nc,
        "repeat_key": renewal.repeat_key,
        "request_key": renewal.request_key,
        "answer": one.answer,
        "nonce_expires_at_s": renewal.nonce_issued_at_s + NONCE_KEPT_S,
    }


def _host(renewal: Renewal) -> str:
    """Without the interface of a link-local address."""
    return renewal.source[0].partition("%")[0]
