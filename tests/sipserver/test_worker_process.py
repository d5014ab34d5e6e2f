import signal
import socket
from collections.abc import Iterator

import pytest

from apps.sipserver.sockets import open_udp_socket
from tests.patience import PATIENCE_S
from tests.sipserver.processes import command, running_worker
from tests.sipserver.rig import Client


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with open_udp_socket("127.0.0.1", 0) as opened:
        yield opened


@pytest.fixture
def lifeline() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A pair of which the worker gets the first; closing the second is the parent's death."""
    ours, parents = socket.socketpair()
    with ours, parents:
        yield ours, parents


@pytest.fixture
def client(sock: socket.socket) -> Iterator[Client]:
    opened = Client(sock.getsockname())
    yield opened
    opened.close()


async def test_sigterm_answers_the_batch_in_hand_and_exits_0(
    sock: socket.socket, lifeline: tuple[socket.socket, socket.socket], client: Client
) -> None:
    with running_worker(sock, lifeline[0].fileno()) as worker:
        client.say(b"slow one")
        assert (await client.hear()).endswith(b"taken")
        worker.process.send_signal(signal.SIGTERM)
        assert (await client.hear()).endswith(b"slow one")
        assert await worker.ended(5) == 0


async def test_a_worker_whose_parent_is_gone_answers_and_exits_0(
    sock: socket.socket, lifeline: tuple[socket.socket, socket.socket], client: Client
) -> None:
    with running_worker(sock, lifeline[0].fileno()) as worker:
        client.say(b"slow one")
        assert (await client.hear()).endswith(b"taken")
        lifeline[1].close()
        assert (await client.hear()).endswith(b"slow one")
        assert await worker.ended(5) == 0


async def test_a_stuck_worker_whose_parent_is_gone_ends_too(
    sock: socket.socket, lifeline: tuple[socket.socket, socket.socket], client: Client
) -> None:
    with running_worker(sock, lifeline[0].fileno()) as worker:
        client.say(b"block")
        assert (await client.hear()).endswith(b"taken")
        lifeline[1].close()
        assert await worker.ended(7) == 1


async def test_a_crashing_batch_does_not_end_the_worker(
    sock: socket.socket, lifeline: tuple[socket.socket, socket.socket], client: Client
) -> None:
    with running_worker(sock, lifeline[0].fileno()) as worker:
        client.say(b"before")
        before = await client.hear()
        client.say(b"crash")
        after = await client.ask(b"after")
        assert worker.process.poll() is None
    assert (before.split()[0], after.split()[1]) == (after.split()[0], b"after")


def test_a_number_that_is_no_socket_is_refused() -> None:
    with command("sipworker", "--settings", "tests.sipserver.settings", "--fd", "77") as process:
        assert process.wait(PATIENCE_S) == 2
