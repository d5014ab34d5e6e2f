"""The real SIP server as processes of its own, and clients that speak to it over real sockets."""

import asyncio
import contextlib
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Protocol

from apps.sipserver.addresses import format_address
from tests.addresses import Address, free_address
from tests.patience import PATIENCE_S
from tests.registrar.conftest import url_of_test_database
from tests.registrar.phone import Phone, Reply, read_reply

PROJECT_DIR = Path(__file__).resolve().parents[2]
ANSWER_WITHIN_S = 0.5
# As long as a phone has patience (64 T1, RFC 3261 §17.1.2.2).
REPEATS = 64


@contextmanager
def sip_server(
    address: Address, workers: int, *options: str, calls: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py sipserver` on the test database; stopped in order at the end."""
    environ = {**os.environ, "DATABASE_URL": url_of_test_database(), "PYTHONWARNINGS": "default"}
    with TemporaryFile() as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "manage.py",
                "sipserver",
                "--bind",
                format_address(address),
                "--workers",
                str(workers),
                "--calls" if calls else "--no-calls",
                *options,
            ],
            cwd=PROJECT_DIR,
            env=environ,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(10)
            log.seek(0)
            text = log.read().decode()
            print(text)
            assert "Traceback" not in text


@contextmanager
def web_host(host: str, sip: Address | None = None) -> Iterator[Address]:
    """Daphne at an address of its own. sip: where the SIP server is bound whose call process it hands calls to."""
    address = free_address(host, socket.SOCK_STREAM)
    environ = {
        **os.environ,
        "DATABASE_URL": url_of_test_database(),
        "REGISTRAR_HTTP": format_address(address),
        **({"REGISTRAR_SIP": format_address(sip)} if sip else {}),
    }
    application = "registrar_admin.asgi:application"
    process = subprocess.Popen(
        [sys.executable, "-m", "daphne", "-b", host, "-p", str(address[1]), application],
        cwd=PROJECT_DIR,
        env=environ,
    )
    try:
        yield address
    finally:
        process.terminate()
        process.wait(10)


def worker_pids(server: subprocess.Popen[bytes]) -> list[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(server.pid)], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in re.findall(r"\d+", found.stdout)]


class Client(Protocol):
    async def request(self, data: bytes) -> Reply: ...


class UdpClient(asyncio.DatagramProtocol):
    """One phone's socket: sends a request and repeats it until its answer comes (RFC 3261 §17.1.2)."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[str, str], asyncio.Future[Reply]] = {}

    @classmethod
    async def open(cls, server: Address) -> "UdpClient":
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_datagram_endpoint(
            cls, remote_addr=server, local_addr=("::1" if ":" in server[0] else "127.0.0.1", 0)
        )
        client.transport = transport
        client.address = transport.get_extra_info("sockname")[:2]
        return client

    transport: asyncio.DatagramTransport
    address: Address

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not data.startswith(b"SIP/2.0"):
            return  # a probe
        reply = read_reply(data)
        key = (reply.values("Call-ID")[0], reply.values("CSeq")[0])
        future = self.waiting.pop(key, None)
        if future is not None and not future.done():
            future.set_result(reply)

    def error_received(self, exc: Exception) -> None:
        """No socket there yet: the repeat finds it."""

    async def request(self, data: bytes) -> Reply:
        text = data.decode()
        call_id = re.search(r"Call-ID: (.*)\r\n", text)[1]  # type: ignore[index]
        cseq = re.search(r"CSeq: (.*)\r\n", text)[1]  # type: ignore[index]
        for _ in range(REPEATS):
            future = self.waiting[call_id, cseq] = asyncio.get_running_loop().create_future()
            self.transport.sendto(data)
            done, _ = await asyncio.wait([future], timeout=ANSWER_WITHIN_S)
            if done:
                reply: Reply = future.result()
                return reply
        raise AssertionError(f"no answer to CSeq {cseq} of {call_id}")

    async def register(self: "Client", phone: Phone, *args: object, **kwargs: object) -> Reply:
        """The REGISTER, with another try for each fresh challenge (a nonce may be stale)."""
        reply = await self.request(phone.register(*args, **kwargs))  # type: ignore[arg-type]
        for _ in range(3):
            if reply.status != 401:
                return reply
            phone.read_challenge(reply)
            reply = await self.request(phone.register(*args, **kwargs))  # type: ignore[arg-type]
        return reply


class StreamClient:
    """A phone's connection. It reads answers by their Content-Length, and tells the server's close as None."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.address: Address = writer.get_extra_info("sockname")[:2]

    @classmethod
    async def open(cls, server: Address, tls: ssl.SSLContext | None = None) -> "StreamClient":
        for _ in range(REPEATS):
            try:
                return cls(*await asyncio.open_connection(*server, ssl=tls))
            except ConnectionRefusedError:  # no server yet
                await asyncio.sleep(ANSWER_WITHIN_S)
        raise AssertionError(f"nobody listens on {server}")

    async def request(self, data: bytes) -> Reply:
        self.writer.write(data)
        reply = await self.read()
        assert reply is not None
        return reply

    async def read(self) -> Reply | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = b""
                while not head.startswith(b"SIP/2.0"):  # a probe may come in between
                    head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return None
        return read_reply(head)

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    register = UdpClient.register
