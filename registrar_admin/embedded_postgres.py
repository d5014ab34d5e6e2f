"""A private PostgreSQL in the data folder, run as a child of this process, reached by a Unix socket only.

`embedded_database_url` needs no running server, so settings can be read first. The server is not for others:
it has no TCP port, and the 0700 folder around its socket keeps other accounts out. Must not use pg_ctl: a
server that is nobody's child outlives its owner.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self
from urllib.parse import quote

import psycopg

from apps.sipserver.supervisor import Child, kill_group, spawn
from registrar_admin.postgres_home import SYSTEM_DIR, EmbeddedPostgresError, PostgresHome, find_home, give

DATABASE_NAME: Final = "registrar"
PORT: Final = 5432  # only a part of the socket's name; said explicitly, or PGPORT would decide
SOCKET_NAME: Final = f".s.PGSQL.{PORT}"
LONGEST_SOCKET_PATH: Final = 100
CRASH_RETRY_S: Final = 5.0
RECOVERY_S: Final = 120.0
STOP_S: Final = 10.0
SERVER_ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _buffers() -> str:
    """A quarter of the memory, as PostgreSQL's manual has it, and no more than 100,000 phones are read and written in.
    It is taken only as it is used."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{min(memory // 4, 512 << 20) >> 20}MB"


SERVER_SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": _buffers(),
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failing statement is logged without its text and values: they may hold a secret.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def embedded_socket_dir(data_dir: Path) -> Path:
    """The folder of the server's socket: in the data folder, or a short one if that path is too long."""
    folder = data_dir / "postgres"
    if len(bytes(folder / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
        return folder
    digest = hashlib.sha256(bytes(data_dir)).hexdigest()[:16]
    return Path("/tmp") / f"registrar-admin-{digest}"  # noqa: S108 - made 0700, its owner is checked


def embedded_database_url(data_dir: Path) -> str:
    """The URL of the embedded database of a data folder, whether or not it runs."""
    return _url(data_dir, DATABASE_NAME)


class EmbeddedPostgres:
    """The server of one data folder. `with EmbeddedPostgres(data_dir) as server: connect(server.url)`.

    A supervisor of its own calls prepare(), keeps the Child alive that comes back, and wait_until_ready().
    `settings` are added to the server's, for tests. Errors are EmbeddedPostgresError.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.url = embedded_database_url(data_dir)
        self._settings = {**SERVER_SETTINGS, **(settings or {})}
        self._home: PostgresHome | None = None
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        return self.data_dir / "log" / "postgres.log"

    def prepare(self) -> Child:
        """Lock the data folder, make the cluster if there is none, clear what a crash left. To be run."""
        try:
            self.log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = self._lock or _locked(self.data_dir)
        except PermissionError:
            raise EmbeddedPostgresError(
                f"The data folder {self.data_dir} belongs to another account: "
                "start as that account, or choose another REGISTRAR_DATA_DIR"
            ) from None
        home = self._home = find_home(self.data_dir)
        if (home.cluster / "PG_VERSION").is_file():
            _check_version(home)
        else:
            _make_cluster(home)
        if home.link is not None and not home.link.is_symlink():
            home.link.symlink_to(home.cluster)
        sockets = self._make_socket_dir(home)
        _end_leftovers(home.cluster, sockets)
        return self._as_child(home, sockets)

    def start(self) -> Self:
        """Run the server until stop(). Retries for 5 s, as long as remains of a crash may take to go away."""
        try:
            child = self.prepare()
            self._process = spawn(child)

            def turn(seconds: float) -> None:
                time.sleep(seconds)
                if not self._is_alive():
                    self._process = spawn(child)

            self.wait_until_ready(turn, self._is_alive)
        except BaseException:
            self.stop()
            raise
        return self

    def wait_until_ready(self, turn: Callable[[float], None], is_alive: Callable[[], bool]) -> None:
        """Call turn(seconds) until the server answers, then make the database. It may start it anew."""
        started = time.monotonic()
        first_death: float | None = None
        while not self.is_ready():
            now = time.monotonic()
            alive = is_alive()
            if not alive:
                first_death = first_death or now
            crashed = first_death is not None and now - first_death > CRASH_RETRY_S and not alive
            if crashed or now - started > RECOVERY_S:
                raise EmbeddedPostgresError(f"PostgreSQL did not start: {_last_words(self.log_path)}")
            turn(0.05)
        _ensure_database(self.data_dir)

    def is_ready(self) -> bool:
        if self._home is None:
            return False
        command = [str(self._home.binaries / "pg_isready"), "-q", "-p", str(PORT)]
        command += ["-h", str(embedded_socket_dir(self.data_dir)), "-d", "postgres", "-U", DATABASE_NAME]
        return subprocess.run(command, check=False).returncode == 0  # noqa: S603 - our own command

    def stop(self) -> None:
        """End the server in order (a fast shutdown) and give the data folder free."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                kill_group(self._process)
            self._process = None
        self.release()

    def release(self) -> None:
        """Give the data folder free for another process."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """Delete the cluster of a stopped server, wherever it is kept. For tests."""
        self.stop()
        link = self.data_dir / "postgres"
        if link.is_symlink():
            if link.resolve().is_relative_to(SYSTEM_DIR):
                shutil.rmtree(link.resolve().parent, ignore_errors=True)
            link.unlink()
        shutil.rmtree(link, ignore_errors=True)
        if embedded_socket_dir(self.data_dir) != link:
            shutil.rmtree(embedded_socket_dir(self.data_dir), ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _as_child(self, home: PostgresHome, sockets: Path) -> Child:
        settings = {**self._settings, "unix_socket_directories": str(sockets), "port": str(PORT)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Child(
            name="postgres",
            argv=[str(home.binaries / "postgres"), "-D", str(home.cluster), *options],
            env=SERVER_ENVIRONMENT,
            log=self.log_path,
            cwd=Path("/"),
            stop_signal=signal.SIGINT,
            parent_death_signal=signal.SIGINT,
            account=home.account,
            stops_last=True,
        )

    def _make_socket_dir(self, home: PostgresHome) -> Path:
        folder = embedded_socket_dir(self.data_dir)
        if folder.parent == self.data_dir:
            return home.cluster
        owner = home.account.uid if home.account else os.geteuid()
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            give(folder, home.account)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
            raise EmbeddedPostgresError(
                f"{folder}, needed for the database socket, is not a private folder of this account: "
                "remove it, or choose a REGISTRAR_DATA_DIR with a shorter path"
            )
        return folder


def _url(data_dir: Path, database: str) -> str:
    folder = quote(str(embedded_socket_dir(data_dir)), safe="")
    return f"postgresql://{DATABASE_NAME}@/{database}?host={folder}&port={PORT}"


def _locked(data_dir: Path) -> IO[str]:
    file = (data_dir / "lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "another process"
        file.close()
        raise EmbeddedPostgresError(
            f"The data folder {data_dir} is in use by process {owner}: stop that one, "
            "or choose another REGISTRAR_DATA_DIR"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _major_version(home: PostgresHome) -> str:
    command = [str(home.binaries / "postgres"), "--version"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    match = re.search(r"([0-9]+)(?:\.|devel|beta|rc|$)", text)
    return match[1] if match else text.strip()


def _check_version(home: PostgresHome) -> None:
    written_by = (home.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    ours = _major_version(home)
    if written_by != ours:
        raise EmbeddedPostgresError(
            f"The database in {home.cluster} was written by PostgreSQL {written_by}, this is {ours}: "
            f"dump it with version {written_by} and restore the dump, see docs/operations.md, Upgrading"
        )


def _make_cluster(home: PostgresHome) -> None:
    """A complete cluster or none: it gets its name only when initdb has finished."""
    if home.cluster.is_dir() and any(home.cluster.iterdir()):
        raise EmbeddedPostgresError(f"{home.cluster} is no PostgreSQL cluster: move it away and start again")
    home.cluster.parent.mkdir(parents=True, exist_ok=True)
    unfinished = home.cluster.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    give(unfinished, home.account)
    unicode_rules = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command = [str(home.binaries / "initdb"), "-D", str(unfinished), "-U", DATABASE_NAME, "-A", "trust"]
    command += ["-E", "UTF8", "--no-locale", "--no-instructions"]
    command += unicode_rules if int(_major_version(home)) >= 17 else []
    with tempfile.TemporaryFile() as output:
        child = Child("initdb", command, env=SERVER_ENVIRONMENT, cwd=Path("/"), account=home.account)
        process = spawn(child, output)
        if process.wait() != 0:
            output.seek(0)
            words = " ".join(output.read().decode(errors="replace").split())
            raise EmbeddedPostgresError(f"PostgreSQL made no cluster: {words[-300:]}")
    if home.cluster.is_dir():
        home.cluster.rmdir()
    unfinished.rename(home.cluster)


def _ensure_database(data_dir: Path) -> None:
    with psycopg.connect(_url(data_dir, "postgres"), autocommit=True) as connection:
        known = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE_NAME,)
        ).fetchone()
        if known is None:
            connection.execute(f'CREATE DATABASE "{DATABASE_NAME}"')


def _end_leftovers(cluster: Path, sockets: Path) -> None:
    """Stop a server whose owner was killed, and remove its pid file once none of its processes is left.

    We hold the lock of the data folder, so it is nobody's. The file stays while a process works in the
    cluster: it is what keeps two servers from writing the same files.
    """
    pid_file = cluster / "postmaster.pid"
    deadline = time.monotonic() + CRASH_RETRY_S
    asked = False
    while pid_file.exists() and (pids := _processes_in(cluster)) and time.monotonic() < deadline:
        postmaster = int(pid_file.read_text(encoding="ascii", errors="replace").split("\n")[0] or "0")
        if not asked and postmaster in pids:
            os.kill(postmaster, signal.SIGINT)
            asked = True
        time.sleep(0.05)
    if Path("/proc/self/cwd").exists() and not _processes_in(cluster):
        for leftover in (pid_file, sockets / f"{SOCKET_NAME}.lock"):
            leftover.unlink(missing_ok=True)


def _processes_in(folder: Path) -> set[int]:
    """The processes whose working folder this is, which a server's are. A zombie has none. Linux only."""
    found, real = set(), folder.resolve()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == real:
                found.add(int(entry.name))
    return found


def _last_words(log_path: Path) -> str:
    try:
        lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-50:]
    except OSError:
        lines = []
    fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
    return f"{(fatal or lines or ['no reason given'])[-1]} (all of it in {log_path})"
