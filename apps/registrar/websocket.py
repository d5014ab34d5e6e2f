"""SIP over WebSocket (RFC 7118) at /sip: browser phones, one SIP message a frame.

Every connection of this process is a flow of one SIP server without a socket, which hosts the same application as the
SIP workers do; it starts with the first connection and stops when none has been there for a while. Digest is the
authentication: no cookie counts here.
"""

import asyncio
from collections import deque
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from apps.registrar.consumers import RegistrarConsumer
from apps.sipserver.addresses import MAPPED_PREFIX, parse_address
from apps.sipserver.events import Application, Origin, Transport
from apps.sipserver.server import SipServer
from apps.sipserver.unix_sockets import calls_socket_path

SUBPROTOCOL: Final = "sip"
MOST_MESSAGE_BYTES: Final = 65_535
MOST_PER_WINDOW, WINDOW_S = 200, 10.0
"""Messages of one connection; a phone sends a few at a time, and then none for minutes."""
MOST_UNSENT: Final = 64
FIRST_MESSAGE_WITHIN_S: Final = 32.0
STOP_WHEN_IDLE_S: Final = 60.0

# Autobahn, below Daphne, sends an application 1000 and 3000 to 4999 alone: with another code nothing is closed.
GOING_AWAY: Final = 4001
TOO_BIG: Final = 4009
TOO_MANY: Final = 4008
TOO_SLOW: Final = 4013

PING, PONG = b"\r\n\r\n", b"\r\n"


class WebSocketRegistrar:
    """The SIP server of this process' WebSockets while there are any."""

    def __init__(self) -> None:
        self._server: SipServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._inside = 0
        self._closing: asyncio.TimerHandle | None = None

    def enter(self) -> SipServer:
        """The running server; leave() gives it back."""
        self._inside += 1
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        if self._server is None:
            calls = calls_socket_path(settings.SIP_CALLS_FOLDER, parse_address(settings.SIP_BIND))
            self._server = SipServer(cast(Application, RegistrarConsumer.as_asgi()), None, calls=calls)
            task = asyncio.create_task(self._server.arun(), name="SIP over WebSocket")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return self._server

    def leave(self) -> None:
        self._inside -= 1
        if not self._inside:
            loop = asyncio.get_running_loop()
            self._closing = loop.call_later(STOP_WHEN_IDLE_S, self._stop)

    def _stop(self) -> None:
        if self._server is not None and not self._inside:
            self._server.stop()
            self._server = None

    async def close(self) -> None:
        """Stop now, and wait for the end."""
        self._inside = 0
        self._stop()
        await asyncio.gather(*self._tasks)


_registrars: WeakKeyDictionary[asyncio.AbstractEventLoop, WebSocketRegistrar] = WeakKeyDictionary()


def websocket_registrar() -> WebSocketRegistrar:
    """The one of the running event loop."""
    return _registrars.setdefault(asyncio.get_running_loop(), WebSocketRegistrar())


class PhoneFlow:
    """The Connection of one browser phone: what is to be sent waits here, and then the end."""

    def __init__(self) -> None:
        self._unsent: deque[bytes] = deque()
        self._end_code: int | None = None
        self._news = asyncio.Event()

    def write(self, data: bytes) -> bool:
        if self._end_code is not None:
            return False
        if len(self._unsent) >= MOST_UNSENT:
            self.end(TOO_SLOW)
            return False
        self._unsent.append(data)
        self._news.set()
        return True

    def hold(self) -> None:
        """Frames are read whether wanted or not; how many there may be is bounded by the consumer."""

    def release(self) -> None:
        """As hold()."""

    def close(self) -> None:
        self.end(GOING_AWAY)

    def end(self, code: int) -> None:
        """Close with this code, after what waits to be sent."""
        self._end_code = code
        self._news.set()

    async def next(self) -> bytes | int:
        """What to send, or the code to close with."""
        while not self._unsent:
            if self._end_code is not None:
                return self._end_code
            self._news.clear()
            await self._news.wait()
        return self._unsent.popleft()


class SipConsumer(AsyncWebsocketConsumer):
    """One browser phone."""

    # Nobody sends to it but its own phone and its flow.
    channel_layer_alias = ""
    _origin: Origin | None = None

    async def connect(self) -> None:
        host, port = client_address(self.scope)
        self._server = websocket_registrar().enter()
        if SUBPROTOCOL not in self.scope["subprotocols"] or not self._server.flows.admit(host):
            websocket_registrar().leave()
            await self.close()
            return
        self._flow = PhoneFlow()
        self._origin = self._server.flows.opened(self._flow, host, port, transport_of(self.scope))
        self._window_ends_s, self._in_window = 0.0, 0
        loop = asyncio.get_running_loop()
        self._impatience = loop.call_later(FIRST_MESSAGE_WITHIN_S, self._flow.end, TOO_MANY)
        await self.accept(SUBPROTOCOL)
        self._sender = asyncio.create_task(self._send_all(), name="SIP over WebSocket, one phone")

    async def disconnect(self, code: int) -> None:
        origin, self._origin = self._origin, None
        if origin is None:
            return
        self._impatience.cancel()
        self._server.flows.closed(origin)
        websocket_registrar().leave()
        self._sender.cancel()
        await asyncio.wait([self._sender])

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        data = bytes_data if bytes_data is not None else (text_data or "").encode(errors="replace")
        if self._origin is None:
            return
        if len(data) > MOST_MESSAGE_BYTES:
            self._flow.end(TOO_BIG)
        elif self._is_flooding():
            self._flow.end(TOO_MANY)
        elif data == PING:
            self._flow.write(PONG)
        elif data.strip(b"\r\n"):
            self._impatience.cancel()
            self._server.flows.deliver(self._origin, [data])

    async def _send_all(self) -> None:
        while isinstance(message := await self._flow.next(), bytes):
            await self.send(text_data=message.decode())
        await self.close(message)

    def _is_flooding(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        if now_s > self._window_ends_s:
            self._window_ends_s, self._in_window = now_s + WINDOW_S, 0
        self._in_window += 1
        return self._in_window > MOST_PER_WINDOW


def client_address(scope: Any) -> tuple[str, int]:
    """As the proxy says it, if the web server was told to believe one; plain IPv4 even where it came mapped."""
    host, port = scope.get("client") or ("127.0.0.1", 0)
    return host.removeprefix(MAPPED_PREFIX) if "." in host else host, port


def transport_of(scope: Any) -> Transport:
    header = settings.SECURE_PROXY_SSL_HEADER
    name, secure = (
        (header[0].removeprefix("HTTP_").replace("_", "-").lower(), header[1]) if header else ("", "")
    )
    told = dict(scope["headers"]).get(name.encode(), b"").decode("latin-1")
    return "WSS" if scope.get("scheme") == "wss" or (secure and told == secure) else "WS"
