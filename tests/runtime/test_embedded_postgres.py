"""The embedded PostgreSQL, really run: as this account, as an ordinary user, after kill -9, in awkward folders."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from registrar_admin.config import PROJECT_DIR
from registrar_admin.embedded_postgres import (
    LONGEST_SOCKET_PATH,
    SOCKET_NAME,
    EmbeddedPostgres,
    embedded_database_url,
    embedded_socket_dir,
)
from registrar_admin.postgres_home import EmbeddedPostgresError
from tests.patience import wait_until
from tests.postgres import FAST, product_data_dir

DEBIAN_PYTHON = Path("/usr/bin/python3")
OWNER = """
import json, sys
from pathlib import Path
import psycopg
from registrar_admin.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1])).start()
with psycopg.connect(server.url) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
    connection.execute("INSERT INTO kept VALUES (1)")
    rows = connection.execute("SELECT count(*) FROM kept").fetchone()[0]
print(json.dumps({"rows": rows, "postmaster": server._process.pid}), flush=True)
if sys.stdin.readline() == "stop\\n":
    server.stop()
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with product_data_dir() as folder:
        yield folder


def rows_of(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_it_starts_stops_and_keeps_its_data(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, FAST) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS number")

    with EmbeddedPostgres(data_dir, FAST) as server:
        assert rows_of(server.url, "SELECT number FROM kept") == [(42,)]

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url)


def test_it_is_durable_speaks_unicode_and_listens_on_no_port(data_dir: Path) -> None:
    settings = ["fsync", "synchronous_commit", "server_encoding", "listen_addresses", "max_connections"]
    with EmbeddedPostgres(data_dir) as server:
        found = rows_of(server.url, "SELECT " + ", ".join(f"current_setting('{name}')" for name in settings))
        upper = rows_of(server.url, "SELECT upper('zoë')")

    assert found == [("on", "on", "UTF8", "", "100")]
    assert upper == [("ZOË",)]


def test_its_buffers_are_no_larger_than_a_quarter_of_the_memory(data_dir: Path) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    query = "SELECT setting::bigint * 8192 FROM pg_settings WHERE name = 'shared_buffers'"
    with EmbeddedPostgres(data_dir) as server:
        ((found,),) = rows_of(server.url, query)

    assert isinstance(found, int)
    assert 0 < found <= min(memory // 4, 512 * 1024 * 1024)


def test_nobody_else_may_enter_the_folder_of_the_cluster(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, FAST):
        cluster = (data_dir / "postgres").stat()

    assert cluster.st_mode & 0o077 == 0
    assert cluster.st_uid != 0


def test_a_second_start_in_the_same_folder_is_refused(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, FAST) as server:
        with pytest.raises(EmbeddedPostgresError, match=f"in use by process {os.getpid()}"):
            EmbeddedPostgres(data_dir, FAST).start()

        assert rows_of(server.url, "SELECT 1") == [(1,)]


def test_a_cluster_of_another_version_is_refused_with_what_to_do(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, FAST):
        pass
    (data_dir / "postgres" / "PG_VERSION").write_text("12\n")

    with pytest.raises(EmbeddedPostgresError, match=r"written by PostgreSQL 12.*dump"):
        EmbeddedPostgres(data_dir, FAST).start()


def test_a_folder_that_is_no_cluster_is_refused_and_kept(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir()
    (data_dir / "postgres" / "thesis.txt").write_text("years of work")

    with pytest.raises(EmbeddedPostgresError, match="no PostgreSQL cluster"):
        EmbeddedPostgres(data_dir, FAST).start()

    assert (data_dir / "postgres" / "thesis.txt").exists()


def test_an_initdb_that_was_cut_off_is_begun_anew(data_dir: Path) -> None:
    (data_dir / "postgres.unfinished").mkdir()
    (data_dir / "postgres.unfinished" / "PG_VERSION").write_text("18\n")

    with EmbeddedPostgres(data_dir, FAST) as server:
        assert rows_of(server.url, "SELECT 1") == [(1,)]


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(data_dir: Path) -> None:
    deep = data_dir / ("long-name-" * 9) / "data folder"
    deep.mkdir(parents=True)
    sockets = embedded_socket_dir(deep)
    try:
        with EmbeddedPostgres(deep, FAST) as server:
            assert rows_of(server.url, "SELECT 1") == [(1,)]
            assert sockets.stat().st_mode & 0o077 == 0
    finally:
        EmbeddedPostgres(deep).remove()

    assert len(bytes(sockets / SOCKET_NAME)) <= LONGEST_SOCKET_PATH
    assert not sockets.exists()


def test_a_socket_folder_that_somebody_else_can_enter_is_refused(data_dir: Path) -> None:
    deep = data_dir / ("long-name-" * 9)
    deep.mkdir()
    sockets = embedded_socket_dir(deep)
    sockets.mkdir()
    sockets.chmod(0o777)
    try:
        with pytest.raises(EmbeddedPostgresError, match="not a private folder"):
            EmbeddedPostgres(deep, FAST).start()
    finally:
        EmbeddedPostgres(deep).remove()


def test_the_url_is_known_before_anything_runs_and_survives_odd_paths() -> None:
    url = embedded_database_url(Path("/srv/a b/%/ü"))

    assert psycopg.conninfo.conninfo_to_dict(url)["host"] == "/srv/a b/%/ü/postgres"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends PostgreSQL another account")
def test_root_keeps_the_cluster_elsewhere_if_its_account_cannot_reach_the_data_folder() -> None:
    private = Path(tempfile.mkdtemp())
    data_dir = private / "var"
    data_dir.mkdir()
    server = EmbeddedPostgres(data_dir, FAST)
    try:
        with server:
            assert rows_of(server.url, "SELECT 1") == [(1,)]
            link = data_dir / "postgres"
            assert link.is_symlink()
            assert link.resolve().is_relative_to("/var/lib/registrar-admin")
        with server:
            assert rows_of(server.url, "SELECT 1") == [(1,)]
        assert private.stat().st_mode & 0o777 == 0o700
    finally:
        server.remove()
        shutil.rmtree(private)


def test_a_link_to_a_cluster_that_is_gone_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres").symlink_to(data_dir / "gone")

    with pytest.raises(EmbeddedPostgresError, match="which is gone"):
        EmbeddedPostgres(data_dir, FAST).start()


def run_owner(data_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_DIR,
    )


@pytest.mark.parametrize("victims", ["owner", "owner and server"])
def test_what_was_committed_survives_kill_9(data_dir: Path, victims: str) -> None:
    for round_number in (1, 2, 3):
        with run_owner(data_dir) as owner:
            assert owner.stdout is not None
            told = json.loads(owner.stdout.readline())
            if victims == "owner and server":
                os.kill(told["postmaster"], signal.SIGKILL)
            owner.kill()

        assert told["rows"] == round_number


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_the_server_ends_when_its_owner_is_killed(data_dir: Path) -> None:
    with run_owner(data_dir) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        owner.kill()

    wait_until(lambda: not (data_dir / "postgres" / "postmaster.pid").exists(), "the end of the server")


def debian_python_serves() -> bool:
    """Whether an account without rights could run our code: this interpreter may lie in root's private home."""
    if os.geteuid() != 0 or not DEBIAN_PYTHON.exists():
        return False
    script = "import sys; print(*sys.version_info[:2])"
    found = subprocess.run([DEBIAN_PYTHON, "-c", script], capture_output=True, text=True, check=True).stdout
    return found.split() == [str(part) for part in sys.version_info[:2]]


@pytest.mark.skipif(not debian_python_serves(), reason="needs root to become nobody, and a Python for all")
def test_an_ordinary_user_runs_it_too_and_root_then_keeps_the_owner(data_dir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    code = data_dir / "code"
    skipped = shutil.ignore_patterns("__pycache__")
    packages = Path(sysconfig.get_path("purelib"))
    for source in (PROJECT_DIR / "registrar_admin", PROJECT_DIR / "apps"):
        shutil.copytree(source, code / source.name, ignore=skipped)
    for source in [
        *packages.glob("psycopg*"),
        *packages.glob("pixeltable*"),
        packages / "typing_extensions.py",
    ]:
        if source.is_dir():
            shutil.copytree(source, code / source.name, ignore=skipped, symlinks=True)
        else:
            shutil.copy(source, code)
    home = data_dir / "home"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    done = subprocess.run(
        [DEBIAN_PYTHON, "-c", OWNER, str(home)],
        input="stop\n",
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env={"PYTHONPATH": str(code), "HOME": str(home), "PATH": os.defpath},
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
    )
    assert json.loads(done.stdout)["rows"] == 1

    with EmbeddedPostgres(home, FAST) as server:
        assert rows_of(server.url, "SELECT count(*) FROM kept") == [(1,)]
    assert (home / "postgres").stat().st_uid == nobody.pw_uid
