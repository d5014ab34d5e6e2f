"""What the parent of the workers starts: child processes that share one socket and know its life.

The parent never reads the socket itself; it keeps it open, so nothing queued is lost between two workers.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping

from .supervisor import Child

STOP_WITHIN_S = 3.25
"""Seconds until a worker that did not stop is killed: more than its application gets."""


def worker_children(
    sock: socket.socket, count: int, alive_fd: int, environ: Mapping[str, str], options: list[str]
) -> list[Child]:
    """`count` workers on `sock`, watching `alive_fd` (see run_worker), with further sipworker options."""
    command = [sys.executable, "-m", "django", "sipworker", "--fd", str(sock.fileno())]
    argv = [*command, "--alive-fd", str(alive_fd), *options]
    env = {**environ, "PYTHONPATH": _python_path()}
    return [
        Child(
            f"sipworker-{number}",
            argv,
            env,
            pass_fds=(sock.fileno(), alive_fd),
            # An orphan still answers what it has in hand; the pipe sees to it that it ends.
            parent_death_signal=signal.SIGTERM,
        )
        for number in range(1, count + 1)
    ]


def _python_path() -> str:
    # The worker finds what this process found, whatever the directory either was started from.
    return os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100 - may not exist
