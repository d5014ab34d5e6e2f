import socket

import pytest

from apps.sipserver.sockets import inherited_udp_socket, open_udp_socket


def test_a_taken_port_is_an_error_and_not_shared() -> None:
    with open_udp_socket("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
        open_udp_socket(*first.getsockname())


def test_the_socket_does_not_block_and_has_a_large_buffer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain, open_udp_socket("127.0.0.1", 0) as sock:
        option = (socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert not sock.getblocking()
        assert sock.getsockopt(*option) >= plain.getsockopt(*option)


def test_a_worker_takes_over_the_socket_by_its_number() -> None:
    with open_udp_socket("127.0.0.1", 0) as sock:
        address = sock.getsockname()
        with inherited_udp_socket(sock.detach()) as taken_over:
            assert taken_over.getsockname() == address
            assert taken_over.gettimeout() == 0.0


def test_a_number_that_is_not_a_udp_socket_is_refused() -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with pytest.raises(ValueError, match="not a UDP socket"):
        inherited_udp_socket(sock.detach())
