"""What the SIP server's tests share: a client socket, an application that records, a running server."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from apps.sipserver.events import Address, Application, Datagram, Receive, ReceivedEvent, Send, SipScope
from apps.sipserver.server import SipServer
from tests.patience import PATIENCE_S


class Client:
    """A phone's socket; its waits end in TimeoutError, never in hanging."""

    def __init__(self, server: Address, host: str = "127.0.0.1") -> None:
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.server = server

    @property
    def address(self) -> Address:
        host, port = self.sock.getsockname()[:2]
        return host, port

    def say(self, data: bytes) -> None:
        self.sock.sendto(data, self.server)

    async def hear(self, patience_s: float = PATIENCE_S) -> bytes:
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.sock_recv(self.sock, 65_535), patience_s)

    async def ask(self, data: bytes, repeat_s: float = 0.2) -> bytes:
        """The answer to `data`, which is repeated as a phone does until one comes."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.say(data)
                with contextlib.suppress(TimeoutError):
                    return await self.hear(repeat_s)

    def close(self) -> None:
        self.sock.close()


class Recorder:
    """An application that keeps its events and, while `gate` is shut, stays busy with a batch."""

    def __init__(self, *, echo: bool = False) -> None:
        self.scopes: list[SipScope] = []
        self.events: list[ReceivedEvent] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._echo = echo

    async def __call__(self, scope: SipScope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        while True:
            event = await receive()
            self.events.append(event)
            if event["type"] == "sip.shutdown":
                return
            if event["type"] == "sip.datagrams":
                await self.gate.wait()
                if self._echo:
                    await send({"type": "sip.send", "datagrams": event["datagrams"]})

    @property
    def batches(self) -> list[list[Datagram]]:
        return [event["datagrams"] for event in self.events if event["type"] == "sip.datagrams"]

    @property
    def closed_flows(self) -> list[str]:
        return [
            flow for event in self.events if event["type"] == "sip.flows_closed" for flow in event["flows"]
        ]

    @property
    def datagrams(self) -> list[Datagram]:
        return [datagram for batch in self.batches for datagram in batch]


@asynccontextmanager
async def serving(
    application: Application,
    sock: socket.socket,
    listening: Mapping[socket.socket, ssl.SSLContext | None] | None = None,
) -> AsyncIterator[SipServer]:
    """A SipServer on these sockets, stopped in order at the end of the block."""
    server = SipServer(application, sock, listening)
    task = asyncio.create_task(server.arun())
    try:
        yield server
    finally:
        server.stop()
        await asyncio.wait_for(task, PATIENCE_S)


class StreamClient:
    """A phone's connection; its waits end in TimeoutError, never in hanging."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, server: Address, tls: ssl.SSLContext | None = None) -> "StreamClient":
        name = "localhost" if tls else None
        return cls(*await asyncio.open_connection(*server, ssl=tls, server_hostname=name))

    @property
    def address(self) -> Address:
        host, port = self.writer.get_extra_info("sockname")[:2]
        return host, port

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def hear(self, length: int, patience_s: float = PATIENCE_S) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(length), patience_s)

    async def hear_end(self, patience_s: float = PATIENCE_S) -> bytes:
        """All until the server closes."""
        with contextlib.suppress(ConnectionResetError):
            return await asyncio.wait_for(self.reader.read(), patience_s)
        return b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await asyncio.wait_for(self.writer.wait_closed(), PATIENCE_S)
