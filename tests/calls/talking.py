"""Scripted SIP phones on real sockets: they register, call, ring, answer and hang up, as a test tells them."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from apps.sipserver.addresses import format_address
from apps.sipserver.events import Address
from tests.patience import PATIENCE_S
from tests.registrar.phone import Phone, read_reply

REPEAT_AFTER_S = 0.5
_serial = count(1)


@dataclass(frozen=True, slots=True)
class Message:
    """As it came. status is None for a request, method for a response."""

    first: str
    headers: tuple[tuple[str, str], ...]
    raw: bytes

    @classmethod
    def read(cls, raw: bytes) -> Message:
        first, *lines = raw.decode().partition("\r\n\r\n")[0].split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return cls(first, tuple((name.lower(), value.strip()) for name, _, value in pairs), raw)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def value(self, name: str) -> str:
        return self.values(name)[0]

    @property
    def status(self) -> int | None:
        return int(self.first.split()[1]) if self.first.startswith("SIP/2.0") else None

    @property
    def method(self) -> str:
        return self.value("cseq").split()[1] if self.status else self.first.split()[0]

    @property
    def call_id(self) -> str:
        return self.value("call-id")


@dataclass(frozen=True, slots=True)
class Dialog:
    """One side of a call: what every request within it says (RFC 3261 §12.2.1.1)."""

    call_id: str
    local: str
    remote: str
    target: str
    routes: tuple[str, ...]


class Softphone:
    """One device of an extension. transport: UDP, TCP, or WS, which a web server at that address takes at /sip."""

    def __init__(self, number: str, password: str, server: Address, transport: str = "UDP") -> None:
        self.number, self.server, self.transport = number, server, transport
        self.phone = Phone(number, password)
        self.heard: list[Message] = []
        self.said_last: dict[str, bytes] = {}
        self._news = asyncio.Event()
        self._send: Callable[[bytes], None]
        self._reading: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()

    # -- the socket

    async def open(self) -> Softphone:
        if self.transport == "UDP":
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Socket(self._take), remote_addr=self.server, local_addr=("127.0.0.1", 0)
            )
            self._send, self.close = transport.sendto, transport.close
            self.phone.source = transport.get_extra_info("sockname")[:2]
        elif self.transport == "WS":
            await self._open_web_socket()
        else:
            reader, writer = await asyncio.open_connection(*self.server)
            self._send, self.close = writer.write, writer.close
            self.phone.source = writer.get_extra_info("sockname")[:2]
            self._reading = asyncio.create_task(self._read(reader))
        return self

    async def _open_web_socket(self) -> None:
        url = f"{format_address(self.server)}"
        socket = await connect(
            f"ws://{url}/sip",
            origin=Origin(f"http://{url}"),
            subprotocols=[Subprotocol("sip")],
            compression=None,
        )

        def keep(task: asyncio.Task[None]) -> None:
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

        self._send = lambda data: keep(asyncio.create_task(socket.send(data.decode())))
        self.close = lambda: keep(asyncio.create_task(socket.close()))
        self._reading = asyncio.create_task(self._read_frames(socket))

    close: Callable[[], None]

    async def closed(self) -> None:
        """Nothing of it is left once this returns."""
        self.close()
        await asyncio.gather(*self._sending)
        if self._reading is not None:
            await self._reading

    async def hear(self, wanted: Callable[[Message], bool], repeat: bytes | None = None) -> Message:
        """The first message like that, which is taken; meanwhile `repeat` is sent again and again, as phones do."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for message in self.heard:
                    if wanted(message):
                        self.heard.remove(message)
                        return message
                self._news.clear()
                try:
                    async with asyncio.timeout(REPEAT_AFTER_S):
                        await self._news.wait()
                except TimeoutError:
                    if repeat is not None:
                        self._send(repeat)

    def say(self, data: bytes) -> None:
        self._send(data)

    def _take(self, raw: bytes) -> None:
        if not raw.strip():
            return
        message = Message.read(raw)
        again = self.said_last.get(_transaction(message))
        if again is not None:  # a repeat, of an INVITE or of a 200: what was said to it was lost
            self.say(again)
            return
        self.heard.append(message)
        self._news.set()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"\r\n(?:Content-Length|l) *: *(\d+)", head, re.IGNORECASE)
                self._take(head + await reader.readexactly(int(length[1]) if length else 0))
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return

    async def _read_frames(self, socket: ClientConnection) -> None:
        async for frame in socket:
            self._take(frame.encode() if isinstance(frame, str) else frame)

    # -- registering

    @property
    def host(self) -> str:
        """As it calls itself; a page in a browser does not know where it is (RFC 7118 §5.2)."""
        return f"{self.number}.invalid" if self.transport == "WS" else format_address(self.phone.source)

    @property
    def contact(self) -> str:
        over = "" if self.transport == "UDP" else f";transport={self.transport.lower()}"
        return f"<sip:{self.number}@{self.host}{over}>"

    async def register(self) -> None:
        for _ in range(3):
            data = self.phone.register([self.contact], expires=600).replace(
                f"SIP/2.0/UDP {format_address(self.phone.source)}".encode(),
                f"SIP/2.0/{self.transport} {self.host}".encode(),
            )
            self.say(data)
            cseq = f"{self.phone.cseq} REGISTER"
            answer = await self.hear(lambda one, cseq=cseq: one.status and one.value("cseq") == cseq, data)  # type: ignore[misc]
            if answer.status == 200:
                return
            self.phone.read_challenge(read_reply(answer.raw))
        raise AssertionError(answer.first)

    # -- calling

    def request(
        self, method: str, dialog: Dialog, cseq: int, *further: str, branch: str | None = None, body: str = ""
    ) -> bytes:
        lines = [
            f"{method} {dialog.target} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {self.host};rport;branch={branch or new_branch()}",
            *(f"Route: {route}" for route in dialog.routes),
            "Max-Forwards: 70",
            f"From: {dialog.local}",
            f"To: {dialog.remote}",
            f"Call-ID: {dialog.call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: {self.contact}",
            *further,
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    async def call(self, number: str) -> Call:
        """An INVITE that was let in: its first challenge is answered. What rings is heard from the Call."""
        uri = f"sip:{number}@{self.phone.domain}"
        own = f"<sip:{self.number}@{self.phone.domain}>;tag=t{next(_serial)}"
        dialog = Dialog(f"c{next(_serial)}@{self.host}", own, f"<{uri}>", uri, ())
        plain, branch = (new_branch() for _ in range(2))
        first = self.request("INVITE", dialog, 1, branch=plain)
        self.say(first)
        challenge = await self.hear(_answer_to(dialog, 1, 400), first)
        assert challenge.status == 407, challenge.first
        remote = challenge.value("to")
        acked = Dialog(dialog.call_id, dialog.local, remote, dialog.target, ())
        self.say(self.request("ACK", acked, 1, branch=plain))
        value = next(each for each in challenge.values("proxy-authenticate") if "SHA-256" in each)
        self.phone.nonce, self.phone.nc = re.search(r'nonce="([^"]+)"', value)[1], 0  # type: ignore[index]
        credentials = f"Proxy-{self.phone.authorization('INVITE', uri)}"
        data = self.request("INVITE", dialog, 2, credentials, branch=branch, body="v=0\r\n")
        self.say(data)
        return Call(self, dialog, data, branch)

    async def ring(self) -> Incoming:
        """The next INVITE, answered with 180."""
        invite = await self.hear(lambda one: one.status is None and one.method == "INVITE")
        incoming = Incoming(self, invite)
        incoming.reply(180)
        return incoming

    async def hang_up(self, dialog: Dialog, cseq: int) -> Message:
        data = self.request("BYE", dialog, cseq)
        self.say(data)
        return await self.hear(_answer_to(dialog, cseq, 200), data)

    async def hung_up(self, dialog: Dialog) -> None:
        """The other side's BYE, which gets its 200."""
        bye = await self.hear(
            lambda one: one.status is None and one.method == "BYE" and one.call_id == dialog.call_id
        )
        Incoming(self, bye).reply(200)


class Carrier(Softphone):
    """What waits for our connection, over TCP, or over TLS with a context; over UDP it is where any phone is."""

    def __init__(self, server: Address, transport: str, context: ssl.SSLContext | None = None) -> None:
        super().__init__("carrier", "", server, transport)
        self._context = context
        self.connections = 0
        self._lines: list[asyncio.StreamWriter] = []

    async def open(self) -> Carrier:
        if self.transport == "UDP":
            await super().open()
            return self
        self._listening = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._context)
        self.phone.source = self._listening.sockets[0].getsockname()[:2]
        self.close = self._listening.close
        return self

    async def closed(self) -> None:
        await super().closed()
        for line in self._lines:
            line.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._lines.append(writer)
        self._send = writer.write
        await self._read(reader)


@dataclass(slots=True)
class Call:
    """What the caller sees."""

    phone: Softphone
    dialog: Dialog
    invite: bytes
    branch: str

    async def response(self, at_least: int, repeat: bool = True) -> Message:
        wanted = _answer_to(self.dialog, 2, at_least)
        return await self.phone.hear(wanted, self.invite if repeat else None)

    async def answered(self) -> Dialog:
        """Once the 200 is there, and its ACK sent."""
        ok = await self.response(200)
        assert ok.status == 200, ok.first
        target = ok.value("contact").strip("<>")
        routes = tuple(reversed(ok.values("record-route")))
        dialog = Dialog(self.dialog.call_id, self.dialog.local, ok.value("to"), target, routes)
        ack = self.phone.request("ACK", dialog, 2)
        self.phone.said_last[_transaction(ok)] = ack
        self.phone.say(ack)
        return dialog

    async def refused(self) -> int:
        """The status of its end, which is acknowledged."""
        end = await self.response(300)
        dialog = Dialog(self.dialog.call_id, self.dialog.local, end.value("to"), self.dialog.target, ())
        self.phone.say(self.phone.request("ACK", dialog, 2, branch=self.branch))
        assert end.status is not None
        return end.status

    async def cancel(self) -> None:
        data = self.phone.request("CANCEL", self.dialog, 2, branch=self.branch)
        self.phone.say(data)
        await self.phone.hear(
            lambda one: (
                one.status == 200 and one.value("cseq") == "2 CANCEL" and one.call_id == self.dialog.call_id
            ),
            data,
        )


@dataclass(slots=True)
class Incoming:
    """What the called phone sees of a request."""

    phone: Softphone
    request: Message
    tag: str = field(default_factory=lambda: f"u{next(_serial)}")

    def reply(self, status: int, *further: str) -> bytes:
        to = self.request.value("to")
        echoed = [f"Via: {value}" for value in self.request.values("via")]
        echoed += [f"Record-Route: {value}" for value in self.request.values("record-route")]
        lines = [
            f"SIP/2.0 {status} So",
            *echoed,
            f"From: {self.request.value('from')}",
            f"To: {to}" if ";tag=" in to else f"To: {to};tag={self.tag}",
            f"Call-ID: {self.request.call_id}",
            f"CSeq: {self.request.value('cseq')}",
            f"Contact: {self.phone.contact}",
            *further,
            "Content-Length: 0",
        ]
        data = ("\r\n".join(lines) + "\r\n\r\n").encode()
        if self.request.method == "INVITE":
            self.phone.said_last[_transaction(self.request)] = data
        self.phone.say(data)
        return data

    async def answer(self) -> Dialog:
        """200, until its ACK is there."""
        ok = self.reply(200)
        await self.phone.hear(
            lambda one: one.status is None and one.method == "ACK" and one.call_id == self.request.call_id, ok
        )
        return Dialog(
            self.request.call_id,
            f"{self.request.value('to')};tag={self.tag}",
            self.request.value("from"),
            self.request.value("contact").strip("<>"),
            tuple(self.request.values("record-route")),
        )

    async def cancelled(self) -> Message:
        """The CANCEL, answered; and the INVITE, which then ends with 487."""
        cancel = await self.phone.hear(
            lambda one: one.status is None and one.method == "CANCEL" and one.call_id == self.request.call_id
        )
        Incoming(self.phone, cancel, self.tag).reply(200)
        gone = self.reply(487)
        await self.phone.hear(
            lambda one: one.status is None and one.method == "ACK" and one.call_id == self.request.call_id,
            gone,
        )
        return cancel


def _transaction(message: Message) -> str:
    """What a repeat shares with the first: of an INVITE its branch, of a 200 to it the call and the other side."""
    if message.status is None:
        return message.value("via") if message.method == "INVITE" else ""
    return (
        f"{message.call_id} {message.value('to')}"
        if message.status == 200 and message.method == "INVITE"
        else ""
    )


def new_branch() -> str:
    return f"z9hG4bKphone{next(_serial)}"


def _answer_to(dialog: Dialog, cseq: int, at_least: int) -> Callable[[Message], bool]:
    return lambda one: (
        one.status is not None
        and one.status >= at_least
        and one.call_id == dialog.call_id
        and one.value("cseq").split()[0] == str(cseq)
        and one.method != "CANCEL"
    )


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self.take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.take(data)

    def error_received(self, exc: Exception) -> None:
        """Nobody there yet: the repeat finds it."""
