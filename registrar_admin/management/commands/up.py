"""`manage.py up`: the whole product in one command: database, web, SIP and webhooks, until Ctrl-C or SIGTERM.

Must not change what an earlier start made: data is kept, and a password is printed only when it is made.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from typing import Any, Final

import psycopg
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg.sql import SQL, Identifier

from apps.sipserver.supervisor import Child, ChildEvent, Supervisor
from registrar_admin.config import PROJECT_DIR, Config, ensure_data_dir
from registrar_admin.embedded_postgres import EmbeddedPostgres
from registrar_admin.panel import log_dir, login_lines, panel
from registrar_admin.ports import Transport, why_unusable
from registrar_admin.postgres_home import EmbeddedPostgresError
from registrar_admin.static_files import collect_if_changed

WRONG_USE: Final = 2
DATABASE_WAIT_S: Final = 30.0
NOTICE_WITHIN_S: Final = 5.0
HEALTH_EVERY_S: Final = 0.2
IMPATIENT_AFTER_S: Final = 60.0
# Of what may wait while phones may not, as in `nice -n`: a third of the CPU where there is too little.
AFTER_PHONES: Final = 5


class Command(BaseCommand):
    help = "Run the whole product: embedded database (unless DATABASE_URL is set), web pages, SIP workers, webhooks."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--prepare-only",
            action="store_true",
            help="make tables, first domain and first admin, then end: the rest is started elsewhere",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        config: Config = settings.CONFIG
        self._new_login: list[str] = []
        try:
            self._run(config, prepare_only=options["prepare_only"])
        except CommandError as error:
            self._tell(str(error))
            sys.exit(error.returncode)
        finally:
            for line in self._new_login:  # stopped before the panel: it must not be lost
                self.stdout.write(line)

    def _run(self, config: Config, *, prepare_only: bool) -> None:
        if not prepare_only:
            _check_ports(config)
        with Supervisor(on_event=self._tell_event) as supervisor:
            username, new_password, domain = self._prepare(config, supervisor)
            if not prepare_only:
                self._serve(config, supervisor, panel(config, username, new_password, domain))

    def _prepare(self, config: Config, supervisor: Supervisor) -> tuple[str, str | None, str]:
        try:
            ensure_data_dir(config.data_dir)
            log_dir(config).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CommandError(f"REGISTRAR_DATA_DIR: {error}", returncode=WRONG_USE) from None
        self._bring_up_database(config, supervisor)
        with supervisor.interruptible():
            username, new_password, domain = _fill_database(config)
            self._tell_missing_keys()
            if new_password is not None:
                self._new_login = login_lines(config, username, new_password)
            collect_if_changed(config.data_dir / "static.stamp")
        _close_database()
        return username, new_password, domain

    def _tell_missing_keys(self) -> None:
        """No reason not to start: an administrator may have to give out new passwords."""
        from apps.extensions.ha1s import Ha1Keys
        from apps.extensions.sealing import missing_keys

        for key_id, count in missing_keys(Ha1Keys(settings.CREDENTIAL_KEYS)).items():
            self._tell(
                f"REGISTRAR_CREDENTIAL_KEYS: key {key_id} is missing, so {count} passwords cannot be checked"
            )

    def _serve(self, config: Config, supervisor: Supervisor, text: str) -> None:
        supervisor.start(_web(config))
        supervisor.start(_sip(config))
        supervisor.start(_webhooks(config))
        if self._wait_until_healthy(config, supervisor):
            self.stdout.write(text)
            self.stdout.flush()
            self._new_login = []
        while not supervisor.stopping:
            supervisor.step()

    def _bring_up_database(self, config: Config, supervisor: Supervisor) -> None:
        if not config.database_is_embedded:
            with supervisor.interruptible():
                _wait_for_database(config)
            return
        server = self._server = EmbeddedPostgres(config.data_dir)  # kept: it holds the data folder's lock
        try:
            with supervisor.interruptible():
                child = server.prepare()
            supervisor.start(child)

            def turn(seconds: float) -> None:
                supervisor.step(seconds)
                with supervisor.interruptible():  # ends the wait if a stop was asked for
                    pass

            server.wait_until_ready(turn, lambda: supervisor.is_alive(child.name))
        except EmbeddedPostgresError as error:
            raise CommandError(str(error), returncode=WRONG_USE) from None

    def _wait_until_healthy(self, config: Config, supervisor: Supervisor) -> bool:
        started = time.monotonic()
        told = False
        while not supervisor.stopping:
            supervisor.step(HEALTH_EVERY_S)
            with supervisor.interruptible():
                trouble = _trouble(config)
            if trouble is None:
                return True
            if not told and time.monotonic() - started > IMPATIENT_AFTER_S:
                self._tell(f"Still waiting: {trouble}; see {log_dir(config)}")
                told = True
        return False

    def _tell_event(self, event: ChildEvent) -> None:
        if event.kind == "died":
            self._tell(
                f"{event.name} ended with exit code {event.returncode}, "
                f"again in {event.retry_in_s:.1f} s; see {log_dir(settings.CONFIG)}"
            )
        elif event.kind == "killed":
            self._tell(f"{event.name} did not stop in time and was killed")

    def _tell(self, line: str) -> None:
        self.stderr.write(line)
        self.stderr.flush()


def _check_ports(config: Config) -> None:
    web = why_unusable("TCP", config.http_host, config.http_port)
    if web:
        raise CommandError(f"REGISTRAR_HTTP: {web}", returncode=WRONG_USE)
    transports: tuple[Transport, ...] = ("UDP", "TCP")
    for transport in transports:
        sip = why_unusable(transport, config.sip_host, config.sip_port)
        if sip:
            raise CommandError(f"REGISTRAR_SIP: {sip}", returncode=WRONG_USE)
    sips = config.sips and why_unusable("TCP", *config.sips)
    if sips:
        raise CommandError(f"REGISTRAR_SIPS: {sips}", returncode=WRONG_USE)


def _wait_for_database(config: Config) -> None:
    _wait_for("DATABASE_URL", config.database_url)
    _wait_for("DATABASE_DIRECT_URL", config.database_direct_url)
    _check_direct_database(config)


def _wait_for(name: str, url: str) -> None:
    deadline = time.monotonic() + DATABASE_WAIT_S
    pause_s = 0.1
    while True:
        try:
            return psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if time.monotonic() + pause_s > deadline:
                reason = " ".join(str(error).split())
                message = f"{name}: no connection within {DATABASE_WAIT_S:.0f} s: {reason}"
                raise CommandError(message, returncode=WRONG_USE) from None
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, 2.0)


def _check_direct_database(config: Config) -> None:
    """What is told at DATABASE_URL must be heard at the direct address: LISTEN is deaf behind a pooler that hands
    out a connection for each transaction, and in another database."""
    channel = f"up_{secrets.token_hex(8)}"
    with (
        psycopg.connect(config.database_direct_url, autocommit=True) as listening,
        psycopg.connect(config.database_url, autocommit=True) as telling,
    ):
        listening.execute(SQL("LISTEN {}").format(Identifier(channel)))
        telling.execute("SELECT pg_notify(%s, '')", [channel])
        if not list(listening.notifies(timeout=NOTICE_WITHIN_S, stop_after=1)):
            message = (
                "DATABASE_DIRECT_URL: a NOTIFY at DATABASE_URL does not arrive there; "
                "expected an address of the same database without a pooler in between"
            )
            raise CommandError(message, returncode=WRONG_USE)


def _fill_database(config: Config) -> tuple[str, str | None, str]:
    """Tables, first domain, first admin: (user name, password if just made, name of the domain)."""
    from apps.accounts.services import ensure_first_admin
    from apps.extensions.audit import Actor
    from apps.extensions.services import domain_ensure

    call_command("migrate", interactive=False, verbosity=0)
    try:
        domain = domain_ensure(name=config.domain or config.public_host, actor=Actor.of_command("up"))
        username, password = ensure_first_admin(username=config.admin_user, password=config.admin_password)
    except ValidationError as error:
        message = f"REGISTRAR_DOMAIN or REGISTRAR_ADMIN_PASSWORD: {' '.join(error.messages)}"
        raise CommandError(message, returncode=WRONG_USE) from None
    return username, password, domain.name


def _close_database() -> None:
    """From here on this process only watches; a child must not be forked from one with a pool's threads."""
    connection = connections[DEFAULT_DB_ALIAS]
    connection.close()
    if isinstance(connection, DatabaseWrapper):
        connection.close_pool()


def _web(config: Config) -> Child:
    argv = [sys.executable, "-m", "daphne", "-b", config.http_host, "-p", str(config.http_port)]
    argv += ["--proxy-headers"] if config.is_behind_tls else []
    argv += ["registrar_admin.asgi:application"]
    log = log_dir(config) / "web.log"
    return Child("web", argv, env=_environment(), cwd=PROJECT_DIR, log=log, niceness=AFTER_PHONES)


def _sip(config: Config) -> Child:
    argv = [sys.executable, str(PROJECT_DIR / "manage.py"), "sipserver"]
    return Child("sip", argv, env=_environment(), cwd=PROJECT_DIR, log=log_dir(config) / "sip.log")


def _webhooks(config: Config) -> Child:
    argv = [sys.executable, str(PROJECT_DIR / "manage.py"), "webhooks"]
    log = log_dir(config) / "webhooks.log"
    return Child("webhooks", argv, env=_environment(), cwd=PROJECT_DIR, log=log, niceness=AFTER_PHONES)


def _environment() -> dict[str, str]:
    """Ours without the admin's password, which no child needs."""
    kept = {name: value for name, value in os.environ.items() if name != "REGISTRAR_ADMIN_PASSWORD"}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _trouble(config: Config) -> str | None:
    """None if /healthz answers 200, else what it or the connection says."""
    request = urllib.request.Request(f"{config.http_url}/healthz", headers={"Host": "localhost"})  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=3):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"/healthz says {error.code} {_failing(error.read())}".strip()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on {config.http_url} ({error})"


def _failing(body: bytes) -> str:
    try:
        checks = json.loads(body)["checks"]
        return ", ".join(name for name, state in checks.items() if state != "ok")
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
