"""Phones with real sockets, and the router in front of them that loses and readdresses their packets."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

from apps.sip.message import Request, parse_request
from apps.sip.response import build_response
from tests.registrar.phone import Phone, Reply, read_reply

Address = tuple[str, int]
Receive = Callable[[bytes, Address], None]

REPEAT_AFTER_S = (0.5, 1.0, 2.0, 4.0, 4.0)
_serial = count(1)


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, receive: Receive) -> None:
        self.receive = receive

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.receive(data, addr[:2])

    def error_received(self, exc: Exception) -> None:
        """Nobody there: as on a network, the packet is lost."""


async def udp_socket(host: str, receive: Receive) -> asyncio.DatagramTransport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Socket(receive), local_addr=(host, 0))
    return transport


class Router:
    """A NAT router of one phone: its packets leave from `public`, and come back while `lets_in`. `forget()` gives the
    next packet another port; `dead` loses everything."""

    def __init__(self, server: Address, public: str) -> None:
        self.server, self.public = server, public
        self.lets_in: Callable[[bytes], bool] = lambda data: True
        self.dead = False

    async def start(self) -> "Router":
        self.inner = await udp_socket("127.0.0.1", self._from_phone)
        self.outer = await udp_socket(self.public, self._from_server)
        self.phone: Address | None = None
        return self

    @property
    def address(self) -> Address:
        host, port = self.inner.get_extra_info("sockname")[:2]
        return host, port

    async def forget(self) -> None:
        self.outer.close()
        self.outer = await udp_socket(self.public, self._from_server)

    def _from_phone(self, data: bytes, source: Address) -> None:
        self.phone = source
        if not self.dead:
            self.outer.sendto(data, self.server)

    def _from_server(self, data: bytes, source: Address) -> None:
        if self.phone is not None and not self.dead and self.lets_in(data):
            self.inner.sendto(data, self.phone)

    def close(self) -> None:
        self.inner.close()
        self.outer.close()


async def no_delay() -> None:
    """A phone that answers at once."""


@dataclass
class LabPhone:
    """A softphone of the tests: it registers, renews, and answers OPTIONS (unless told otherwise).

    contact_host: what it believes its address to be, None for the socket's own.
    """

    server: Address
    username: str
    password: str
    host: str = "127.0.0.1"
    user_agent: str = "Yealink SIP-T46S 66.86.0.15"
    contact_host: str | None = None
    domain: str = "example.com"
    address_user: str | None = None
    answers_options: bool = True
    before_answering: Callable[[], Awaitable[None]] = no_delay
    waiting: dict[str, asyncio.Future[Reply]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> "LabPhone":
        self.transport = await udp_socket(self.host, self._receive)
        host, port = self.transport.get_extra_info("sockname")[:2]
        self.phone = Phone(
            self.username,
            self.password,
            domain=self.domain,
            address_user=self.address_user,
            source=(self.contact_host or host, port),
            user_agent=self.user_agent,
            call_id=f"lab-{next(_serial)}@phone",
        )
        return self

    def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.transport.close()

    async def register(self, expires_s: int = 20, **given: object) -> Reply | None:
        """The last answer; None if there was none. Goes on after a challenge, as a phone does."""
        reply = await self.ask(self.phone.register(expires=expires_s, **given))  # type: ignore[arg-type]
        for _ in range(2):
            if reply is None or reply.status != 401:
                return reply
            before = self.phone.nonce
            self.phone.read_challenge(reply)
            if before is not None and not reply.stale:
                return reply
            reply = await self.ask(self.phone.register(expires=expires_s, **given))  # type: ignore[arg-type]
        return reply

    async def register_rewritten(self, expires_s: int, via_host: str) -> None:
        """A REGISTER whose Contact a router has made public while its Via says where the phone is, without rport."""
        for _ in range(2):
            host, port = self.phone.source
            data = self.phone.register(expires=expires_s).decode()
            data = data.replace(
                f"Via: SIP/2.0/UDP {host}:{port};rport;", f"Via: SIP/2.0/UDP {via_host}:{port};"
            )
            reply = await self.ask(data.encode())
            if reply is None or reply.status != 401:
                return
            self.phone.read_challenge(reply)

    async def renew_every(self, seconds: float, times: int, expires_s: int = 20) -> None:
        for _ in range(times):
            await self.register(expires_s)
            await asyncio.sleep(seconds)

    async def ask(self, data: bytes) -> Reply | None:
        """Sends, and repeats as RFC 3261 §17.1.2 has it, until an answer comes."""
        key = _transaction(data)
        future = self.waiting[key] = asyncio.get_running_loop().create_future()
        try:
            for pause in REPEAT_AFTER_S:
                self.transport.sendto(data, self.server)
                done, _ = await asyncio.wait([future], timeout=pause)
                if done:
                    reply: Reply = future.result()
                    return reply
        finally:
            del self.waiting[key]
        return None

    def send(self, data: bytes) -> None:
        self.transport.sendto(data, self.server)

    def _receive(self, data: bytes, source: Address) -> None:
        if not data.startswith(b"SIP/2.0"):
            self._asked(data, source)
        elif (future := self.waiting.get(_transaction(data))) and not future.done():
            future.set_result(read_reply(data))

    def _asked(self, data: bytes, source: Address) -> None:
        request = parse_request(data)
        if isinstance(request, Request) and self.answers_options:
            answer = build_response(request, source, 200, "OK")
            task = asyncio.create_task(self._answer(answer, source))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _answer(self, answer: bytes, source: Address) -> None:
        await self.before_answering()
        self.transport.sendto(answer, source)


def _transaction(data: bytes) -> str:
    text = data.decode(errors="replace")
    call_id, cseq = re.search(r"Call-ID: (.*)\r\n", text), re.search(r"CSeq: (.*)\r\n", text)
    return f"{call_id[1] if call_id else ''} {cseq[1] if cseq else ''}"
