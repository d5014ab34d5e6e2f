"""STUN's Binding (RFC 8489): how phones keep their way through a NAT open over UDP (RFC 5626 §3.5.2, §8). Pure.

Must not answer anything but a plain Binding request, nor say much more than was said: the source may be forged.
"""

from __future__ import annotations

from ipaddress import ip_address
from struct import Struct
from typing import Final

from .events import Address

HEADER_BYTES: Final = 20
LONGEST_REQUEST: Final = 548
"""What fits any IPv4 path (RFC 8489 §6.1); a keep-alive has some twenty octets."""

_COOKIE: Final = b"\x21\x12\xa4\x42"
_HEADER: Final = Struct(">HH16s")
_ATTRIBUTE: Final = Struct(">HH")

_BINDING_REQUEST: Final = 0x0001
_BINDING_SUCCESS: Final = 0x0101
_BINDING_ERROR: Final = 0x0111

_ERROR_CODE: Final = 0x0009
_UNKNOWN_ATTRIBUTES: Final = 0x000A
_XOR_MAPPED_ADDRESS: Final = 0x0020
_FIRST_OPTIONAL: Final = 0x8000
# Every one of RFC 8489 §18.3: known and not expected, they are to be ignored.
_UNDERSTOOD: Final = frozenset({0x0001, 0x0006, _ERROR_CODE, _UNKNOWN_ATTRIBUTES, _XOR_MAPPED_ADDRESS}) | {
    0x0008,  # MESSAGE-INTEGRITY and what belongs to it
    0x0014,
    0x0015,
    0x001C,
    0x001D,
    0x001E,
}
# 420 without a phrase, which only people read: an answer stays small.
_UNKNOWN_ATTRIBUTE: Final = b"\0\0\x04\x14"

_IPV4, _IPV6 = 1, 2


def is_stun(data: bytes) -> bool:
    """Whether it is Binding traffic of STUN, good or not; nothing of SIP begins so (RFC 5626 §8)."""
    return len(data) >= HEADER_BYTES and data[0] < 2 and data[4:8] == _COOKIE


def binding_answer(data: bytes, source: Address) -> bytes | None:
    """What to send to `source`, at most 24 octets more than came; None for anything but a Binding request."""
    if not is_stun(data) or len(data) > LONGEST_REQUEST:
        return None
    kind, length, identity = _HEADER.unpack_from(data)
    if kind != _BINDING_REQUEST or length != len(data) - HEADER_BYTES:
        return None
    attributes = _attribute_types(data)
    if attributes is None:
        return None
    unknown = [one for one in attributes if one < _FIRST_OPTIONAL and one not in _UNDERSTOOD]
    if unknown:
        types = b"".join(one.to_bytes(2, "big") for one in unknown)
        error = _attribute(_ERROR_CODE, _UNKNOWN_ATTRIBUTE) + _attribute(_UNKNOWN_ATTRIBUTES, types)
        return _HEADER.pack(_BINDING_ERROR, len(error), identity) + error
    mapped = _attribute(_XOR_MAPPED_ADDRESS, _xor_address(source, identity))
    return _HEADER.pack(_BINDING_SUCCESS, len(mapped), identity) + mapped


def _attribute_types(data: bytes) -> list[int] | None:
    """None if the attributes do not fill the message exactly."""
    types, offset = [], HEADER_BYTES
    while offset + _ATTRIBUTE.size <= len(data):
        kind, length = _ATTRIBUTE.unpack_from(data, offset)
        types.append(kind)
        offset += _ATTRIBUTE.size + _padded(length)
    return types if offset == len(data) else None


def _xor_address(address: Address, identity: bytes) -> bytes:
    """RFC 8489 §14.2; `identity` is the cookie with the transaction's number."""
    host, port = address
    packed = ip_address(host.partition("%")[0]).packed
    family = _IPV4 if len(packed) == 4 else _IPV6
    return bytes((0, family)) + _xor(port.to_bytes(2, "big"), identity) + _xor(packed, identity)


def _xor(data: bytes, identity: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(data, identity, strict=False))


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value.ljust(_padded(len(value)), b"\0")


def _padded(length: int) -> int:
    return (length + 3) & ~3
