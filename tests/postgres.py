"""A pytest plugin: an embedded PostgreSQL for the run, started when the first test needs a database.

It sets DATABASE_URL, REGISTRAR_DATA_DIR and SECRET_KEY before Django's settings are read. A DATABASE_URL that
is already set is used as it is. With pytest-xdist each of its workers has a server of its own. The server is
fast and forgets at a crash; `--durable-database` starts it as the product does. A test that starts the whole
product gives it `product_data_dir()` and `product_environment()` instead.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

import pytest

from registrar_admin.embedded_postgres import EmbeddedPostgres
from registrar_admin.variables import VARIABLE_NAMES

FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_server: EmbeddedPostgres | None = None
_started = False


@contextlib.contextmanager
def product_data_dir() -> Iterator[Path]:
    """An empty data folder; at the end it goes, and the cluster with it wherever root had to keep it."""
    folder = Path(tempfile.mkdtemp(prefix="registrar-"))
    folder.chmod(0o711)  # mkdtemp makes it 0700, and root would have to move the cluster elsewhere
    try:
        yield folder
    finally:
        EmbeddedPostgres(folder).remove()
        shutil.rmtree(folder, ignore_errors=True)


def product_environment(data_dir: Path, changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without our variables, as a newcomer has it, plus the data folder and `changes`."""
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLE_NAMES}
    return {**clean, "REGISTRAR_DATA_DIR": str(data_dir), **(changes or {})}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--durable-database", action="store_true", help="each commit waits for the disk")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    global _server
    for name in [name for name in os.environ if name.startswith("REGISTRAR_")]:
        del os.environ[name]  # a developer's own site must not decide a test
    os.environ.pop("DATABASE_DIRECT_URL", None)
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))
    if not os.environ.get("DATABASE_URL") and not _only_hands_out(early_config):
        folder = Path(tempfile.mkdtemp(prefix="registrar-tests-"))
        folder.chmod(0o711)
        _server = EmbeddedPostgres(folder, {} if early_config.known_args_namespace.durable_database else FAST)
        os.environ["DATABASE_URL"] = _server.url
        os.environ["REGISTRAR_DATA_DIR"] = str(folder)
    return (yield)


def _only_hands_out(config: pytest.Config) -> bool:
    """Whether this process gives its tests to the workers of pytest-xdist."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    return bool(getattr(config.known_args_namespace, "numprocesses", None)) and not is_worker


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> None:
    global _started
    if fixturedef.argname == "django_db_setup" and _server is not None and not _started:
        _started = True
        _server.start()


def pytest_unconfigure() -> None:
    if _server is not None:
        _server.remove()
        shutil.rmtree(_server.data_dir, ignore_errors=True)
