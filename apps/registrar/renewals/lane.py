"""Renewals in PostgreSQL: one round trip to read, one to write and commit, a whole batch at a time.

Whatever turns out to be none is given back, untouched. Must not answer anything that is not committed.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from psycopg.errors import NotNullViolation

from apps.extensions.ha1s import KeptHa1s, key_id_of, place_of
from apps.registrar.renewals import sql
from apps.registrar.renewals.deciding import Renewed, StoredRenewable, renewed
from apps.registrar.renewals.reading import Renewal
from apps.registrar.sql import lock_key
from apps.registrar.store import NonceCountTaken, Store


async def renew(store: Store, renewals: Sequence[Renewal], nonce_key: bytes) -> list[Renewed]:
    """Those that are, committed. No two may have one AOR, nor one nonce. Raises psycopg.Error and PoolTimeout."""
    rows: dict[int, list[StoredRenewable]] = defaultdict(list)
    asked = json.dumps([_asked(number, one) for number, one in enumerate(renewals)])
    for row in await store.fetch_by_keys(sql.READ, {"rows": asked}):
        rows[row[0]].append(StoredRenewable._make(row))
    decided = [
        found
        for number, known in rows.items()
        if (found := renewed(renewals[number], known, _ha1(store, renewals[number], known), nonce_key))
    ]
    if not decided:
        return []
    rows_written = sorted(map(_written, decided), key=itemgetter("lock_key"))
    params = {"rows": json.dumps(rows_written), "now": decided[0].known.now}
    try:
        written = {row[0] for row in await store.fetch_by_keys(sql.RENEW, params)}
    except NotNullViolation:
        raise NonceCountTaken("a nonce count was taken meanwhile") from None
    return [one for one in decided if one.renewal.credentials.nonce in written]


def _asked(number: int, renewal: Renewal) -> dict[str, Any]:
    credentials = renewal.credentials
    return {
        "n": number,
        "aor": renewal.aor,
        "key": f"\\x{renewal.key.hex()}",
        "source": renewal.source[0].partition("%")[0],
        "domain_id": str(renewal.domain.domain_id),
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
    place = place_of(known.credential_id, known.peer_id, renewal.credentials.username)
    (ha1,) = store.opened([KeptHa1s(place, {algorithm: known.ha1})])[algorithm]
    return ha1


def _written(one: Renewed) -> dict[str, Any]:
    renewal, known = one.renewal, one.known
    return {
        "n": known.number,
        "lock_key": lock_key(renewal.aor),
        "aor": renewal.aor,
        "binding_id": known.binding_id,
        "key": f"\\x{renewal.key.hex()}",
        "was_cseq": known.cseq,
        "cseq": renewal.cseq,
        "granted_s": one.granted_s,
        "gap_s": one.rhythm.gap_s,
        "dev_s": one.rhythm.dev_s,
        "late_s": one.late_s,
        "nonce": renewal.credentials.nonce,
        "nc": renewal.credentials.nc,
        "repeat_key": f"\\x{renewal.repeat_key.hex()}",
        "request_key": f"\\x{renewal.request_key.hex()}",
        "answer": one.answer,
        "nonce_expires_at_s": one.nonce_expires_at_s,
    }
