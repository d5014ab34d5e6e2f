"""Connections that we open, to servers that are spoken to over TCP or TLS (RFC 3261 §18.1.1): one to each, opened when
there is something to say, used both ways, closed when nobody has said anything for IDLE_S.

A destination names its connection itself (addresses.way_to), so that it means the same after a restart. Must not look
up names, nor keep what cannot be said: a connection that is not there is told as its end.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Final

from .addresses import WILDCARDS
from .events import Address, Origin
from .flows import Flows, Hub
from .streams import HANDSHAKE_WITHIN_S, Stream

logger = logging.getLogger(__name__)

MOST_OUTGOING: Final = 1_024
CONNECT_WITHIN_S: Final = 8.0
IDLE_S: Final = 600.0
MOST_WAITING_BYTES: Final = 256 * 1024


class Outgoing:
    """own: where our UDP socket is bound, for servers that know us by our address."""

    def __init__(self, hub: Hub, flows: Flows, own: Address) -> None:
        self._hub = hub
        self._flows = flows
        self._own = own
        self._waiting: dict[str, list[bytes]] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._problems: dict[str, str] = {}

    def send(self, data: bytes, destination: Origin) -> bool:
        """At once, or as soon as there is a connection; that there is none is told as its end."""
        flow = destination.flow or ""
        waiting = self._waiting.get(flow)
        if waiting is not None and sum(map(len, waiting)) < MOST_WAITING_BYTES:
            waiting.append(data)
            return True
        if self._flows.send(data, flow):
            return True
        if flow in self._flows.open_flows or waiting is not None or not self._flows.admit(destination.host):
            self._hub.flow_closed(flow)
            return False
        self._waiting[flow] = [data]
        task = asyncio.create_task(self._open(destination, flow))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return True

    def resume(self) -> None:
        """What connections say while there is no room waits with their Flows."""

    def pause(self) -> None:
        """As resume()."""

    async def close(self) -> None:
        """Those under way; those that are open are closed by their Flows."""
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)

    async def _open(self, destination: Origin, flow: str) -> None:
        stream = OutgoingStream(self._flows, destination)
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await self._connect(stream, destination, flow.rpartition("/")[2])
            for data in self._waiting[flow]:
                stream.write(data)
            self._problems.pop(flow, None)
        except (OSError, TimeoutError) as error:
            self._failed(flow, str(error) or "no answer")
        finally:
            del self._waiting[flow]
            if not stream.was_open:
                self._flows.give_back(destination.host)

    async def _connect(self, stream: Stream, destination: Origin, name: str) -> None:
        host, port, is_secure = destination.host, destination.port, destination.transport == "TLS"
        context = await asyncio.to_thread(_context, name) if is_secure else None
        await asyncio.get_running_loop().create_connection(
            lambda: stream,
            host,
            port,
            ssl=context,
            server_hostname=(name or host) if is_secure else None,
            ssl_handshake_timeout=HANDSHAKE_WITHIN_S if is_secure else None,
            local_addr=self._from(host),
        )

    def _from(self, host: str) -> Address | None:
        own = self._own[0]
        return (own, 0) if own not in WILDCARDS and (":" in own) is (":" in host) else None

    def _failed(self, flow: str, problem: str) -> None:
        """Said once, until it is another problem."""
        if self._problems.get(flow) != problem:
            self._problems[flow] = problem
            logger.warning("no SIP connection %s: %s", flow, problem)
        self._hub.flow_closed(flow)


class OutgoingStream(Stream):
    """Named as its destination; each word, heard or said, keeps it open."""

    idle_s = IDLE_S

    def __init__(self, flows: Flows, destination: Origin) -> None:
        super().__init__(flows, destination.host, destination.port, destination.transport, destination.flow)

    def write(self, data: bytes) -> bool:
        was_sent = super().write(data)
        if was_sent:
            self.was_used()
        return was_sent


def _context(name: str) -> ssl.SSLContext:
    """TLS 1.2 or newer, and the authorities the system trusts (SSL_CERT_FILE names others). Reads files: some 20 ms."""
    context = ssl.create_default_context()
    if not name:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
