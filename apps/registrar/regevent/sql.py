"""Every SQL statement of the registration event package, named, and its rows as parameters.

Must not execute anything. Whoever adds or numbers NOTIFYs of an AOR holds its lock (sql.LOCK_AORS); who sends them,
or ends a subscription whose subscriber is gone, needs none.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from apps.registrar.regevent.queue import Cause
from apps.registrar.regevent.replies import Reply
from apps.registrar.regevent.values import Notification, Subscribed, Subscription, Taken, Way
from apps.registrar.sql import to_json
from apps.sip.transactions import LIFE_S, T1_S, T2_S

Statement = tuple[str, Mapping[str, Any]]

# One that nobody can send, for its worker is gone with the connection.
UNSENT_FOR_S: Final = 300.0

_COLUMNS: Final = (
    "subscription_id, aor, peer_id, call_id, local_tag, remote_tag, local_uri, remote_uri, target, route_set, "
    "event_id, sent_by, remote_cseq, cseq, version, expires_at, notified_at, host, port, transport, flow, local"
)
_WAY_FROM: Final = _COLUMNS.split(", ").index("host")

SUBSCRIPTIONS_OF_AORS: Final = f"""
SELECT {_COLUMNS} FROM registrar_regsubscription WHERE aor = ANY(%(aors)s)
"""  # noqa: S608 - our own constant

SERVED_AORS: Final = """
SELECT r.aor FROM json_to_recordset(%(rows)s) AS r(aor text, domain_id uuid, name text)
WHERE EXISTS (SELECT FROM extensions_extension e WHERE e.domain_id = r.domain_id AND e.number = r.name)
   OR EXISTS (SELECT FROM extensions_peer p
              WHERE p.domain_id = r.domain_id AND p.name = r.name AND p.extension_id IS NOT NULL)
"""

AORS_OF_SUBSCRIBERS: Final = (
    "SELECT DISTINCT aor FROM registrar_regsubscription WHERE peer_id = ANY(%(peer_ids)s)"
)

# A NOTIFY not sent yet is replaced by the next one: a subscriber never has more than one waiting behind one under way.
TAKE_SUBSCRIPTIONS: Final = f"""
WITH taken AS (
    SELECT {_COLUMNS} FROM registrar_regsubscription
    WHERE aor = ANY(%(aors)s) OR subscription_id = ANY(%(ids)s) OR peer_id = ANY(%(peer_ids)s)
), dropped AS (
    DELETE FROM registrar_pendingnotify p USING taken t
    WHERE p.subscription_id = t.subscription_id AND p.attempts = 0
    RETURNING p.subscription_id, p.next_at
)
SELECT {_COLUMNS}, (SELECT min(next_at) FROM dropped d WHERE d.subscription_id = taken.subscription_id) FROM taken
"""  # noqa: S608 - our own constant

_RECORDSET: Final = """json_to_recordset(%(rows)s) AS r(
    subscription_id uuid, aor text, peer_id uuid, call_id text, local_tag text, remote_tag text, local_uri text,
    remote_uri text, target text, route_set text, event_id text, sent_by text, remote_cseq bigint, cseq bigint,
    version bigint, expires_at timestamptz, notified_at timestamptz, host text, port integer, transport text,
    flow text, local text)"""

UPSERT_SUBSCRIPTIONS: Final = f"""
INSERT INTO registrar_regsubscription AS s ({_COLUMNS})
SELECT {_COLUMNS.removesuffix("local")}decode(local, 'hex')
FROM {_RECORDSET}
ON CONFLICT (subscription_id) DO UPDATE SET
    target = excluded.target, sent_by = excluded.sent_by, remote_cseq = excluded.remote_cseq, cseq = excluded.cseq,
    version = excluded.version, expires_at = excluded.expires_at, notified_at = excluded.notified_at,
    host = excluded.host, port = excluded.port, transport = excluded.transport, flow = excluded.flow,
    local = excluded.local
"""  # noqa: S608 - our own constants

# Not an upsert: a subscription whose subscriber is gone meanwhile must not come back.
NUMBER_SUBSCRIPTIONS: Final = """
UPDATE registrar_regsubscription AS s
SET cseq = r.cseq, version = r.version, notified_at = r.notified_at
FROM json_to_recordset(%(rows)s) AS r(subscription_id uuid, cseq bigint, version bigint, notified_at timestamptz)
WHERE s.subscription_id = r.subscription_id
"""

DELETE_SUBSCRIPTIONS: Final = "DELETE FROM registrar_regsubscription WHERE subscription_id = ANY(%(ids)s)"

INSERT_PENDING: Final = """
INSERT INTO registrar_pendingnotify (
    branch, subscription_id, cseq, data, host, port, transport, flow, local, worker, next_at, give_up_at, attempts)
SELECT branch, subscription_id, cseq, decode(data, 'hex'), host, port, transport, flow, decode(local, 'hex'),
       regexp_replace(flow, '/[^/]*$', ''), next_at, next_at + %(unsent_for)s, 0
FROM json_to_recordset(%(rows)s) AS r(
    branch text, subscription_id uuid, cseq bigint, data text, host text, port integer, transport text, flow text,
    local text, next_at timestamptz)
"""

# Counted first, sent after: a worker that dies in between costs one repeat. Over a connection nothing repeats.
CLAIM_DUE: Final = """
UPDATE registrar_pendingnotify AS p
SET attempts = p.attempts + 1,
    give_up_at = CASE WHEN p.attempts = 0 THEN statement_timestamp() + %(give_up_after)s ELSE p.give_up_at END,
    next_at = statement_timestamp() + CASE WHEN p.flow IS NULL
        THEN least(%(t1)s * pow(2, least(p.attempts, 10)), %(t2)s) * interval '1 second'
        ELSE 2 * %(give_up_after)s END
WHERE p.branch IN (
    SELECT d.branch FROM registrar_pendingnotify d
    WHERE d.next_at <= statement_timestamp() AND d.give_up_at > statement_timestamp()
      AND (d.worker = %(worker)s OR (d.worker IS NULL AND %(datagrams)s))
      AND NOT EXISTS (
          SELECT FROM registrar_pendingnotify e WHERE e.subscription_id = d.subscription_id AND e.cseq < d.cseq)
    ORDER BY d.next_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING p.data, p.host, p.port, p.transport, p.flow, p.local
"""

# The NOTIFYs that were never answered, and all that concerns their subscribers: they are gone.
GIVE_UP: Final = """
WITH overdue AS (
    SELECT subscription_id FROM registrar_pendingnotify WHERE give_up_at <= statement_timestamp()
), gone AS (
    DELETE FROM registrar_pendingnotify WHERE subscription_id IN (SELECT subscription_id FROM overdue)
)
DELETE FROM registrar_regsubscription WHERE subscription_id IN (SELECT subscription_id FROM overdue)
"""

ANSWERED: Final = """
WITH replies AS (
    SELECT branch, flow, fatal FROM json_to_recordset(%(rows)s) AS r(branch text, flow text, fatal boolean)
), answered AS (
    SELECT p.branch, p.subscription_id, r.fatal FROM registrar_pendingnotify p
    JOIN replies r ON r.branch = p.branch AND r.flow IS NOT DISTINCT FROM p.flow
), gone AS (
    DELETE FROM registrar_pendingnotify WHERE branch IN (SELECT branch FROM answered)
       OR subscription_id IN (SELECT subscription_id FROM answered WHERE fatal)
)
DELETE FROM registrar_regsubscription
WHERE subscription_id IN (SELECT subscription_id FROM answered WHERE fatal)
"""

# RFC 3261 §17.1.2.2: once it is worked on, repeats come every T2.
PROCEEDING: Final = """
UPDATE registrar_pendingnotify SET next_at = greatest(next_at, statement_timestamp() + %(t2)s * interval '1 second')
WHERE branch = ANY(%(branches)s)
"""

END_FLOWS: Final = """
WITH gone AS (DELETE FROM registrar_pendingnotify WHERE flow = ANY(%(flows)s))
DELETE FROM registrar_regsubscription WHERE flow = ANY(%(flows)s)
"""

AORS_WITH_EXPIRED: Final = """
SELECT DISTINCT aor FROM (
    SELECT aor FROM registrar_regsubscription WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT %(limit)s
) AS due
"""


def watcher_lock(domain_id: UUID, username: str) -> str:
    """What is locked beside the AORs while this user name subscribes; no AOR is named like it."""
    return f"watcher {domain_id} {username}"


def subscription_of(row: Sequence[Any]) -> Subscription:
    """A row in the order of _COLUMNS."""
    host, port, transport, flow, local = row[_WAY_FROM : _WAY_FROM + 5]
    way = Way(host, port, transport, flow, None if local is None else bytes(local))
    return Subscription(*(*row[:_WAY_FROM], way))


def taken_of(row: Sequence[Any]) -> Taken:
    """A row of TAKE_SUBSCRIPTIONS."""
    return Taken(subscription_of(row), row[-1])


def take_params(cause: Cause) -> dict[str, Any]:
    return {
        "aors": [*cause.changes, *cause.ended_aors],
        "ids": [one.subscription.subscription_id for one in cause.told],
        "peer_ids": list(cause.ended_peers),
    }


def notification_statements(
    notifications: Sequence[Notification], told: Iterable[Subscribed]
) -> list[Statement]:
    """What queues these NOTIFYs and leaves their subscriptions as they then are; `told` are those a SUBSCRIBE set."""
    subscribed = {one.subscription.subscription_id for one in told}
    going_on = [one.subscription for one in notifications if one.end is None]
    stored = [_columns(row) for row in going_on if row.subscription_id in subscribed]
    numbered = [_numbers(row) for row in going_on if row.subscription_id not in subscribed]
    ended = [one.subscription.subscription_id for one in notifications if one.end is not None]
    pending = to_json([_pending(one) for one in notifications])
    statements: list[Statement] = []
    if stored:
        statements.append((UPSERT_SUBSCRIPTIONS, {"rows": to_json(stored)}))
    if numbered:
        statements.append((NUMBER_SUBSCRIPTIONS, {"rows": to_json(numbered)}))
    if ended:
        statements.append((DELETE_SUBSCRIPTIONS, {"ids": ended}))
    if notifications:
        statements.append(
            (INSERT_PENDING, {"rows": pending, "unsent_for": dt.timedelta(seconds=UNSENT_FOR_S)})
        )
    return statements


def claim_params(worker: str, *, datagrams: bool, limit: int) -> dict[str, Any]:
    """datagrams: whether this worker has a UDP socket."""
    return {
        "worker": worker,
        "datagrams": datagrams,
        "limit": limit,
        "t1": T1_S,
        "t2": T2_S,
        "give_up_after": dt.timedelta(seconds=LIFE_S),
    }


def reply_statements(replies: Iterable[Reply]) -> list[Statement]:
    replies = list(replies)
    final = [
        {"branch": one.branch, "flow": one.flow, "fatal": one.ends_subscription}
        for one in replies
        if not one.is_provisional
    ]
    proceeding = [one.branch for one in replies if one.is_provisional]
    statements: list[Statement] = [(ANSWERED, {"rows": to_json(final)})] if final else []
    return statements + ([(PROCEEDING, {"branches": proceeding, "t2": T2_S})] if proceeding else [])


def _columns(subscription: Subscription) -> dict[str, Any]:
    columns = asdict(subscription)
    way = _way(columns.pop("way"))
    return {**columns, **way}


def _numbers(subscription: Subscription) -> dict[str, Any]:
    return {
        name: getattr(subscription, name) for name in ("subscription_id", "cseq", "version", "notified_at")
    }


def _pending(notification: Notification) -> dict[str, Any]:
    return {
        "branch": notification.branch,
        "subscription_id": notification.subscription.subscription_id,
        "cseq": notification.subscription.cseq,
        "data": notification.data.hex(),
        "next_at": notification.next_at,
        **_way(asdict(notification.subscription.way)),
    }


def _way(columns: dict[str, Any]) -> dict[str, Any]:
    local = columns["local"]
    return {**columns, "local": None if local is None else local.hex()}
