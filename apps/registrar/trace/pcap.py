"""A trace as a capture file that Wireshark, sngrep and tcpdump open (libpcap format, LINKTYPE_RAW). Pure.

Every message is one UDP packet with right lengths and checksums, also one that went over a connection: the file says
who told whom what, not how it was carried.
"""

import datetime as dt
import ipaddress
import struct
from collections.abc import Iterable
from typing import Final

from apps.registrar.trace.messages import Message

CONTENT_TYPE: Final = "application/vnd.tcpdump.pcap"
LINKTYPE_RAW: Final = 101
_SNAPSHOT_BYTES: Final = 65_535
_UDP: Final = 17
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def pcap(messages: Iterable[Message]) -> bytes:
    """The whole file, times in microseconds."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, _SNAPSHOT_BYTES, LINKTYPE_RAW)
    return head + b"".join(_record(message) for message in messages)


def checksum(data: bytes) -> int:
    """RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _record(message: Message) -> bytes:
    packet = _packet(message)
    since = message.at - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    return struct.pack("<IIII", seconds, since.microseconds, len(packet), len(packet)) + packet


def _packet(message: Message) -> bytes:
    source, source_port = _address(message.source)
    destination, destination_port = _address(message.destination)
    if source.version != destination.version:
        source, destination = _as_ipv6(source), _as_ipv6(destination)
    udp_bytes = 8 + len(message.data)
    ports = struct.pack("!HHH", source_port, destination_port, udp_bytes)
    pseudo = source.packed + destination.packed + struct.pack("!II", udp_bytes, _UDP)
    # Zero would say that there is none (RFC 768).
    proof = checksum(pseudo + ports + b"\0\0" + message.data) or 0xFFFF
    udp = ports + struct.pack("!H", proof) + message.data
    return _ip_header(source, destination, udp_bytes) + udp


def _ip_header(source: IPAddress, destination: IPAddress, udp_bytes: int) -> bytes:
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, udp_bytes, _UDP, 64) + source.packed + destination.packed
    addresses = source.packed + destination.packed
    before = struct.pack("!BBHHHBB", 0x45, 0, 20 + udp_bytes, 0, 0, 64, _UDP)
    return before + struct.pack("!H", checksum(before + b"\0\0" + addresses)) + addresses


def _address(text: str) -> tuple[IPAddress, int]:
    """An address that is none (there is no host behind a WebSocket's server) becomes the unspecified one."""
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        address = ipaddress.IPv4Address(0)
    return address, int(port)


def _as_ipv6(address: IPAddress) -> IPAddress:
    if isinstance(address, ipaddress.IPv6Address):
        return address
    return ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
