import asyncio
import itertools
import logging
import socket

import pytest

from apps.sipserver.addresses import from_socket_address
from apps.sipserver.events import Address, Origin, Receive, Send, SipScope
from apps.sipserver.inbox import MAX_BATCH
from apps.sipserver.server import SipServer
from apps.sipserver.sockets import open_udp_socket
from tests.patience import PATIENCE_S, until
from tests.sipserver.rig import Client, Recorder, serving


async def test_one_datagram_is_one_event(sock: socket.socket, client: Client) -> None:
    application = Recorder()
    async with serving(application, sock):
        client.say(b"REGISTER")
        await until(lambda: bool(application.batches))
    assert application.events == [
        {"type": "sip.startup"},
        {"type": "sip.datagrams", "datagrams": [(b"REGISTER", client.address)]},
        {"type": "sip.shutdown"},
    ]


async def test_the_scope_names_the_socket(sock: socket.socket) -> None:
    application = Recorder()
    async with serving(application, sock) as server:
        await until(lambda: bool(application.scopes))
    assert application.scopes == [
        {
            "type": "sip",
            "asgi": {"version": "3.0", "spec_version": "1.2"},
            "transport": "UDP",
            "server": sock.getsockname(),
            "worker": server.worker,
            "flows": server.flows.open_flows,
            "counters": server.counters,
            "load": server.load,
            "handing_over": None,
        }
    ]


async def test_a_busy_application_gets_few_large_batches_in_order(sock: socket.socket) -> None:
    application = Recorder()
    phones = [Client(sock.getsockname()) for _ in range(10)]
    async with serving(application, sock):
        application.gate.clear()
        for number in range(100):
            for phone in phones:
                phone.say(b"%d" % number)
            await asyncio.sleep(0)
        application.gate.set()
        await until(lambda: len(application.datagrams) == 1000)
    for phone in phones:
        said = [data for data, source in application.datagrams if source == phone.address]
        assert said == [b"%d" % number for number in range(100)]
        phone.close()
    assert len(application.batches) <= 6
    assert max(map(len, application.batches)) == MAX_BATCH


async def test_a_full_batch_pauses_reading_until_it_is_taken(sock: socket.socket, client: Client) -> None:
    application = Recorder()
    async with serving(application, sock) as server:
        application.gate.clear()
        client.say(b"first")
        await until(lambda: bool(application.batches))
        for number in range(MAX_BATCH + 50):
            client.say(b"%d" % number)
        await until(lambda: server.counters.pauses == 1)
        left_in_the_kernel = sock.recv(100)
        application.gate.set()
        await until(lambda: len(application.datagrams) == 1 + MAX_BATCH + 49)
    assert left_in_the_kernel == b"%d" % MAX_BATCH
    assert [len(batch) for batch in application.batches] == [1, MAX_BATCH, 49]


async def test_nothing_is_read_before_the_application_has_finished_startup(
    sock: socket.socket, client: Client
) -> None:
    database_is_there = asyncio.Event()
    heard: list[bytes] = []

    async def application(scope: SipScope, receive: Receive, send: Send) -> None:
        await receive()
        await database_is_there.wait()
        while (event := await receive())["type"] == "sip.datagrams":
            heard.extend(data for data, _ in event["datagrams"])

    async with serving(application, sock):
        client.say(b"early")
        for _ in range(5):
            await asyncio.sleep(0)
        assert sock.recv(100, socket.MSG_PEEK) == b"early"
        database_is_there.set()
        await until(lambda: heard == [b"early"])


async def test_an_application_exception_is_logged_once_and_costs_one_batch(
    sock: socket.socket, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: SipScope, receive: Receive, send: Send) -> None:
        while (event := await receive())["type"] != "sip.shutdown":
            if event["type"] != "sip.datagrams":
                continue
            if event["datagrams"][0][0] == b"poison":
                client.say(b"from the phone next door")
                await asyncio.sleep(0.01)
                raise RuntimeError("a batch went wrong")
            await send({"type": "sip.send", "datagrams": event["datagrams"]})

    with caplog.at_level(logging.ERROR):
        async with serving(application, sock) as server:
            client.say(b"poison")
            assert await client.hear() == b"from the phone next door"
    assert [record.getMessage() for record in caplog.records] == [
        "the application failed: a batch went wrong"
    ]
    assert server.counters.restarts == 1
    assert server.stopped_cleanly


async def test_an_application_that_returns_early_is_started_again(
    sock: socket.socket, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: SipScope, receive: Receive, send: Send) -> None:
        await receive()
        event = await receive()
        if event["type"] == "sip.datagrams":
            await send({"type": "sip.send", "datagrams": event["datagrams"]})

    async with serving(application, sock):
        for number in range(3):
            client.say(b"%d" % number)
            assert await client.hear() == b"%d" % number
    assert "returned before sip.shutdown" in caplog.text


async def test_a_failing_application_is_restarted_with_back_off(sock: socket.socket) -> None:
    started_at_s: list[float] = []

    async def application(scope: SipScope, receive: Receive, send: Send) -> None:
        started_at_s.append(asyncio.get_running_loop().time())
        raise RuntimeError("no luck today")

    async with serving(application, sock):
        await until(lambda: len(started_at_s) == 4)
    gaps = [later - earlier for earlier, later in itertools.pairwise(started_at_s)]
    assert all(gap > wanted - 0.01 for gap, wanted in zip(gaps, [0.1, 0.2, 0.4], strict=True))


@pytest.mark.parametrize(
    "nowhere",
    [
        ("127.0.0.1", 0),
        ("127.0.0.1", 70_000),
        ("127.0.0.1", -1),
        ("pbx.example", 5060),
        ("2001:db8::1", 5060),
    ],
)
async def test_a_bad_destination_is_counted_and_does_not_stop_the_batch(
    sock: socket.socket, client: Client, nowhere: Address
) -> None:
    async def application(scope: SipScope, receive: Receive, send: Send) -> None:
        while (event := await receive())["type"] != "sip.shutdown":
            if event["type"] == "sip.datagrams":
                good = event["datagrams"]
                await send({"type": "sip.send", "datagrams": [(b"lost", nowhere), *good]})

    async with serving(application, sock) as server:
        client.say(b"still here")
        assert await client.hear() == b"still here"
    assert (server.counters.send_errors, server.counters.sent) == (1, 1)


async def test_a_full_send_buffer_drops_and_counts(sock: socket.socket, client: Client) -> None:
    class Choked(socket.socket):
        def sendto(self, *args: object) -> int:
            raise BlockingIOError

    choked = Choked(fileno=sock.detach())
    choked.setblocking(False)
    application = Recorder(echo=True)
    with choked:
        async with serving(application, choked) as server:
            client.say(b"hello")
            await until(lambda: server.counters.send_dropped == 1)
    assert server.counters.restarts == 0


async def test_c26_the_largest_datagram_is_received_and_sent(sock: socket.socket, client: Client) -> None:
    largest = b"x" * 65_507
    async with serving(Recorder(echo=True), sock):
        client.say(largest)
        assert await client.hear() == largest


async def test_a_datagram_too_large_to_send_is_counted(sock: socket.socket, client: Client) -> None:
    async def application(scope: SipScope, receive: Receive, send: Send) -> None:
        while (event := await receive())["type"] != "sip.shutdown":
            if event["type"] == "sip.datagrams":
                await send({"type": "sip.send", "datagrams": [(b"x" * 65_508, client.address)]})

    async with serving(application, sock) as server:
        client.say(b"more")
        await until(lambda: server.counters.send_errors == 1)


async def test_an_empty_datagram_is_delivered(sock: socket.socket, client: Client) -> None:
    application = Recorder()
    async with serving(application, sock):
        client.say(b"")
        await until(lambda: application.datagrams == [(b"", client.address)])


async def test_a_dual_stack_socket_shows_ipv4_phones_as_ipv4_and_answers_both() -> None:
    application = Recorder(echo=True)
    with open_udp_socket("::", 0) as sock:
        port = sock.getsockname()[1]
        old, new = Client(("127.0.0.1", port)), Client(("::1", port), host="::1")
        async with serving(application, sock):
            for phone in (old, new):
                phone.say(b"hello")
                assert await phone.hear() == b"hello"
        assert [source[:2] for _, source in application.datagrams] == [old.address, new.address]
        old.close()
        new.close()


async def test_an_ipv6_address_does_not_take_ipv4() -> None:
    with open_udp_socket("::1", 0) as sock:
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        assert from_socket_address(socket.AF_INET6, sock.getsockname())[0] == "::1"


async def test_stop_gives_the_open_batch_then_shutdown_and_reads_no_more(
    sock: socket.socket, client: Client
) -> None:
    application = Recorder(echo=True)
    async with serving(application, sock) as server:
        application.gate.clear()
        client.say(b"in hand")
        await until(lambda: bool(application.batches))
        client.say(b"in the open batch")
        await until(lambda: server.counters.received == 2)
        server.stop()
        client.say(b"for another worker")
        application.gate.set()
        assert [await client.hear(), await client.hear()] == [b"in hand", b"in the open batch"]
    assert application.events[-1] == {"type": "sip.shutdown"}
    assert sock.recv(100) == b"for another worker"
    assert server.stopped_cleanly


async def test_an_application_that_does_not_return_is_cancelled_in_time(
    sock: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: SipScope, receive: Receive, send: Send) -> None:
        while True:
            await receive()

    server = SipServer(application, sock, stop_within_s=0.05)
    task = asyncio.create_task(server.arun())
    await asyncio.sleep(0.01)
    server.stop()
    await asyncio.wait_for(task, PATIENCE_S)
    assert not server.stopped_cleanly
    assert "did not return" in caplog.text


async def test_a_stop_during_startup_is_immediate_and_clean(sock: socket.socket) -> None:
    async def application(scope: SipScope, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.Event().wait()

    server = SipServer(application, sock)
    task = asyncio.create_task(server.arun())
    await asyncio.sleep(0)
    server.stop()
    await asyncio.wait_for(task, PATIENCE_S)
    assert server.stopped_cleanly


async def test_an_idle_server_never_wakes(sock: socket.socket) -> None:
    application = Recorder()
    async with serving(application, sock) as server:
        await until(lambda: application.events != [])
        loop = asyncio.get_running_loop()
        assert isinstance(loop, asyncio.SelectorEventLoop)
        await asyncio.sleep(0.01)
        ready, timers = loop._ready, loop._scheduled  # type: ignore[attr-defined]
        assert not ready
        assert not [timer for timer in timers if not timer.cancelled()]
        assert server.counters.received == 0


async def test_a_cancelled_receive_loses_nothing(sock: socket.socket, client: Client) -> None:
    heard: list[bytes] = []

    async def application(scope: SipScope, receive: Receive, send: Send) -> None:
        await receive()
        while True:
            try:
                event = await asyncio.wait_for(receive(), 0.001)
            except TimeoutError:
                continue
            if event["type"] != "sip.datagrams":
                return
            heard.extend(data for data, _ in event["datagrams"])

    async with serving(application, sock):
        for number in range(200):
            client.say(b"%d" % number)
            await asyncio.sleep(0.0005)
        await until(lambda: len(heard) == 200)
    assert heard == [b"%d" % number for number in range(200)]


@pytest.mark.parametrize(
    ("bound", "asked"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.2"),
        ("::", "127.0.0.1"),
        ("::", "127.0.0.2"),
        ("::", "::1"),
    ],
)
async def test_c24_the_answer_leaves_from_the_address_and_port_that_were_asked(
    bound: str, asked: str
) -> None:
    application = Recorder(echo=True)
    with open_udp_socket(bound, 0) as sock:
        client = Client((asked, sock.getsockname()[1]), host=asked)
        async with serving(application, sock) as server:
            client.sock.connect(client.server)  # from here on the kernel drops what comes from elsewhere
            client.sock.send(b"hello")
            assert await client.hear() == b"hello"
            assert server.counters.send_errors == 0
        ((_, source),) = application.datagrams
        assert source[:2] == client.address
        client.close()


async def test_c24_an_answer_to_another_port_leaves_from_the_same_address() -> None:
    with open_udp_socket("0.0.0.0", 0) as sock:
        asked = ("127.0.0.2", sock.getsockname()[1])
        speaker, listener = Client(asked), Client(asked)
        listener.sock.connect(asked)

        async def application(scope: SipScope, receive: Receive, send: Send) -> None:
            while (event := await receive())["type"] != "sip.shutdown":
                if event["type"] == "sip.datagrams":
                    ((data, source),) = event["datagrams"]
                    assert isinstance(source, Origin)
                    there = source._replace(port=listener.address[1])
                    await send({"type": "sip.send", "datagrams": [(data, there)]})

        async with serving(application, sock):
            speaker.say(b"to the port of the Via")
            assert await listener.hear() == b"to the port of the Via"
        speaker.close()
        listener.close()
