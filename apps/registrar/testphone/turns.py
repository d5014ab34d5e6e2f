"""One test at a time for each peer, over all processes: a PostgreSQL lock that goes with its connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg
from django.db import connection as django_connection

from apps.registrar.sql import TAKE_TURN


@asynccontextmanager
async def turn(peer_id: UUID) -> AsyncIterator[bool]:
    """Whether it is ours to test this peer until the context ends."""
    parameters = django_connection.get_connection_params()
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as connection:
        cursor = await connection.execute(TAKE_TURN, {"name": f"test phone {peer_id}"})
        row = await cursor.fetchone()
        yield bool(row and row[0])
