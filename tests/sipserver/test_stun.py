"""STUN at the SIP port: C109's keep-alive over UDP (RFC 5626 §8, RFC 8489)."""

import socket
from collections.abc import Iterator

import pytest

from apps.sipserver.sockets import open_udp_socket
from apps.sipserver.stun import LONGEST_REQUEST, binding_answer
from tests.patience import until
from tests.sipserver.rig import Client, Recorder, serving

# The test vectors of RFC 5769 §2.2 and §2.3.
IDENTITY = bytes.fromhex("2112a442b7e7a701bc34d686fa87dfae")
IPV4, IPV4_ANSWER = ("192.0.2.1", 32853), bytes.fromhex("002000080001a147e112a643")
IPV6 = ("2001:db8:1234:5678:11:2233:4455:6677", 32853)
IPV6_ANSWER = bytes.fromhex("002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9")


def message(attributes: bytes = b"", *, kind: int = 0x0001, length: int | None = None) -> bytes:
    length = len(attributes) if length is None else length
    return kind.to_bytes(2, "big") + length.to_bytes(2, "big") + IDENTITY + attributes


def attribute(kind: int, value: bytes = b"") -> bytes:
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)


def attributes_of(answer: bytes | None) -> bytes:
    assert answer is not None
    assert answer[4:20] == IDENTITY
    assert int.from_bytes(answer[2:4], "big") == len(answer) - 20
    return answer[20:]


@pytest.mark.parametrize(("source", "said"), [(IPV4, IPV4_ANSWER), (IPV6, IPV6_ANSWER)])
def test_c109_a_binding_request_is_answered_with_the_address_it_came_from(
    source: tuple[str, int], said: bytes
) -> None:
    answer = binding_answer(message(), source)

    assert attributes_of(answer) == said
    assert answer is not None
    assert answer[:2] == b"\x01\x01"


def test_c109_a_link_local_source_is_told_without_its_zone() -> None:
    assert binding_answer(message(), ("fe80::1%3", 5060)) == binding_answer(message(), ("fe80::1", 5060))


@pytest.mark.parametrize(
    "attributes",
    [
        attribute(0x8022, b"a phone"),  # SOFTWARE
        attribute(0x8028, b"\0\0\0\0"),  # FINGERPRINT
        attribute(0xFFFF),
        attribute(0x0006, b"name") + attribute(0x0008, bytes(20)),  # USERNAME, MESSAGE-INTEGRITY
    ],
)
def test_c109_attributes_that_are_known_or_optional_are_passed_over(attributes: bytes) -> None:
    assert attributes_of(binding_answer(message(attributes), IPV4)) == IPV4_ANSWER


def test_c109_attributes_that_must_be_understood_and_are_not_get_420_with_their_types() -> None:
    change_request, priority = attribute(0x0003, b"\0\0\0\6"), attribute(0x0024, b"\0\0\0\1")

    answer = binding_answer(message(change_request + attribute(0x8022, b"x") + priority), IPV4)

    assert attributes_of(answer) == attribute(0x0009, b"\0\0\4\x14") + attribute(0x000A, b"\0\x03\0\x24")
    assert answer is not None
    assert answer[:2] == b"\x01\x11"


SILENT = {
    "indication": message(kind=0x0011),
    "success": message(IPV4_ANSWER, kind=0x0101),
    "error": message(kind=0x0111),
    "another method": message(kind=0x0003),
    "of RFC 3489, without the cookie": message()[:4] + bytes(16),
    "half a header": message()[:19],
    "a length that is not so": message(length=4),
    "an attribute longer than the message": message(attribute(0x8022, b"abcd")[:-1] + b""),
    "an attribute that says more than there is": message(b"\x80\x22\0\x09abcd"),
    "half an attribute": message(b"\x80\x22"),
    "longer than any keep-alive": message(attribute(0x8022, bytes(LONGEST_REQUEST))),
}


@pytest.mark.parametrize("data", SILENT.values(), ids=SILENT.keys())
def test_c109_what_is_no_plain_binding_request_is_silence(data: bytes) -> None:
    assert binding_answer(data, IPV4) is None


@pytest.fixture(
    params=[("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1"), ("::", "::1"), ("0.0.0.0", "127.0.0.2")]
)
def asked(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, Client]]:
    """A socket bound to the first, and a client of its that speaks to the second and hears nobody else."""
    bound, host = request.param
    with open_udp_socket(bound, 0) as sock:
        client = Client((host, sock.getsockname()[1]), host=host)
        client.sock.connect(client.server)
        yield sock, client
        client.close()


async def test_c109_the_application_hears_nothing_of_stun(asked: tuple[socket.socket, Client]) -> None:
    sock, client = asked
    application = Recorder(echo=True)
    async with serving(application, sock) as server:
        client.sock.send(message(kind=0x0011))
        client.sock.send(message())
        assert await client.hear() == binding_answer(message(), client.address)
        client.sock.send(b"REGISTER")
        assert await client.hear() == b"REGISTER"
    assert [data for data, _ in application.datagrams] == [b"REGISTER"]
    assert (server.counters.stun_answers, server.counters.received, server.counters.sent) == (1, 1, 1)


async def test_c109_stun_is_answered_while_the_application_is_busy(
    asked: tuple[socket.socket, Client],
) -> None:
    sock, client = asked
    application = Recorder()
    async with serving(application, sock):
        application.gate.clear()
        client.sock.send(b"REGISTER")
        await until(lambda: bool(application.batches))
        client.sock.send(message())
        assert await client.hear() == binding_answer(message(), client.address)
        application.gate.set()
