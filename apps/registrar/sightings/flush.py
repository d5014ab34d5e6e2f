"""Writes down what a worker remembers of attempts that came to nothing: few statements, a bounded number of rows.

What is lost while the database is away is lost: a phone in trouble comes again.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from apps.extensions.look_alike import fold
from apps.registrar.bindings import ChangeSet, Event
from apps.registrar.outcomes import EventKind
from apps.registrar.sightings import sql
from apps.registrar.sightings.likeness import Candidate, nearest, variants
from apps.registrar.sightings.notes import (
    UNKNOWN_USER,
    Challenge,
    ChallengeKey,
    Sightings,
    Stranger,
    StrangerKey,
)
from apps.registrar.sql import CLOCK, LOCK_AORS, lock_keys, to_json, write_statements
from apps.registrar.store import AnyConnection, Store
from apps.sip.uri import aor_of

# What is beyond waits for its turn: a flood of forged names is this many rows a second, and 7 ms of a worker's time.
MOST_STRANGERS_AT_ONCE: Final = 50
MOST_CHALLENGES_AT_ONCE: Final = 250

Unanswered = list[tuple[ChallengeKey, Challenge]]


async def flush(store: Store, sightings: Sightings) -> set[UUID]:
    """The peers concerned."""
    strangers = sightings.take_strangers(MOST_STRANGERS_AT_ONCE)
    if not (strangers or sightings.challenges):
        return set()
    async with store.pool.connection() as connection:
        meant = await _write_strangers(connection, strangers) if strangers else set()
        now = (await (await connection.execute(CLOCK)).fetchall())[0][0]
        due = sightings.due_challenges(now, MOST_CHALLENGES_AT_ONCE)
        return meant | (await _write_unanswered(connection, list(due.items())) if due else set())


async def tidy_strangers(store: Store) -> None:
    """The table is bounded: the longest unseen go."""
    await store.execute(sql.DELETE_STRANGERS, {"most": sql.MOST_STRANGERS})


async def _write_strangers(connection: AnyConnection, strangers: Mapping[StrangerKey, Stranger]) -> set[UUID]:
    wanted = {key: _wanted(key) for key in strangers}
    folded = set[str]().union(*wanted.values())
    rows = await (await connection.execute(sql.NAMED, {"folded": list(folded)})).fetchall()
    by_folded: dict[str, list[Candidate]] = defaultdict(list)
    for row in rows:
        candidate = Candidate(*row)
        by_folded[fold(candidate.name)].append(candidate)
    meant = {key: _meant(key, (one for text in wanted[key] for one in by_folded[text])) for key in strangers}
    columns = [_columns(key, stranger, meant[key]) for key, stranger in strangers.items()]
    await connection.execute(sql.UPSERT_STRANGERS, {"rows": to_json(columns)})
    return {peer_id for peer_id in meant.values() if peer_id is not None}


def _wanted(key: StrangerKey) -> set[str]:
    """A name nobody has may be mistyped; else it is the name as it stands that tells whose phone it is."""
    return variants(fold(key.username)) if key.reason == UNKNOWN_USER else {fold(key.username)}


def _meant(key: StrangerKey, candidates: Iterable[Candidate]) -> UUID | None:
    if key.reason == UNKNOWN_USER:
        return nearest(key.username, (one for one in candidates if one.domain == key.domain))
    return nearest(key.username, (one for one in candidates if one.name == key.username))


def _columns(key: StrangerKey, stranger: Stranger, meant_peer_id: UUID | None) -> dict[str, Any]:
    return {
        "reason": key.reason,
        "domain": key.domain,
        "username": key.username,
        "received_addr": _address(key.host),
        "received_port": stranger.port,
        "user_agent": stranger.user_agent,
        "count": stranger.count,
        "first_at": stranger.first_at,
        "last_at": stranger.last_at,
        "meant_peer_id": meant_peer_id,
    }


async def _write_unanswered(connection: AnyConnection, due: Unanswered) -> set[UUID]:
    """Looked at twice: names of nobody, and what another worker heard the answer to, are not worth a lock."""
    still = [due[row[0]] for row in await _still_unanswered(connection, due)]
    if not still:
        return set()
    async with connection.transaction():
        keys = lock_keys(aor_of(key.username, key.domain) for key, _ in still)
        await connection.execute(LOCK_AORS, {"keys": keys})
        rows = await _still_unanswered(connection, still)
        events = [_event(still[row[0]], row[1:]) for row in rows]
        for statement, params in write_statements(ChangeSet(events=events)):
            await connection.execute(statement, params)
    return {event.peer_id for event in events}


async def _still_unanswered(connection: AnyConnection, challenges: Unanswered) -> list[tuple[Any, ...]]:
    columns = [_challenge_columns(number, key, one.first_at) for number, (key, one) in enumerate(challenges)]
    return await (await connection.execute(sql.STILL_UNANSWERED, {"challenges": to_json(columns)})).fetchall()


def _challenge_columns(number: int, key: ChallengeKey, at: dt.datetime) -> dict[str, Any]:
    return {
        "number": number,
        "domain": key.domain,
        "username": key.username,
        "received_addr": _address(key.host),
        "at": at,
    }


def _event(unanswered: tuple[ChallengeKey, Challenge], peer: tuple[Any, ...]) -> Event:
    key, challenge = unanswered
    peer_id, extension_id, user = peer
    return Event(
        event=EventKind.UNANSWERED,
        reason=challenge.reason,
        at=challenge.first_at,
        aor=aor_of(user, key.domain),
        peer_id=peer_id,
        extension_id=extension_id,
        received=(_address(key.host), challenge.port),
        user_agent=challenge.user_agent,
        last_at=challenge.last_at,
        count=challenge.attempts,
    )


def _address(host: str) -> str:
    """PostgreSQL knows no zones."""
    return host.partition("%")[0]
