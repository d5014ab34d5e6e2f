"""Whether a socket is read: the event loop is told once that it is, and once that it is not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable


class Readiness:
    """Between resume() and pause(), `read` is called whenever there is something to read or accept."""

    def __init__(self, sock: socket.socket, read: Callable[[], None]) -> None:
        self._sock = sock
        self._read = read
        self._is_watched = False

    def resume(self) -> None:
        if not self._is_watched:
            self._is_watched = True
            asyncio.get_running_loop().add_reader(self._sock, self._read)

    def pause(self) -> None:
        if self._is_watched:
            self._is_watched = False
            asyncio.get_running_loop().remove_reader(self._sock)

    def rest(self, seconds: float) -> None:
        """As if there were nothing to read, for a while; pause() and resume() hold all the same."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sock)
        loop.call_later(seconds, self._after_rest)

    def _after_rest(self) -> None:
        if self._is_watched:
            asyncio.get_running_loop().add_reader(self._sock, self._read)
