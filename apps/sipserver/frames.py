"""What workers and the call process say to each other over a stream: frames of a kind, a length and a payload. Pure.

Both ends are of one release, for one parent starts both; what cannot be read is an error, never guessed at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, get_args

from .events import Address, Datagram, Origin, Transport


class FrameKind(IntEnum):
    """HELLO: the first from either side, with the sender's name. DATAGRAM: a message with where it came from or goes
    to. CLOSED: the names of connections that are gone."""

    HELLO = 1
    DATAGRAM = 2
    CLOSED = 3


class FrameError(ValueError):
    """The other end does not speak as this one."""


_HEAD: Final = struct.Struct(">BI")
# Transport, port, and the lengths of host, flow and local address.
_PLACE: Final = struct.Struct(">BHBHB")
_KINDS: Final = frozenset(FrameKind)
_LONGEST: Final = 1_000_000
_TRANSPORTS: Final[tuple[Transport, ...]] = get_args(Transport)
_NUMBERS: Final = {transport: number for number, transport in enumerate(_TRANSPORTS)}


def hello(name: str) -> bytes:
    return _frame(FrameKind.HELLO, name.encode())


def closed(flows: Iterable[str]) -> bytes:
    return _frame(FrameKind.CLOSED, "\n".join(flows).encode())


def datagram(data: bytes, place: Address | Origin) -> bytes:
    origin = place if isinstance(place, Origin) else Origin(*place)
    host, flow, local = origin.host.encode(), (origin.flow or "").encode(), origin.local or b""
    head = _PLACE.pack(_NUMBERS[origin.transport], origin.port, len(host), len(flow), len(local))
    return _frame(FrameKind.DATAGRAM, b"".join((head, host, flow, local, data)))


def read_flows(payload: bytes) -> list[str]:
    return payload.decode().split("\n") if payload else []


def read_datagram(payload: bytes) -> Datagram:
    """As it was before datagram(). Raises FrameError."""
    try:
        number, port, host_length, flow_length, local_length = _PLACE.unpack_from(payload)
        flow_at = _PLACE.size + host_length
        local_at = flow_at + flow_length
        data_at = local_at + local_length
        host, flow = payload[_PLACE.size : flow_at].decode(), payload[flow_at:local_at].decode()
        transport = _TRANSPORTS[number]
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise FrameError("no such datagram") from error
    local, data = payload[local_at:data_at], payload[data_at:]
    if transport == "UDP" and not flow and not local:
        return data, (host, port)
    return data, Origin(host, port, transport, flow or None, local or None)


class Unframer:
    """One stream. However its bytes are cut into chunks, the same frames come out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[FrameKind, bytes]]:
        """The frames that these bytes complete, in order. Raises FrameError."""
        self._buffer += data
        at, frames = 0, []
        while len(self._buffer) - at >= _HEAD.size:
            number, length = _HEAD.unpack_from(self._buffer, at)
            end = at + _HEAD.size + length
            if length > _LONGEST or number not in _KINDS:
                raise FrameError("no such frame")
            if len(self._buffer) < end:
                break
            frames.append((FrameKind(number), bytes(self._buffer[at + _HEAD.size : end])))
            at = end
        del self._buffer[:at]
        return frames


def _frame(kind: FrameKind, payload: bytes) -> bytes:
    return _HEAD.pack(kind, len(payload)) + payload
