"""Addresses for servers of the tests. Must need nothing of the product: benchmarks run without its settings."""

import socket
from contextlib import suppress

Address = tuple[str, int]


def free_address(host: str = "127.0.0.1", kind: socket.SocketKind = socket.SOCK_DGRAM) -> Address:
    """Where such a socket may be bound; for UDP one of TCP, too: a SIP server listens with both."""
    while True:
        with socket.socket(socket.AF_INET, kind) as probe, socket.socket(socket.AF_INET) as stream:
            probe.bind((host, 0))
            address = host, int(probe.getsockname()[1])
            with suppress(OSError):
                if kind is socket.SOCK_DGRAM:
                    stream.bind(address)
                return address
