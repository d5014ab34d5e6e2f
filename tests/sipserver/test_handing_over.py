"""Workers and the call process of their host, in one event loop: what one hands over the other gets, and back."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from apps.sipserver.calls import CallServer
from apps.sipserver.events import Application, Datagram, Origin, Receive, Send, SipScope
from apps.sipserver.inbox import MAX_BATCH
from apps.sipserver.server import SipServer
from apps.sipserver.sockets import open_listening_socket, open_udp_socket
from apps.sipserver.unix_sockets import LONGEST_PATH, calls_socket_path, open_unix_socket
from tests.patience import PATIENCE_S, until
from tests.sipserver.rig import Client, Recorder, StreamClient


class Passing:
    """An application that hands over all it gets."""

    async def __call__(self, scope: SipScope, receive: Receive, send: Send) -> None:
        while (event := await receive())["type"] != "sip.shutdown":
            if event["type"] == "sip.datagrams":
                await send({"type": "sip.hand_over", "datagrams": event["datagrams"]})


class Calls(Recorder):
    """What the call process would host; it can send."""

    async def __call__(self, scope: SipScope, receive: Receive, send: Send) -> None:
        self.send = send
        await super().__call__(scope, receive, send)

    async def say(self, *datagrams: Datagram) -> None:
        await self.send({"type": "sip.send", "datagrams": list(datagrams)})


@asynccontextmanager
async def running(server: SipServer) -> AsyncIterator[None]:
    task = asyncio.create_task(server.arun())
    try:
        yield
    finally:
        server.stop()
        await asyncio.wait_for(task, PATIENCE_S)


class Host:
    """The sockets of one SIP server, as its parent holds them open."""

    def __init__(self, folder: Path) -> None:
        self.udp = open_udp_socket("127.0.0.1", 0)
        self.tcp = open_listening_socket("127.0.0.1", 0)
        self.path = calls_socket_path(folder, self.udp.getsockname())
        self.listening = open_unix_socket(self.path)

    def worker(self, application: Application | None = None) -> SipServer:
        return SipServer(application or Passing(), self.udp, {self.tcp: None}, calls=self.path)

    def calls(self, application: Application) -> CallServer:
        return CallServer(application, self.udp, self.listening)

    def close(self) -> None:
        for sock in (self.udp, self.tcp, self.listening):
            sock.close()


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    with TemporaryDirectory() as folder:
        opened = Host(Path(folder) / "calls")
        yield opened
        opened.close()


async def test_what_a_worker_hands_over_reaches_the_call_process_in_order(host: Host) -> None:
    calls = Calls()
    worker = host.worker()
    phone = Client(host.udp.getsockname())
    async with running(host.calls(calls)), running(worker):
        for number in range(20):
            phone.say(b"INVITE %d" % number)
        await until(lambda: len(calls.datagrams) == 20)

        assert calls.datagrams == [(b"INVITE %d" % number, phone.address) for number in range(20)]
        assert calls.scopes[0]["type"] == "sip.calls"
        assert worker.counters.handed_over == 20
        await calls.say((b"100 Trying", phone.address))
        assert await phone.hear() == b"100 Trying"
    phone.close()


async def test_messages_for_a_connection_go_back_over_the_worker_that_holds_it(host: Host) -> None:
    calls = Calls()
    async with running(host.calls(calls)), running(host.worker()):
        phone = await StreamClient.open(host.tcp.getsockname())
        phone.say(b"INVITE sip:b@c SIP/2.0\r\nContent-Length: 0\r\n\r\n")
        await until(lambda: len(calls.datagrams) == 1)
        _, origin = calls.datagrams[0]
        assert isinstance(origin, Origin)
        assert origin.transport == "TCP"
        assert origin.flow in calls.scopes[0]["flows"]

        await calls.say((b"SIP/2.0 100 Trying\r\n\r\n", origin))

        assert await phone.hear(22) == b"SIP/2.0 100 Trying\r\n\r\n"
        await phone.close()
        await until(lambda: calls.closed_flows == [origin.flow])
        assert origin.flow not in calls.scopes[0]["flows"]


class Browser:
    """A connection that another server opened in the worker's name, as the web server does (RFC 7118)."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def write(self, data: bytes) -> bool:
        self.heard.append(data)
        return True

    def hold(self) -> None: ...
    def release(self) -> None: ...
    def close(self) -> None: ...


async def test_a_worker_without_a_socket_hands_over_for_browser_phones(host: Host) -> None:
    calls, browser = Calls(), Browser()
    web = SipServer(Passing(), None, calls=host.path)
    async with running(host.calls(calls)), running(web):
        assert web.flows.admit("192.0.2.7")
        origin = web.flows.opened(browser, "192.0.2.7", 40_000, "WSS")
        await until(lambda: web.inbox.room > 0)
        web.flows.deliver(origin, [b"INVITE"])
        await until(lambda: calls.datagrams == [(b"INVITE", origin)])

        await calls.say((b"100 Trying", origin))

        await until(lambda: browser.heard == [b"100 Trying"])
        web.flows.closed(origin)
        await until(lambda: calls.closed_flows == [origin.flow])


async def test_the_end_of_a_worker_is_the_end_of_its_connections(host: Host) -> None:
    calls = Calls()
    async with running(host.calls(calls)):
        async with running(host.worker()):
            phone = await StreamClient.open(host.tcp.getsockname())
            phone.say(b"INVITE sip:b@c SIP/2.0\r\nContent-Length: 0\r\n\r\n")
            await until(lambda: len(calls.datagrams) == 1)
        origin = calls.datagrams[0][1]
        await until(lambda: calls.closed_flows != [])

        assert calls.closed_flows == [origin[3]]  # type: ignore[misc]
        await phone.close()


async def test_a_message_for_a_connection_that_is_gone_comes_back_as_its_end(host: Host) -> None:
    calls = Calls()
    worker = host.worker()
    server = host.calls(calls)
    phone = Client(host.udp.getsockname())
    async with running(server), running(worker):
        phone.say(b"hello")
        await until(lambda: len(calls.datagrams) == 1)
        of_nobody = Origin("192.0.2.1", 5060, "TCP", "a worker that was/1")
        of_a_living_worker = Origin("192.0.2.1", 5060, "TCP", f"{worker.worker}/77")

        await calls.say((b"BYE", of_nobody), (b"BYE", of_a_living_worker))

        await until(lambda: set(calls.closed_flows) == {of_nobody.flow, of_a_living_worker.flow})
        assert server.counters.send_dropped == 1
        assert worker.counters.send_dropped == 1
    phone.close()


async def test_a_new_call_process_gets_what_came_since_the_old_one_died(host: Host) -> None:
    first, second = Calls(), Calls()
    worker = host.worker()
    phone = Client(host.udp.getsockname())
    async with running(worker):
        async with running(host.calls(first)):
            phone.say(b"one")
            await until(lambda: len(first.datagrams) == 1)
        phone.say(b"two")
        await until(lambda: worker.counters.received == 2)
        async with running(host.calls(second)):
            await until(lambda: [data for data, _ in second.datagrams] == [b"two"])

    assert worker.counters.handed_over == 2
    assert worker.counters.hand_over_dropped == 0
    phone.close()


async def test_what_is_older_than_a_second_is_dropped_and_counted(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.sipserver.handing_over.KEPT_FOR_S", -1.0)
    worker = host.worker()
    phone = Client(host.udp.getsockname())
    async with running(worker):
        phone.say(b"one")
        await until(lambda: worker.counters.received == 1)
        phone.say(b"two")
        await until(lambda: worker.counters.hand_over_dropped == 1)
    phone.close()


async def test_without_a_call_process_for_long_nothing_can_be_handed_over(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    scopes = Recorder()
    async with running(host.worker(scopes)):
        await until(lambda: bool(scopes.scopes))
        handing_over = scopes.scopes[0]["handing_over"]
        assert handing_over is not None
        assert handing_over.is_possible
        monkeypatch.setattr("apps.sipserver.handing_over.GIVEN_UP_AFTER_S", 0.0)
        assert not handing_over.is_possible
        async with running(host.calls(Calls())):
            await until(lambda: handing_over.is_possible)


async def test_a_busy_call_process_stops_reading_and_loses_nothing(host: Host) -> None:
    calls = Calls()
    server = host.calls(calls)
    phone = Client(host.udp.getsockname())
    async with running(server), running(host.worker()):
        phone.say(b"first")
        calls.gate.clear()
        await until(lambda: len(calls.datagrams) == 1)
        count = MAX_BATCH * 2
        for number in range(count):
            phone.say(b"%d" % number)
            if number % 32 == 0:
                await asyncio.sleep(0)
        await until(lambda: server.counters.pauses > 0)
        calls.gate.set()
        await until(lambda: len(calls.datagrams) == 1 + count)
        assert [data for data, _ in calls.datagrams[1:]] == [b"%d" % number for number in range(count)]
    phone.close()


def test_the_socket_has_a_short_path_in_a_folder_of_our_own(tmp_path: Path) -> None:
    short = calls_socket_path(Path("/srv/var/calls"), ("0.0.0.0", 5060))
    long = calls_socket_path(Path("/srv") / ("x" * 100), ("0.0.0.0", 5060))

    assert short == Path("/srv/var/calls/0.0.0.0:5060.sock")
    assert len(bytes(long)) <= LONGEST_PATH
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(PermissionError):
        open_unix_socket(tmp_path / "open" / "s")


def test_a_socket_left_by_a_dead_process_is_taken_over(host: Host) -> None:
    with open_unix_socket(host.path) as again, socket.socket(socket.AF_UNIX) as worker:
        worker.connect(str(host.path))
        again.accept()[0].close()
