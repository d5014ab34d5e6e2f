"""A private PostgreSQL in the data folder, run as a child of this process."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final
from urllib.parse import quote

DATABASE_NAME: Final = "registrar"
LONGEST_SOCKET_PATH: Final = 100
SOCKET_NAME: Final = ".s.PGSQL.5432"


def embedded_socket_dir(data_dir: Path) -> Path:
    """The folder of the server's socket: in the data folder, or a short one if that path is too long."""
    folder = data_dir / "postgres"
    if len(bytes(folder / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
        return folder
    return Path("/tmp") / f"registrar-admin-{data_dir_digest(data_dir)}"  # noqa: S108 - made 0700, its owner checked


def embedded_database_url(data_dir: Path) -> str:
    """The URL of the embedded database of a data folder, whether or not it runs."""
    folder = quote(str(embedded_socket_dir(data_dir)), safe="")
    return f"postgresql://{DATABASE_NAME}@/{DATABASE_NAME}?host={folder}"


def data_dir_digest(data_dir: Path) -> str:
    return hashlib.sha256(bytes(data_dir)).hexdigest()[:16]
