"""TCP and TLS connections, over real sockets: framing, the way back, limits, ends."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apps.sipserver import flows, streams
from apps.sipserver.certificates import ensure_self_signed
from apps.sipserver.inbox import MAX_BATCH
from apps.sipserver.server import SipServer
from apps.sipserver.sockets import open_sip_sockets
from apps.sipserver.tls import CertificateError, renew, server_context
from tests.patience import until
from tests.sipserver.rig import Recorder, StreamClient, serving

Sockets = tuple[socket.socket, socket.socket]
Open = Callable[[], Awaitable[StreamClient]]


@pytest.fixture(params=["127.0.0.1", "::1"])
def each_family(request: pytest.FixtureRequest) -> Iterator[Sockets]:
    pair = open_sip_sockets(request.param, 0)
    with pair[0], pair[1]:
        yield pair


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    pair = open_sip_sockets("127.0.0.1", 0)
    with pair[0], pair[1]:
        yield pair


@asynccontextmanager
async def phone_of(
    application: Recorder, sockets: Sockets, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[SipServer, Open]]:
    """A running server and how to connect to it; every connection is closed at the end."""
    clients: list[StreamClient] = []

    async def connect() -> StreamClient:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        address = sockets[1].getsockname()[:2]
        clients.append(await StreamClient.open(address, trusting if tls else None))
        return clients[-1]

    async with serving(application, sockets[0], {sockets[1]: tls}) as server:
        yield server, connect
        for client in clients:
            await client.close()


def message(text: bytes) -> bytes:
    return b"OPTIONS sip:a SIP/2.0\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


async def test_c27_a_message_over_tcp_is_one_event_that_names_its_flow(each_family: Sockets) -> None:
    application = Recorder(echo=True)
    async with phone_of(application, each_family) as (server, connect):
        client = await connect()
        client.say(message(b"hello"))
        assert await client.hear(len(message(b"hello"))) == message(b"hello")
        host, port = client.address
    expected = (host, port, "TCP", f"{server.worker}/1", None)
    assert application.datagrams == [(message(b"hello"), expected)]


async def test_c28_messages_of_one_segment_are_answered_in_order(sockets: Sockets) -> None:
    said = b"".join(message(b"%d" % number) for number in range(3 * MAX_BATCH))
    application = Recorder(echo=True)
    async with phone_of(application, sockets) as (_, connect):
        client = await connect()
        client.say(said)
        assert await client.hear(len(said)) == said
    assert max(map(len, application.batches)) <= MAX_BATCH


async def test_c28_a_message_in_ten_segments_is_one(sockets: Sockets) -> None:
    application = Recorder(echo=True)
    whole = message(b"0123456789")
    async with phone_of(application, sockets) as (_, connect):
        client = await connect()
        client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(whole), 6):
            client.say(whole[at : at + 6])
            await asyncio.sleep(0)
        assert await client.hear(len(whole)) == whole
    assert len(application.datagrams) == 1


async def test_c109_a_ping_is_answered_by_one_line_end_and_tells_the_application_nothing(
    sockets: Sockets,
) -> None:
    application = Recorder(echo=True)
    async with phone_of(application, sockets) as (_, connect):
        client = await connect()
        client.say(b"\r\n\r\n")
        assert await client.hear(2) == b"\r\n"
        client.say(b"\r\n\r\n" + message(b"x"))
        assert await client.hear(2 + len(message(b"x"))) == b"\r\n" + message(b"x")
    assert len(application.datagrams) == 1


async def test_c28_without_content_length_the_head_is_answered_and_the_connection_closed(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LINGER_S", 0.05)
    head = b"OPTIONS sip:a SIP/2.0\r\nTo: x\r\n\r\n"
    async with phone_of(Recorder(echo=True), sockets) as (_, connect):
        client = await connect()
        client.say(head + b"what is this")
        assert await client.hear_end() == head


async def test_the_end_of_a_connection_is_told_after_its_last_message(sockets: Sockets) -> None:
    application = Recorder()
    async with phone_of(application, sockets) as (server, connect):
        application.gate.clear()
        (await connect()).say(message(b"busy"))
        await until(lambda: bool(application.batches))
        client = await connect()
        client.say(message(b"goodbye") * (MAX_BATCH + 5))
        await until(lambda: server.counters.pauses == 1)
        await client.close()
        application.gate.set()
        await until(lambda: f"{server.worker}/2" in application.closed_flows)
        last_said = max(n for n, event in enumerate(application.events) if event["type"] == "sip.datagrams")
        told = next(n for n, event in enumerate(application.events) if event["type"] == "sip.flows_closed")
    assert len(application.datagrams) == 1 + MAX_BATCH + 5
    assert told > last_said


async def test_a_phone_that_stops_speaking_still_hears_its_answer(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LINGER_S", 0.05)
    async with phone_of(Recorder(echo=True), sockets) as (_, connect):
        client = await connect()
        client.say(message(b"last"))
        client.writer.write_eof()
        assert await client.hear_end() == message(b"last")


async def test_an_answer_to_a_closed_connection_is_dropped_and_counted(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LINGER_S", 0.05)
    application = Recorder(echo=True)
    async with phone_of(application, sockets) as (server, connect):
        application.gate.clear()
        client = await connect()
        client.say(message(b"x"))
        await until(lambda: bool(application.batches))
        await client.close()
        await until(lambda: server.flows._taken == 0)
        application.gate.set()
        await until(lambda: server.counters.send_dropped == 1)


@pytest.mark.parametrize("said", [b"", b"OPTIONS sip:a SIP/2.0\r\n", b"\r\n\r\n"])
async def test_c28_a_connection_that_never_says_a_whole_message_is_closed(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(streams, "WHOLE_MESSAGE_WITHIN_S", 0.1)
    async with phone_of(Recorder(), sockets) as (_, connect):
        client = await connect()
        client.say(said)
        assert (await client.hear_end()).strip() == b""


async def test_c28_an_idle_connection_stays_longer_than_64_t1_and_than_any_binding() -> None:
    assert streams.WHOLE_MESSAGE_WITHIN_S >= 64 * 0.5
    assert streams.IDLE_S >= 604_800


async def test_c28_only_an_unfinished_message_is_pressed_for_time(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WHOLE_MESSAGE_WITHIN_S", 0.1)
    async with phone_of(Recorder(echo=True), sockets) as (_, connect):
        idle, slow = await connect(), await connect()
        for client in (idle, slow):
            client.say(message(b"x"))
            await client.hear(len(message(b"x")))
        slow.say(b"OPTIONS")
        assert await slow.hear_end() == b""
        idle.say(message(b"y"))
        assert await idle.hear(len(message(b"y"))) == message(b"y")


async def test_one_source_gets_so_many_connections_and_no_more(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows, "MOST_PER_SOURCE", 2)
    async with phone_of(Recorder(echo=True), sockets) as (server, connect):
        first, _second, third = await connect(), await connect(), await connect()
        assert await third.hear_end() == b""
        assert server.counters.connections_refused == 1
        await first.close()
        await until(lambda: server.flows.admit("127.0.0.1"))


def test_an_ipv6_network_counts_as_one_source() -> None:
    assert flows._source("2001:db8::1") == flows._source("2001:db8::ffff:2")
    assert flows._source("2001:db8::1") != flows._source("2001:db8:0:1::1")
    assert flows._source("fe80::1%3") == flows._source("fe80::2%3")


async def test_a_phone_that_reads_nothing_is_cut_off(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST_UNREAD_BYTES", 10_000)
    application = Recorder(echo=True)
    async with phone_of(application, sockets) as (server, connect):
        client = await connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]

        async def flood() -> None:
            while True:
                client.say(message(b"x" * 60_000))
                await client.writer.drain()

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(flood(), 10)
        assert server.counters.send_dropped > 0


async def test_stop_closes_connections_after_the_last_answers_and_tells_of_their_end(
    sockets: Sockets,
) -> None:
    application = Recorder(echo=True)
    async with phone_of(application, sockets) as (server, connect):
        application.gate.clear()
        client = await connect()
        client.say(message(b"in hand"))
        await until(lambda: bool(application.batches))
        server.stop()
        application.gate.set()
        assert await client.hear_end() == message(b"in hand")
    assert [event["type"] for event in application.events[-2:]] == ["sip.flows_closed", "sip.shutdown"]
    assert application.closed_flows == [f"{server.worker}/1"]
    assert server.stopped_cleanly


async def test_connections_outlive_a_failed_application(
    sockets: Sockets, caplog: pytest.LogCaptureFixture
) -> None:
    application = Recorder(echo=True)
    async with phone_of(application, sockets) as (server, connect):
        client = await connect()
        client.say(message(b"before"))
        await client.hear(len(message(b"before")))
        server._cancel_instances()
        await until(lambda: server.counters.restarts == 1)
        client.say(message(b"after"))
        assert await client.hear(len(message(b"after"))) == message(b"after")
    assert "cancelled" in caplog.text


# -- TLS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


async def test_c27_a_message_over_tls_comes_and_goes(sockets: Sockets, folder: Path) -> None:
    application = Recorder(echo=True)
    context = server_context(ensure_self_signed(folder, ["localhost"]))
    async with phone_of(application, sockets, context) as (_, connect):
        client = await connect()
        client.say(message(b"secret") + b"\r\n\r\n")
        assert await client.hear(len(message(b"secret")) + 2) in (
            message(b"secret") + b"\r\n",
            b"\r\n" + message(b"secret"),
        )
    assert application.datagrams[0][1][2:3] == ("TLS",)
    assert len(application.closed_flows) == 1


async def test_plain_text_on_the_tls_port_is_a_failed_handshake(sockets: Sockets, folder: Path) -> None:
    context = server_context(ensure_self_signed(folder, ["localhost"]))
    async with phone_of(Recorder(), sockets, context) as (server, _):
        plain = await StreamClient.open(sockets[1].getsockname())
        plain.say(message(b"hello"))
        await plain.hear_end()
        await until(lambda: server.counters.handshakes_failed == 1)
        await plain.close()
        assert server.counters.connections == 0
        assert server.flows._taken == 0


async def test_a_renewed_certificate_is_for_new_connections_and_drops_no_old_one(
    sockets: Sockets, tmp_path: Path
) -> None:
    old = ensure_self_signed(tmp_path / "old", ["localhost"])
    new = ensure_self_signed(tmp_path / "new", ["localhost"])
    context = server_context(old)
    async with phone_of(Recorder(echo=True), sockets, context) as (_, connect):
        before = await connect()
        with pytest.raises(CertificateError, match="No such file"):
            renew(context, type(old)(tmp_path / "none.pem", tmp_path / "none.pem"))
        renew(context, new)
        after = await connect()
        for client in (before, after):
            client.say(message(b"x"))
            await client.hear(len(message(b"x")))
        served = [
            client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            for client in (before, after)
        ]
    certificates = [ssl.PEM_cert_to_DER_cert(_certificate_in(each.chain)) for each in (old, new)]
    assert served == certificates


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    one, other = (ensure_self_signed(tmp_path / name, ["localhost"]) for name in "ab")
    with pytest.raises(CertificateError, match="mismatch"):
        server_context(type(one)(Path(_write(tmp_path, _certificate_in(one.chain))), other.key))


def test_our_own_certificate_is_made_once_private_and_for_every_name(tmp_path: Path) -> None:
    first = ensure_self_signed(tmp_path, ["pbx.example.com", "192.0.2.1", "2001:db8::1"])
    written = first.chain.read_bytes()
    assert ensure_self_signed(tmp_path, ["other.example.com"]).chain.read_bytes() == written
    assert first.key.stat().st_mode & 0o777 == 0o600


def _certificate_in(path: Path) -> str:
    text = path.read_text()
    return text[text.index("-----BEGIN CERTIFICATE") :]


def _write(folder: Path, text: str) -> str:
    (folder / "chain.pem").write_text(text)
    return str(folder / "chain.pem")
