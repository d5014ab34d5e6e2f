"""The Unix socket by which workers find the call process of their host: its place, and opening it.

Whoever can connect may speak for any phone: the folder around it keeps other accounts out.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
from pathlib import Path
from typing import Final

from .addresses import format_address
from .events import Address

LONGEST_PATH: Final = 99
"""Bytes; macOS takes 103, Linux 107."""
BACKLOG: Final = 128


def calls_socket_path(folder: Path, bind: Address) -> Path:
    """Where the call process of the SIP server bound to this address listens; below /tmp if the folder's path is too
    long for a socket."""
    path = folder / f"{format_address(bind)}.sock"
    if len(bytes(path)) <= LONGEST_PATH:
        return path
    digest = hashlib.sha256(bytes(path)).hexdigest()[:16]
    return Path(f"/tmp/registrar-admin-calls-{os.geteuid()}") / f"{digest}.sock"  # noqa: S108 - checked when opened


def open_unix_socket(path: Path) -> socket.socket:
    """Listening and non-blocking, in a folder that is ours alone; what a dead process left there is taken away.

    Raises OSError; PermissionError where others may get into the folder.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(
            f"{path.parent} must be a folder of this account's, closed to others (chmod 700)"
        )
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
