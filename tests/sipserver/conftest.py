"""A UDP socket to serve, and who sends to it."""

import socket
from collections.abc import Iterator

import pytest

from apps.sipserver.sockets import open_udp_socket
from tests.sipserver.rig import Client


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with open_udp_socket("127.0.0.1", 0) as opened:
        yield opened


@pytest.fixture
def client(sock: socket.socket) -> Iterator[Client]:
    opened = Client(sock.getsockname())
    yield opened
    opened.close()
