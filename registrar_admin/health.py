"""GET /healthz: 200 only when web, database, migrations, the keys of the credentials, at least one SIP worker and
the process that carries calls are well; else 503 saying which.

Must not tell a stranger anything else: no versions, no addresses, no error texts.
"""

import time
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.calls.selectors import call_process_is_well
from apps.extensions.ha1s import Ha1Keys
from apps.extensions.sealing import missing_keys
from apps.registrar.selectors import sip_worker_is_well

KEYS_KNOWN_FOR_S: Final = 60


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


class Migrations:
    """Read from disk and database until all are applied; nobody takes them back under a running server."""

    def __init__(self) -> None:
        self.are_applied = False

    def __call__(self) -> bool:
        if not self.are_applied:
            executor = MigrationExecutor(connection)
            self.are_applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return self.are_applied


class CredentialKeys:
    """Looked at once a minute: it reads the whole table, 13 ms for 20,000 credentials, and anybody may ask."""

    def __init__(self) -> None:
        self.due_s = 0.0
        self.are_here = False

    def __call__(self) -> bool:
        if time.monotonic() >= self.due_s:
            self.are_here = not missing_keys(Ha1Keys(settings.CREDENTIAL_KEYS))
            self.due_s = time.monotonic() + KEYS_KNOWN_FOR_S
        return self.are_here


CHECKS: dict[str, Callable[[], bool]] = {
    "web": lambda: True,
    "database": _database,
    "migrations": Migrations(),
    "credential_keys": CredentialKeys(),
    "sip": sip_worker_is_well,
    "calls": call_process_is_well,
}


def _is_well(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Error:
        return False


@never_cache
@require_safe
@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    results = {name: _is_well(check) for name, check in CHECKS.items()}
    well = all(results.values())
    checks = {name: "ok" if result else "failing" for name, result in results.items()}
    return JsonResponse(
        {"status": "ok" if well else "failing", "checks": checks}, status=200 if well else 503
    )
