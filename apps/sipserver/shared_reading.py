"""One event loop among several that wait for the same socket: each datagram wakes one of them, not all.

Must not be used for sockets that are written to by way of the loop: the kernel lets such a registration never change.
"""

from __future__ import annotations

import asyncio
import select
import selectors
import socket
from typing import Final

_EXCLUSIVE: Final[int | None] = getattr(select, "EPOLLEXCLUSIVE", None)


def event_loop(shared: socket.socket) -> asyncio.AbstractEventLoop:
    """Where the kernel knows no such thing, an ordinary one."""
    return asyncio.new_event_loop() if _EXCLUSIVE is None else asyncio.SelectorEventLoop(_Selector(shared))


if _EXCLUSIVE is not None:

    class _Selector(selectors.EpollSelector):
        def __init__(self, shared: socket.socket) -> None:
            super().__init__()
            self._shared_fd = shared.fileno()

        def register(self, fileobj, events, data=None):
            key = super().register(fileobj, events, data)
            if key.fd == self._shared_fd:
                self._selector.unregister(key.fd)
                self._selector.register(key.fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            return key
