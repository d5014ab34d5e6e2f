"""Renewals in PostgreSQL: one round trip to read, one to write and commit, a whole batch at a time.

Whatever turns out to be none is given back, untouched. Must not answer anything that is not committed.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

import orjson
from psycopg.errors import NotNullViolation

from apps.extensions.ha1s import KeptHa1s, key_id_of, place_of
from apps.registrar.authentication import NONCE_KEPT_S
from apps.registrar.renewals import sql
from apps.registrar.renewals.deciding import Renewed, StoredRenewable, renewed
from apps.registrar.renewals.reading import Renewal
from apps.registrar.sql import lock_key, to_json
from apps.registrar.store import NonceCountTaken, Store


async def renew(
    store: Store, renewals: Sequence[Renewal], nonce_key: bytes, gruu_key: bytes
) -> list[Renewed]:
    """Those that are, committed. No two may have one AOR, nor one nonce. Raises psycopg.Error and PoolTimeout."""
    asked = to_json([_asked(number, one) for number, one in enumerate(renewals)])
    ((now, found),) = await store.fetch_by_keys(sql.READ, {"rows": asked})
    rows: dict[int, list[StoredRenewable]] = defaultdict(list)
    for values in orjson.loads(found or "[]"):
        rows[values[0]].append(StoredRenewable._make(values))
    now_s = int(datetime.fromisoformat(now).timestamp())
    decided = [
        one
        for number, known in rows.items()
        if (
            one := renewed(
                renewals[number],
                known,
                _ha1(store, renewals[number], known),
                now_s,
                nonce_key,
                gruu_key,
            )
        )
    ]
    return await _written(store, decided, now) if decided else []


async def _written(store: Store, decided: Sequence[Renewed], now: str) -> list[Renewed]:
    rows = sorted(map(_row_of, decided), key=itemgetter("lock_key"))
    try:
        ((nonces,),) = await store.fetch_by_keys(sql.RENEW, {"rows": to_json(rows), "now": now})
    except NotNullViolation:
        raise NonceCountTaken("a nonce count was taken meanwhile") from None
    used = set(nonces)
    return [one for one in decided if one.renewal.credentials.nonce in used]


def _asked(number: int, renewal: Renewal) -> dict[str, Any]:
    credentials = renewal.credentials
    return {
        "n": number,
        "aor": renewal.aor,
        "key": renewal.key,
        "source": renewal.source[0].partition("%")[0],
        "domain_id": renewal.domain.domain_id,
        "username": credentials.username,
        "user_part": renewal.user,
        "nonce": credentials.nonce,
        "algorithm": credentials.algorithm,
    }


def _ha1(store: Store, renewal: Renewal, rows: Sequence[StoredRenewable]) -> str | None:
    """The opened HA1; None if it cannot be read, or if there is no saying which it is."""
    known, algorithm = rows[0], renewal.credentials.algorithm
    if any(row.credential_id != known.credential_id for row in rows):
        return None
    if key_id_of(known.ha1) is None:
        return known.ha1
    place = place_of(UUID(known.credential_id), UUID(known.peer_id), renewal.credentials.username)
    (ha1,) = store.opened([KeptHa1s(place, {algorithm: known.ha1})])[algorithm]
    return ha1


def _row_of(one: Renewed) -> dict[str, Any]:
    renewal, known = one.renewal, one.known
    return {
        "n": known.number,
        "lock_key": lock_key(renewal.aor),
        "aor": renewal.aor,
        "binding_id": known.binding_id,
        "key": renewal.key,
        "was_cseq": known.cseq,
        "cseq": renewal.cseq,
        "granted_s": one.granted_s,
        "gap_s": one.rhythm.gap_s,
        "dev_s": one.rhythm.dev_s,
        "late_s": one.late_s,
        "temp_gruu": one.temp_gruu,
        "nonce": renewal.credentials.nonce,
        "nc": renewal.credentials.nc,
        "repeat_key": renewal.repeat_key,
        "request_key": renewal.request_key,
        "answer": one.answer,
        "nonce_expires_at_s": renewal.nonce_issued_at_s + NONCE_KEPT_S,
    }
