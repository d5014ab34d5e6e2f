"""One phone on a loopback address of its own, with a socket on every port an answer to a torture message goes to."""

import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.addresses import Address
from tests.patience import PATIENCE_S

# The ports of the messages' Vias: none (UDP, TLS), and those written there. mpart01 asks for rport.
VIA_PORTS: Final = (5060, 5061, 5050, 5070, 6050, 19823)
ANSWER_WITHIN_S: Final = 3.0
PROBE_EVERY_S: Final = 0.5


class Listener:
    """Sends from port 5060 and hears every answer, whichever port it comes to."""

    def __init__(self, host: str, server: Address) -> None:
        self.server = server
        self.sockets = [self._bound(host, port) for port in VIA_PORTS]
        self.host = host
        self.probes = 0

    @staticmethod
    def _bound(host: str, port: int) -> socket.socket:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind((host, port))
        return bound

    def answers(self, data: bytes) -> list[bytes]:
        """All answers to the message. When two requests sent after it, one after the other, have been answered by the
        one worker, it has nothing more to say."""
        self.sockets[0].sendto(data, self.server)
        heard = [*self.probe(), *self.probe()]
        for ready in select.select(self.sockets, [], [], 0)[0]:
            heard.append(ready.recv(65535))
        return heard

    def probe(self, within_s: float = ANSWER_WITHIN_S) -> list[bytes]:
        """OPTIONS until its answer comes; what else came meanwhile is returned."""
        self.probes += 1
        call_id = f"probe-{self.probes}@{self.host}"
        lines = [
            "OPTIONS sip:example.com SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:5060;branch=z9hG4bKprobe{self.probes}",
            "From: <sip:probe@example.com>;tag=p",
            "To: <sip:example.com>",
            f"Call-ID: {call_id}",
            "CSeq: 1 OPTIONS\r\n\r\n",
        ]
        return self._until(call_id.encode(), "\r\n".join(lines).encode(), within_s)

    def _until(self, call_id: bytes, probe: bytes, within_s: float) -> list[bytes]:
        others: list[bytes] = []
        give_up = time.monotonic() + within_s
        while time.monotonic() < give_up:
            self.sockets[0].sendto(probe, self.server)
            again = time.monotonic() + PROBE_EVERY_S
            while (left := again - time.monotonic()) > 0:
                for ready in select.select(self.sockets, [], [], left)[0]:
                    answer = ready.recv(65535)
                    if b"Call-ID: " + call_id in answer:
                        return others
                    if b"Call-ID: probe-" not in answer:
                        others.append(answer)
        raise AssertionError("the worker does not answer any more")

    def close(self) -> None:
        for each in self.sockets:
            each.close()


@contextmanager
def listening(server: Address) -> Iterator[Listener]:
    number = os.getpid()
    host = f"127.{100 + number // 62500 % 100}.{number // 250 % 250}.{2 + number % 250}"
    listener = Listener(host, server)
    try:
        listener.probe(PATIENCE_S)
        yield listener
    finally:
        listener.close()
