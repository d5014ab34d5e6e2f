"""How long datagrams wait in the kernel and how full its buffer is, as the kernel tells it."""

import socket
import time

from apps.sipserver.events import Load
from apps.sipserver.gauge import MANY, Gauge
from tests.patience import until
from tests.sipserver.rig import Client, Recorder, serving


def read(sock: socket.socket, count: int) -> None:
    for _ in range(count):
        sock.recvfrom(100)


def test_the_wait_is_that_of_the_datagram_read_last(sock: socket.socket, client: Client) -> None:
    load, later_s = Load(), 0.0
    gauge = Gauge(sock, load, lambda: time.time() + later_s)
    for _ in range(2 * MANY):
        client.say(b"x" * 90)
    read(sock, MANY)
    later_s = 3.0

    gauge.read(MANY, 256)

    assert 3.0 <= load.waited_s < 60
    assert 0 < load.filled < 1


def test_behind_few_nobody_waits_unless_there_was_no_room_for_more(
    sock: socket.socket, client: Client
) -> None:
    load = Load()
    gauge = Gauge(sock, load, lambda: time.time() + 9)
    for _ in range(3):
        client.say(b"x")
    read(sock, 2)

    gauge.read(2, 2)
    assert load.waited_s >= 9
    gauge.read(2, 256)
    assert (load.waited_s, load.filled) == (0, 0)


def test_a_clock_that_was_set_back_is_no_wait(sock: socket.socket, client: Client) -> None:
    load = Load()
    gauge = Gauge(sock, load, lambda: time.time() - 3600)
    client.say(b"x")
    read(sock, 1)

    gauge.read(MANY, 256)

    assert load.waited_s == 0


def test_what_the_kernel_throws_away_is_counted(client: Client) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as small:
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        small.bind(("127.0.0.1", 0))
        load = Load()
        gauge = Gauge(small, load)
        client.server = small.getsockname()
        for _ in range(200):
            client.say(b"x" * 500)

        gauge.read(MANY, MANY)

    assert load.dropped > 100
    assert load.filled > 0.5


async def test_a_busy_application_is_told(sock: socket.socket, client: Client) -> None:
    application = Recorder()
    async with serving(application, sock) as server:
        await until(lambda: bool(application.scopes))
        application.gate.clear()
        for number in range(400):
            client.say(b"%d" % number)
        await until(lambda: server.counters.received >= 256)
        assert server.load.waited_s > 0
        application.gate.set()
        await until(lambda: server.counters.received == 400)
        client.say(b"last")
        await until(lambda: server.counters.received == 401)
        assert server.load == Load(0, 0, server.load.dropped)


def test_a_socket_that_tells_nothing_means_no_load(sock: socket.socket) -> None:
    load = Load()
    gauge = Gauge(sock, load)
    sock.close()

    gauge.read(MANY, MANY)

    assert load == Load()
