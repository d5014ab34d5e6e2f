"""One worker process: the inherited sockets, the application, and the two ways to be told to stop.

SIGTERM (or SIGINT) and the end of the parent mean the same: an orderly stop. No worker may outlive its
parent holding the sockets, so the watch on the parent is a thread, which a stuck event loop cannot stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import resource
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .calls import CallServer
from .events import Application
from .flows import MOST_CONNECTIONS
from .server import SipServer
from .tls import Certificate, CertificateError, renew, server_context

logger = logging.getLogger(__name__)

ORPHAN_LIVES_S = 4.0
"""Seconds between the parent's death and the hard end of a worker that did not stop in order."""
NOT_CLEAN = 1
FILES_WANTED = MOST_CONNECTIONS + 256
"""File descriptors; with fewer, accepting waits while there are none."""


def run_worker(
    application: Application,
    sock: socket.socket,
    alive_fd: int | None = None,
    *,
    tcp: socket.socket | None = None,
    tls: tuple[socket.socket, Certificate] | None = None,
    calls: Path | None = None,
) -> int:
    """Serve until told to stop; the process' exit code: 0, or 1 when the application did not end in order.

    `calls` is the socket of the call process, None where there is none.
    `alive_fd` is the read end of a pipe whose write end only the parent holds: end of file is its death.
    SIGHUP reads the certificate again, for the connections that come then. Raises CertificateError.
    """
    listening: dict[socket.socket, ssl.SSLContext | None] = {} if tcp is None else {tcp: None}
    if tls is not None:
        listening[tls[0]] = server_context(tls[1])
    with contextlib.ExitStack() as stack:
        for each in (sock, *listening):
            stack.enter_context(each)
        _allow_many_connections()
        return asyncio.run(
            _serve(
                lambda: SipServer(application, sock, listening, calls=calls),
                alive_fd,
                lambda: _renew(listening, tls and tls[1]),
            )
        )


def run_call_process(
    application: Application, sock: socket.socket, listening: socket.socket, alive_fd: int | None = None
) -> int:
    """As run_worker, for the process that workers hand calls to: they connect to `listening`, a Unix socket, and UDP
    leaves by `sock`. Of several on that socket one serves; the others wait, all loaded, until it is gone."""
    with sock, listening, Path(f"{listening.getsockname()}.lock").open("ab") as turn:
        _wait_for_turn(turn.fileno(), alive_fd)
        return asyncio.run(_serve(lambda: CallServer(application, sock, listening), alive_fd, lambda: None))


def _wait_for_turn(lock_fd: int, alive_fd: int | None) -> None:
    """The system gives the lock back however its holder ends. SIGTERM, and the end of the parent, end the wait and this
    process."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    waiting = True

    def watch(fd: int) -> None:
        while os.read(fd, 1):
            pass
        if waiting:
            os._exit(0)

    if alive_fd is not None:
        threading.Thread(target=watch, args=(alive_fd,), daemon=True).start()
    fcntl.flock(lock_fd, fcntl.LOCK_EX)
    waiting = False


async def _serve(
    make_server: Callable[[], SipServer], alive_fd: int | None, renew_certificate: Callable[[], None]
) -> int:
    server = make_server()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, renew_certificate)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # held back by the parent until now
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, server.stop)
    if alive_fd is not None:
        threading.Thread(target=_watch_parent, args=(alive_fd, loop, server), daemon=True).start()
    await server.arun()
    logger.info("SIP process %d stopped: %s", os.getpid(), server.counters)
    return 0 if server.stopped_cleanly else NOT_CLEAN


def _renew(listening: dict[socket.socket, ssl.SSLContext | None], certificate: Certificate | None) -> None:
    for context in listening.values():
        if context is not None and certificate is not None:
            try:
                renew(context, certificate)
                logger.info("TLS certificate read again")
            except CertificateError as error:
                logger.error("the old TLS certificate stays: %s", error)  # noqa: TRY400 - says it all


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _watch_parent(alive_fd: int, loop: asyncio.AbstractEventLoop, server: SipServer) -> None:
    while os.read(alive_fd, 1):
        pass
    try:
        loop.call_soon_threadsafe(server.stop)
    except RuntimeError:
        return  # the loop is closed: the worker is on its way out already
    time.sleep(ORPHAN_LIVES_S)
    os._exit(NOT_CLEAN)
