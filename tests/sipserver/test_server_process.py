import asyncio
import os
import re
import signal
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.sipserver.addresses import format_address
from apps.sipserver.certificates import ensure_self_signed
from apps.sipserver.events import Address
from apps.sipserver.sockets import open_udp_socket
from tests.patience import PATIENCE_S, until
from tests.sipserver.processes import ROOT, Running, running_server
from tests.sipserver.rig import Client, StreamClient


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Running]:
    with running_server() as server:
        yield server


async def test_workers_share_one_socket_and_every_datagram_gets_one_answer(shared_server: Running) -> None:
    phones = [Client(shared_server.address) for _ in range(8)]
    answered: Counter[bytes] = Counter()
    for phone_number, phone in enumerate(phones):
        phone.say(b"hello")
        await phone.hear()
        said = [b"%d-%d" % (phone_number, number) for number in range(100)]
        for text in said:
            phone.say(text)
        answered.update([(await phone.hear()).split()[1] for _ in said])
    assert len(answered) == 800
    assert set(answered.values()) == {1}
    for phone in phones:
        with pytest.raises(BlockingIOError):
            phone.sock.recv(100)
        phone.close()


async def test_a_killed_worker_is_replaced_while_the_other_answers() -> None:
    with running_server() as server:
        client = Client(server.address)
        stuck = await _block_one(client)
        other = await _pid_answering(client)
        assert other != stuck
        os.kill(stuck, signal.SIGKILL)
        assert await _pid_answering(client) != stuck
        next_stuck = await _block_one(client)
        last = await _pid_answering(client)
        assert len({stuck, other, next_stuck, last}) == 3
        client.close()


async def test_kill_9_of_the_parent_frees_the_socket() -> None:
    with running_server() as server:
        client = Client(server.address)
        client.say(b"hello")
        await client.hear()
        assert not _is_free(server.address)
        server.process.kill()
        await until(lambda: _is_free(server.address))
        client.close()


async def test_kill_9_of_the_parent_ends_even_a_stuck_worker() -> None:
    with running_server(workers=1) as server:
        client = Client(server.address)
        await _block_one(client)
        server.process.kill()
        await until(lambda: _is_free(server.address))
        client.close()


async def test_a_sighup_while_a_worker_starts_does_not_end_it() -> None:
    with running_server(workers=1) as server:
        assert server.process.stdout is not None
        started = re.search(r"sipworker-1 started, pid (\d+)", server.process.stdout.readline())
        assert started is not None
        server.process.send_signal(signal.SIGHUP)
        client = Client(server.address)
        assert await _pid_answering(client) == int(started[1])
        client.close()


async def test_sigterm_answers_the_batch_in_hand_and_exits_0_within_5_s() -> None:
    with running_server() as server:
        client = Client(server.address)
        client.say(b"slow one")
        assert (await client.hear()).endswith(b"taken")
        server.process.send_signal(signal.SIGTERM)
        assert (await client.hear()).endswith(b"slow one")
        assert await server.ended(5) == 0
        assert _is_free(server.address)
        client.close()


async def test_sigterm_with_a_stuck_worker_ends_within_5_s() -> None:
    with running_server() as server:
        client = Client(server.address)
        await _block_one(client)
        server.process.send_signal(signal.SIGTERM)
        assert await server.ended(5) == 0
        assert _is_free(server.address)
        client.close()


@pytest.mark.parametrize(
    ("bind", "said"),
    [
        (None, "cannot listen on UDP 127.0.0.1:{port}: Address already in use"),
        ("pbx.example:5060", "'pbx.example:5060': the host must be a numeric address of this machine"),
        ("203.0.113.1:5060", "cannot listen on UDP 203.0.113.1:5060: Cannot assign requested address"),
    ],
)
def test_a_bind_failure_is_one_line_and_exit_2(bind: str | None, said: str) -> None:
    with open_udp_socket("127.0.0.1", 0) as taken:
        address: Address = taken.getsockname()
        arguments = ["--bind", bind or format_address(address), "--settings", "tests.sipserver.settings"]
        done = subprocess.run(
            [sys.executable, "-m", "django", "sipserver", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert said.format(port=address[1]) in done.stderr


async def _block_one(client: Client) -> int:
    """The pid of a worker that now reads and answers nothing more."""
    client.say(b"block")
    pid, said = (await client.hear()).split()
    assert said == b"taken"
    return int(pid)


async def _pid_answering(client: Client) -> int:
    client.say(b"who")
    return int((await client.hear()).split()[0])


def _is_free(address: Address) -> bool:
    try:
        open_udp_socket(*address).close()
    except OSError:
        return False
    return True


async def test_c27_the_udp_port_is_open_for_tcp_too(shared_server: Running) -> None:
    asked = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n"
    client = await StreamClient.open(shared_server.address)
    client.say(asked)
    pid, _, said = (await client.hear(len(asked) + 2)).partition(b" ")
    assert pid.isdigit()
    assert asked.startswith(said)
    await client.close()


async def test_sighup_gives_new_connections_the_new_certificate_and_drops_no_old_one(tmp_path: Path) -> None:
    asked = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n"
    environ = {"SIP_TEST_TLS_FOLDER": str(tmp_path)}
    with running_server("--tls-bind", "127.0.0.1:0", workers=1, environ=environ) as server:
        assert server.tls_address is not None
        old = await _over_tls(server.tls_address, asked)
        (tmp_path / "self-signed.pem").unlink()
        ensure_self_signed(tmp_path, ["localhost"])
        server.process.send_signal(signal.SIGHUP)

        async def served_anew() -> bool:
            new = await _over_tls(server.tls_address or ("", 0), asked)
            await new.close()
            return _certificate_of(new) != _certificate_of(old)

        async with asyncio.timeout(PATIENCE_S):
            while not await served_anew():  # noqa: ASYNC110 - the server says nothing when it has read it
                await asyncio.sleep(0.02)
        old.say(asked)
        await old.hear(len(asked))
        await old.close()


async def _over_tls(address: Address, asked: bytes) -> StreamClient:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    client = await StreamClient.open(address, trusting)
    client.say(asked)
    await client.hear(len(asked))
    return client


def _certificate_of(client: StreamClient) -> bytes:
    certificate: bytes = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return certificate
