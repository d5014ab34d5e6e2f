"""manage.py, `up` and `run` as a person meets them when something is wrong: one line, exit code 2."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import LazySettings
from django.core.management.base import CommandError

from apps.extensions.audit import Actor
from apps.extensions.models import Domain
from apps.extensions.services import extension_create
from apps.extensions.site_keys import key_id
from registrar_admin.config import PROJECT_DIR, load_config
from registrar_admin.embedded_postgres import EmbeddedPostgres
from registrar_admin.management.commands import up
from tests.patience import PATIENCE_S, wait_until
from tests.postgres import FAST, product_data_dir, product_environment
from tests.registrar.conftest import url_of_test_database


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with product_data_dir() as folder:
        yield folder


@contextlib.contextmanager
def taken_port(kind: socket.SocketKind) -> Iterator[int]:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        yield holder.getsockname()[1]


def free_port() -> int:
    with taken_port(socket.SOCK_STREAM) as port:
        return port


def manage(data_dir: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT_DIR,
        env=product_environment(data_dir, variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def says_one_line(done: subprocess.CompletedProcess[str], *words: str) -> bool:
    lines = done.stderr.splitlines()
    return done.returncode == 2 and len(lines) == 1 and all(word in lines[0] for word in words)


def test_a_wrong_setting_is_one_line_and_exit_code_2(data_dir: Path) -> None:
    done = manage(data_dir, "up", REGISTRAR_HTTP="everywhere")

    assert says_one_line(done, "REGISTRAR_HTTP='everywhere'", "expected"), done


def test_a_command_that_needs_the_key_says_how_to_get_one(data_dir: Path) -> None:
    done = manage(data_dir, "migrate")

    assert says_one_line(done, "SECRET_KEY", "./run"), done


def test_check_needs_no_key(data_dir: Path) -> None:
    assert manage(data_dir, "check").returncode == 0
    assert not (data_dir / "secret_key").exists()


def test_a_web_port_in_use_is_named_before_anything_starts(data_dir: Path) -> None:
    with taken_port(socket.SOCK_STREAM) as port:
        done = manage(data_dir, "up", REGISTRAR_HTTP=f"127.0.0.1:{port}")

    assert says_one_line(done, f"127.0.0.1:{port}", "in use"), done
    assert not (data_dir / "postgres").exists()


def test_a_sip_port_in_use_is_named_before_anything_starts(data_dir: Path) -> None:
    with taken_port(socket.SOCK_DGRAM) as port:
        done = manage(
            data_dir, "up", REGISTRAR_HTTP=f"127.0.0.1:{free_port()}", REGISTRAR_SIP=f"127.0.0.1:{port}"
        )

    assert says_one_line(done, f"127.0.0.1:{port}", "in use"), done


def test_preparing_prints_the_first_password_once_and_never_again(data_dir: Path) -> None:
    first = manage(data_dir, "up", "--prepare-only")
    second = manage(data_dir, "up", "--prepare-only")

    assert first.returncode == 0, first
    assert "Sign in as   admin" in first.stdout
    password = first.stdout.split("Password")[1].split()[0]
    assert len(password) >= 16
    assert (second.returncode, second.stdout) == (0, "")
    for log in (data_dir / "log").iterdir():
        assert password not in log.read_text(errors="replace")


def test_a_given_password_is_not_printed(data_dir: Path) -> None:
    done = manage(data_dir, "up", "--prepare-only", REGISTRAR_ADMIN_PASSWORD="battery-horse-7-staple")

    assert done.returncode == 0, done
    assert "battery" not in done.stdout + done.stderr


def test_an_outside_database_is_prepared_without_starting_one(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, FAST) as server, product_data_dir() as other_dir:
        done = manage(other_dir, "up", "--prepare-only", DATABASE_URL=server.url)

        assert done.returncode == 0, done
        assert not (other_dir / "postgres").exists()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT username FROM accounts_user").fetchall() == [("admin",)]


def test_an_outside_database_that_does_not_answer_is_one_line_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(up, "DATABASE_WAIT_S", 0.3)
    config = load_config({"DATABASE_URL": f"postgresql://sip:hunter2@127.0.0.1:{free_port()}/registrar"})

    with pytest.raises(CommandError, match="DATABASE_URL: no connection within") as caught:
        up._wait_for_database(config)

    assert caught.value.returncode == 2
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.django_db(transaction=True)
def test_a_direct_address_at_which_no_notice_arrives_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "NOTICE_WITHIN_S", 0.3)
    here = url_of_test_database()
    other = urlsplit(here)._replace(path="/postgres").geturl()

    up._check_direct_database(load_config({"DATABASE_URL": here}))
    with pytest.raises(
        CommandError, match="DATABASE_DIRECT_URL: a NOTIFY at DATABASE_URL does not"
    ) as caught:
        up._check_direct_database(load_config({"DATABASE_URL": here, "DATABASE_DIRECT_URL": other}))

    assert caught.value.returncode == 2


def test_a_start_tells_which_credential_key_is_missing(
    domain: Domain, actor: Actor, settings: LazySettings
) -> None:
    settings.CREDENTIAL_KEYS = (bytes(range(32)),)
    extension_create(domain=domain, number="1001", actor=actor)
    settings.CREDENTIAL_KEYS = ()
    told = StringIO()

    up.Command(stderr=told)._tell_missing_keys()

    assert told.getvalue().startswith(f"REGISTRAR_CREDENTIAL_KEYS: key {key_id(bytes(range(32)))} is missing")


def test_a_stop_while_the_first_start_is_at_work_leaves_nothing_running(data_dir: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--prepare-only"],
        cwd=PROJECT_DIR,
        env=product_environment(data_dir),
        stdout=subprocess.DEVNULL,
    )
    postmaster = data_dir / "postgres" / "postmaster.pid"
    wait_until(lambda: postmaster.exists() or process.poll() is not None, "a database")
    assert process.poll() is None

    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE_S)

    assert not postmaster.exists()


def test_run_refuses_words_it_does_not_know() -> None:
    done = subprocess.run(
        [PROJECT_DIR / "run", "fast"], capture_output=True, text=True, env=os.environ, check=False
    )

    assert done.returncode == 2
    assert "usage: ./run" in done.stderr
