"""One worker process: the inherited socket, the application, and the two ways to be told to stop.

SIGTERM (or SIGINT) and the end of the parent mean the same: an orderly stop. No worker may outlive its
parent holding the socket, so the watch on the parent is a thread, which a stuck event loop cannot stop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time

from .events import Application
from .server import SipServer

logger = logging.getLogger(__name__)

ORPHAN_LIVES_S = 4.0
"""Seconds between the parent's death and the hard end of a worker that did not stop in order."""
NOT_CLEAN = 1


def run_worker(application: Application, sock: socket.socket, alive_fd: int | None = None) -> int:
    """Serve until told to stop; the process' exit code: 0, or 1 when the application did not end in order.

    `alive_fd` is the read end of a pipe whose write end only the parent holds: end of file is its death.
    """
    with sock:
        return asyncio.run(_serve(application, sock, alive_fd))


async def _serve(application: Application, sock: socket.socket, alive_fd: int | None) -> int:
    server = SipServer(application, sock)
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, server.stop)
    if alive_fd is not None:
        threading.Thread(target=_watch_parent, args=(alive_fd, loop, server), daemon=True).start()
    await server.arun()
    logger.info("SIP worker %d stopped: %s", os.getpid(), server.counters)
    return 0 if server.stopped_cleanly else NOT_CLEAN


def _watch_parent(alive_fd: int, loop: asyncio.AbstractEventLoop, server: SipServer) -> None:
    while os.read(alive_fd, 1):
        pass
    try:
        loop.call_soon_threadsafe(server.stop)
    except RuntimeError:
        return  # the loop is closed: the worker is on its way out already
    time.sleep(ORPHAN_LIVES_S)
    os._exit(NOT_CLEAN)
