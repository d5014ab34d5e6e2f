import socket

import pytest

from apps.sipserver.addresses import (
    AddressError,
    format_address,
    from_socket_address,
    parse_address,
    to_socket_address,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:5060", ("0.0.0.0", 5060)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::]:5060", ("::", 5060)),
        ("[2001:DB8::1]:65535", ("2001:db8::1", 65535)),
        ("localhost:5060", ("127.0.0.1", 5060)),
    ],
)
def test_host_and_port_are_read(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["0.0.0.0:5060", "[::]:5060", "[2001:db8::1]:1"])
def test_a_formatted_address_is_what_was_read(text: str) -> None:
    assert format_address(parse_address(text)) == text


@pytest.mark.parametrize(
    "text", ["", "5060", "127.0.0.1", ":5060", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:٥"]
)
def test_what_is_not_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match=r"HOST:PORT|numeric"):
        parse_address(text)


@pytest.mark.parametrize("text", ["pbx.example:5060", "::1:5060", "[127.0.0.1]:5060", "[::1:5060", "[]:1"])
def test_names_and_wrong_brackets_are_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_address(text)


def test_a_mapped_source_is_plain_ipv4() -> None:
    assert from_socket_address(socket.AF_INET6, ("::ffff:192.0.2.7", 5060, 0, 0)) == ("192.0.2.7", 5060)


def test_an_ipv6_source_keeps_its_zone_only_when_link_local() -> None:
    assert from_socket_address(socket.AF_INET6, ("2001:db8::7", 5060, 0, 0)) == ("2001:db8::7", 5060)
    assert from_socket_address(socket.AF_INET6, ("fe80::7", 5060, 0, 3)) == ("fe80::7%3", 5060)


@pytest.mark.parametrize(
    ("address", "raw"),
    [
        (("192.0.2.7", 5060), ("::ffff:192.0.2.7", 5060, 0, 0)),
        (("2001:db8::7", 5060), ("2001:db8::7", 5060, 0, 0)),
        (("fe80::7%3", 5060), ("fe80::7", 5060, 0, 3)),
    ],
)
def test_every_source_of_a_dual_stack_socket_can_be_answered(
    address: tuple[str, int], raw: tuple[str, int, int, int]
) -> None:
    assert to_socket_address(socket.AF_INET6, address) == raw
    assert from_socket_address(socket.AF_INET6, raw) == address


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("host", ["pbx.example", "", "1.2.3", "fe80::1%eth0", "127.0.0.1\0"])
def test_a_destination_that_would_need_a_name_server_is_refused(family: int, host: str) -> None:
    with pytest.raises((OSError, ValueError)):
        to_socket_address(family, (host, 5060))
