"""A TLS proxy before the web server, as docs/operations.md asks for one: it says so, and passes on what comes.

For a few connections of a test; a thread for each direction.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

HEAD_AT_MOST = 65_536
FORWARDED = b"\r\nX-Forwarded-Proto: https"


class TlsProxy:
    def __init__(self, host: str, listening: socket.socket, context: ssl.SSLContext) -> None:
        self.host = host
        self.port: int = listening.getsockname()[1]
        self._listening = listening
        self._context = context
        self._there = 0

    def forward_to(self, port: int) -> None:
        """From now on, to this port of the same host."""
        self._there = port

    def accept(self) -> None:
        """Until the socket is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with (
            suppress(OSError),
            self._context.wrap_socket(connection, server_side=True) as client,
            socket.create_connection((self.host, self._there)) as server,
        ):
            server.sendall(_with_scheme(_head(client)))
            Thread(target=_pass_on, args=(server, client), daemon=True).start()
            _pass_on(client, server)


@contextmanager
def tls_proxy(host: str, certificate: Path) -> Iterator[TlsProxy]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server((host, 0)) as listening:
        proxy = TlsProxy(host, listening, context)
        Thread(target=proxy.accept, daemon=True).start()
        yield proxy


def _head(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and len(data) < HEAD_AT_MOST and (more := client.recv(4096)):
        data += more
    return data


def _with_scheme(head: bytes) -> bytes:
    first_line, end, rest = head.partition(b"\r\n")
    return first_line + FORWARDED + end + rest


def _pass_on(there: socket.socket, here: socket.socket) -> None:
    with suppress(OSError):
        while data := there.recv(65_536):
            here.sendall(data)
    with suppress(OSError):
        here.shutdown(socket.SHUT_WR)
