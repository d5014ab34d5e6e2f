"""The capture file, read back byte by byte as RFC 791, 768 and 8200 and libpcap have it."""

import ipaddress
import struct
from dataclasses import replace

import pytest

from apps.registrar.trace.pcap import checksum, pcap
from tests.registrar.trace.messages import AT, CHALLENGE, REGISTER, message

MAPPED = str(ipaddress.ip_address("::ffff:203.0.113.7"))
IPV6 = {"source": "[2001:db8::7]:5062", "destination": "[2001:db8::1]:5060"}


def packets(file: bytes) -> list[tuple[float, bytes]]:
    assert struct.unpack("<IHHiIII", file[:24]) == (0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101)
    found, at = [], 24
    while at < len(file):
        seconds, micros, kept, length = struct.unpack("<IIII", file[at : at + 16])
        assert kept == length
        found.append((seconds + micros / 1e6, file[at + 16 : at + 16 + length]))
        at += 16 + length
    assert at == len(file)
    return found


def opened(packet: bytes) -> tuple[str, int, str, int, bytes]:
    """(source, port, destination, port, payload) of a UDP packet whose checksums are right."""
    if packet[0] >> 4 == 4:
        header, width = packet[:20], 4
        assert struct.unpack("!H", header[2:4])[0] == len(packet)
        assert (header[9], checksum(header)) == (17, 0)
        source, destination = header[12:16], header[16:20]
    else:
        header, width = packet[:40], 16
        assert (header[6], struct.unpack("!H", header[4:6])[0]) == (17, len(packet) - 40)
        source, destination = header[8:24], header[24:40]
    udp = packet[len(header) :]
    ports = struct.unpack("!HHH", udp[:6])
    assert ports[2] == len(udp)
    assert checksum(source + destination + struct.pack("!II", len(udp), 17) + udp) == 0
    assert len(source) == width
    return (
        str(ipaddress.ip_address(source)),
        ports[0],
        str(ipaddress.ip_address(destination)),
        ports[1],
        udp[8:],
    )


def test_each_message_is_one_packet_at_its_time_from_source_to_destination() -> None:
    found = packets(pcap([message(), message(CHALLENGE, inward=False, after_ms=12)]))
    assert [opened(packet) for _, packet in found] == [
        ("203.0.113.7", 5062, "198.51.100.1", 5060, REGISTER),
        ("198.51.100.1", 5060, "203.0.113.7", 5062, CHALLENGE),
    ]
    assert [at for at, _ in found] == [AT.timestamp(), AT.timestamp() + 0.012]


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        (IPV6, ("2001:db8::7", 5062, "2001:db8::1", 5060)),
        ({"source": "[fe80::1%3]:5062", "destination": "[::1]:5060"}, ("fe80::1", 5062, "::1", 5060)),
        ({**IPV6, "source": "203.0.113.7:5062"}, (MAPPED, 5062, "2001:db8::1", 5060)),
        ({"destination": "pbx.example.com:5060"}, ("203.0.113.7", 5062, "0.0.0.0", 5060)),
        ({"data": b"odd"}, ("203.0.113.7", 5062, "198.51.100.1", 5060)),
        ({"transport": "TLS"}, ("203.0.113.7", 5062, "198.51.100.1", 5060)),
    ],
)
def test_any_addresses_make_a_packet(changes: dict[str, object], ends: tuple[str, int, str, int]) -> None:
    ((_, packet),) = packets(pcap([replace(message(), **changes)]))  # type: ignore[arg-type]
    assert opened(packet)[:4] == ends


def test_an_empty_trace_is_a_file_too() -> None:
    assert packets(pcap([])) == []
