"""Asks what addresses the host names of trunks have, again and again, and writes it where all processes read it.

Asks in threads, never on the loop; of all processes one asks for a name. The last good answer stays while a name leads
nowhere; after directory.NAMES_GOOD_FOR nobody trusts it any more. Must not decide whom to trust.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from apps.registrar.sql import to_json
from apps.trunks import sql
from apps.trunks.servers import is_address, split_server
from apps.trunks.trust import source_address

logger = logging.getLogger(__name__)

Pool = AsyncConnectionPool[AsyncConnection[Any]]
# The numeric addresses of a name, in the order they are to be tried. Raises OSError.
Lookup = Callable[[str], list[str]]

# How often round() is to be called: a new name waits no longer for its first answer.
LOOK_EVERY_S: Final = 1.0
# getaddrinfo does not say how long an answer is good.
ASK_EVERY: Final = timedelta(seconds=60)
MOST_AT_ONCE: Final = 16
MOST_ADDRESSES: Final = 32
# A name server that says nothing costs no more; its thread ends when the system gives up.
ANSWER_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    name: str
    addresses: list[str]
    problem: str = ""


def look_up(name: str) -> list[str]:
    """As the system resolves it: its name servers, and its hosts file. Raises OSError."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    return [str(info[4][0]) for info in found]


class Resolver:
    """`round` is called every LOOK_EVERY_S; most of them find nothing to do."""

    def __init__(self, pool: Pool, lookup: Lookup = look_up) -> None:
        self._pool = pool
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="names")

    async def round(self) -> None:
        """Asks for what is due, and forgets names that nobody wrote any more. Raises rounds.DATABASE_TROUBLE."""
        async with self._pool.connection() as connection:
            names = await _written(connection)
            claim = {"names": names, "every": ASK_EVERY, "most": MOST_AT_ONCE}
            claimed = await (await connection.execute(sql.CLAIM_NAMES, claim)).fetchall()
        if not claimed:
            return
        # Without a connection: a name server may take its time.
        answers = await asyncio.gather(*(self._ask(name) for (name,) in claimed))
        async with self._pool.connection() as connection:
            await connection.execute(sql.REMEMBER_RESOLVED, {"rows": to_json(list(map(asdict, answers)))})
            await connection.execute(sql.FORGET_NAMES, {"names": names})

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, name: str) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                found = await loop.run_in_executor(self._threads, self._lookup, name)
        except TimeoutError:
            return _failed(name, f"no answer within {ANSWER_WITHIN_S:.0f} s")
        except OSError as error:
            return _failed(name, error.strerror or "it leads nowhere")
        except UnicodeError:
            return _failed(name, "it is no host name")
        addresses = _usable(found)
        return Answer(name, addresses) if addresses else _failed(name, "it has no address a trunk can have")


async def _written(connection: AsyncConnection[Any]) -> list[str]:
    """The host names of trusted hosts and of servers."""
    rows = await (await connection.execute(sql.WRITTEN_NAMES)).fetchall()
    servers = (split_server(server) for _, server in rows if server)
    names = {name for name, _ in rows if name} | {server[0] for server in servers if server is not None}
    return sorted(name for name in names if not is_address(name))


def _usable(found: Iterable[str]) -> list[str]:
    """No carrier calls from loopback, multicast or nowhere, whatever a name server says."""
    addresses = (source_address(host) for host in found)
    usable = (
        str(address)
        for address in addresses
        if address and not (address.is_loopback or address.is_multicast or address.is_unspecified)
    )
    return list(dict.fromkeys(usable))[:MOST_ADDRESSES]


def _failed(name: str, problem: str) -> Answer:
    logger.warning("the trunk's host name %s: %s", name, problem)
    return Answer(name, [], problem[:200])
