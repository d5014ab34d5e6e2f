"""How long lists take, measured by hand: `python -m tests.scale.bench_lists [rounds [part of the address]]`, on a
database that `python -m tests.scale.seed` filled.

The server time of a request is taken as the CPU time of this process and of its database connection, which is what it
takes on a core that has nothing else to do; the elapsed time stands beside.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from html import unescape
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registrar_admin.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from rest_framework.test import APIClient  # noqa: E402

from apps.accounts.models import Role, User  # noqa: E402
from apps.accounts.services import api_token_create, user_create  # noqa: E402
from apps.extensions.audit import Actor  # noqa: E402
from apps.registrar.overview.orders import ORDERS  # noqa: E402

FILTERS = ("", "attention", "online", "offline", "never_registered", "disabled")
SEARCHES = ("100777", "ann", "ann lee", "yealink", "T46S", "10.0.3", "1ee3", "zz", "7", "nobody")
OTHERS = (
    "/events/",
    "/events/?q=100777",
    "/events/?events=ended",
    "/events/strangers/",
    "/sites/",
    "/trunks/",
)
API = (
    "extensions/",
    "extensions/?search=ann",
    "extensions/?search=100777",
    "peers/",
    "peers/?state=online",
    "peers/?state=late",
    "peers/?search=100777",
    "registrations/",
    "registrations/?search=yealink",
    "registrations/?search=100777",
    "events/",
    "events/?event=moved",
    "events/?extension=100777",
)
CLOCK_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def main(rounds: int, part: str) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    user = User.objects.filter(username="bench").first() or user_create(
        username="bench", password="correct horse battery", role=Role.ADMIN, actor=Actor.of_command("bench")
    )
    browser, api = Client(), APIClient()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    _, token = api_token_create(
        user=user, name=f"bench {time.time_ns()}", scopes=("read",), actor=Actor.of_command("bench")
    )
    api.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    print(f"{'list':58} {'p50 ms':>8} {'p95 ms':>8} {'elapsed p50':>12}")
    for address in _pages(browser, part):
        _report(address, _times(partial(browser.get, address), rounds))
    for name in API if part in "/api/" else ():
        _report(f"/api/v1/{name}", _times(partial(api.get, f"/api/v1/{name}"), rounds))


def _pages(browser: Client, part: str) -> Iterator[str]:
    """Each list, and its second page."""
    lists = [
        f"/?sort={sign}{order}&state={state}" for order in ORDERS for sign in ("", "-") for state in FILTERS
    ]
    lists += [f"/?q={search}&state={state}" for search in SEARCHES for state in ("", "online", "attention")]
    lists += ["/extensions/", *(f"/extensions/?q={search}" for search in SEARCHES), *OTHERS]
    for address in [each for each in lists if part in each]:
        yield address
        found = re.search(r'rel="next" href="([^"]+)"', browser.get(address).content.decode())
        if found:
            yield f"{address.partition('?')[0]}{unescape(found[1])}"


def _times(ask: Callable[[], Any], rounds: int) -> list[tuple[float, float]]:
    """Milliseconds of work and of waiting, round by round."""
    assert ask().status_code == 200
    found = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    for _ in range(rounds):
        began, ours, theirs = time.perf_counter(), time.process_time(), _cpu_s(backend)
        ask()
        worked = time.process_time() - ours + _cpu_s(backend) - theirs
        found.append((worked * 1000, (time.perf_counter() - began) * 1000))
    return found


def _cpu_s(pid: int) -> float:
    """To the nanosecond where the kernel says so."""
    schedstat = Path(f"/proc/{pid}/schedstat")
    if schedstat.exists():
        return int(schedstat.read_text().split()[0]) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * CLOCK_TICK_S


def _report(address: str, times: list[tuple[float, float]]) -> None:
    worked = [each for each, _ in times]
    p95 = quantiles(worked, n=20)[-1]
    elapsed = median(each for _, each in times)
    print(f"{address[:58]:58} {median(worked):8.1f} {p95:8.1f} {elapsed:12.1f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, sys.argv[2] if len(sys.argv) > 2 else "")
