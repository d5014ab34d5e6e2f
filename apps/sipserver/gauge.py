"""How long datagrams wait in the kernel, and how full its buffer is: asked when many came at once.

Linux tells both; elsewhere the load always reads as none. Must not be asked for every datagram: it costs two calls.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Final

from .events import Load

MANY: Final = 16
"""Datagrams read at once. Behind fewer, nobody waits."""

# linux/sockios.h and asm-generic/socket.h; Python does not name them.
_SIOCGSTAMP: Final = 0x8906
_SO_MEMINFO: Final = 55
_TIMEVAL: Final = struct.Struct("ll")
_MEMINFO: Final = struct.Struct("9I")


class Gauge:
    """Keeps `load` up to date. `clock` is the wall clock, as the kernel stamps by it."""

    def __init__(self, sock: socket.socket, load: Load, clock: Callable[[], float] = time.time) -> None:
        self._sock = sock
        self._load = load
        self._clock = clock
        self._tells = sys.platform == "linux"
        self._look()  # the kernel stamps what comes after it was asked for the first time
        self._ease()

    def read(self, count: int, room: int) -> None:
        """After `count` datagrams were read where there was room for so many."""
        if count >= min(MANY, room) and count:
            self._look()
        elif self._load.waited_s or self._load.filled:
            self._ease()

    def _ease(self) -> None:
        self._load.waited_s = self._load.filled = 0.0

    def _look(self) -> None:
        if not self._tells:
            return
        load = self._load
        try:
            used, size, *_, dropped = _MEMINFO.unpack(
                self._sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            )
            load.filled, load.dropped = used / max(size, 1), dropped
            seconds, micros = _TIMEVAL.unpack(fcntl.ioctl(self._sock, _SIOCGSTAMP, bytes(_TIMEVAL.size)))
        except (OSError, struct.error):
            return  # nothing was received yet, or it is no Linux of ours
        # Of the last one read; a clock that was set back is no wait.
        load.waited_s = max(0.0, self._clock() - seconds - micros / 1e6)
