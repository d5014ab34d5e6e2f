"""One test at a time for each peer, over all processes: a PostgreSQL lock that goes with its connection.

A test is in the ledger like any phone, but what is known of the peer (PeerActivity) is put back to what it was: a wrong
password that an admin tried must not read as a phone that is refused.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg
from django.conf import settings

from apps.extensions.notices import REGISTRATIONS_CHANGED, payloads
from apps.registrar import sql
from apps.registrar.testphone.dialogue import USER_AGENT


@asynccontextmanager
async def turn(peer_id: UUID) -> AsyncIterator[bool]:
    """Whether it is ours to test this peer until the context ends."""
    address = settings.DATABASE_DIRECT_URL
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        cursor = await connection.execute(sql.TAKE_TURN, {"name": f"test phone {peer_id}"})
        row = await cursor.fetchone()
        is_ours = bool(row and row[0])
        before = await _activity(connection, peer_id) if is_ours else None
        try:
            yield is_ours
        finally:
            if is_ours:
                await _put_back(connection, peer_id, before)


async def _activity(connection: psycopg.AsyncConnection, peer_id: UUID) -> str | None:
    """What is known of the peer, as JSON; None for nothing."""
    row = await (await connection.execute(sql.ACTIVITY_NOW, {"peer_id": peer_id})).fetchone()
    return row[0] if row else None


async def _put_back(connection: psycopg.AsyncConnection, peer_id: UUID, before: str | None) -> None:
    """Unless another phone was heard last: then that is what is known."""
    statement = sql.FORGET_ACTIVITY if before is None else sql.PUT_BACK_ACTIVITY
    params = {"peer_id": peer_id, "user_agent": USER_AGENT, "before": before}
    async with connection.transaction():
        await connection.execute(statement, params)
        for payload in payloads([peer_id]):
            await connection.execute(sql.NOTIFY, {"channel": REGISTRATIONS_CHANGED, "payload": payload})
