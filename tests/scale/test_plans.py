"""Every list reads as many rows as it shows, by an index, however many there are: by EXPLAIN, not by a clock."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker

from apps.accounts.models import User
from apps.registrar.overview import listing
from apps.registrar.overview.listing import ListPage, extension_list_page, list_page
from apps.registrar.overview.orders import ORDERS
from tests.registrar.conftest import url_of_test_database
from tests.scale.seed import DIRECTORY, OVERVIEW, REGISTRAR, seed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("many")]

EXTENSIONS = 6_000
BINDINGS = 1_500
PAGE = 50
# Of each bucket of a run a page's rows, and one more.
MOST_READ = 14 * (PAGE + 1)
FILTERS = ("", "attention", "online", "late", "offline", "never_registered", "disabled")
# So few rows are read whole sooner than by an index: what is asked is whether there is one.
BY_INDEX = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
EMPTIED = ", ".join((*DIRECTORY, *REGISTRAR, *OVERVIEW, "extensions_domain", "registrar_overviewprogress"))


@pytest.fixture(scope="module")
def many(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), psycopg.connect(url_of_test_database(), autocommit=True) as database:
        seed(database, extensions=EXTENSIONS, bindings=BINDINGS)
        yield
        database.execute(f"TRUNCATE {EMPTIED} CASCADE")


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan:
        yield plan
    for part in plan.get("Plans", []):
        yield from scans(part)


def rows_read(statement: str, params: Any) -> int:
    """Rows that its scans bring or throw away; none is of a whole large table."""
    with connection.cursor() as cursor:
        cursor.execute(BY_INDEX)
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", params)
        found = cursor.fetchone()[0]
    [explained] = json.loads(found) if isinstance(found, str) else found
    read = 0
    for scan in scans(explained["Plan"]):
        assert scan["Node Type"] != "Seq Scan" or scan["Actual Rows"] <= MOST_READ, scan["Relation Name"]
        read += (scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"]
    return int(read)


@contextmanager
def reading(most: int) -> Iterator[None]:
    """Each SELECT meanwhile is explained, too."""
    problems: list[str] = []

    def explained(execute: Any, statement: str, params: Any, many: bool, context: Any) -> Any:
        if (
            statement.lstrip().startswith(("SELECT", "WITH"))
            and "registrar_overview_catch_up" not in statement
        ):
            before = connection.execute_wrappers.pop()
            read = rows_read(statement, params)
            connection.execute_wrappers.append(before)
            if read > most:
                problems.append(f"{read} rows: {statement}")
        return execute(statement, params, many, context)

    with connection.execute_wrapper(explained):
        yield
    assert problems == []


def walked(**query: Any) -> tuple[list[Any], ListPage]:
    """All pages forwards; the last one."""
    ids: list[Any] = []
    page = list_page(size=1000, **query)
    while True:
        ids += page.ids
        if not page.after:
            return ids, page
        page = list_page(size=1000, place=page.after, **query)


def test_each_order_of_each_filter_reads_what_it_shows() -> None:
    for order in [f"{sign}{name}" for name in ORDERS for sign in ("", "-")]:
        for state in FILTERS:
            with reading(MOST_READ):
                first = list_page(order=order, state=state, size=PAGE)
                second = list_page(order=order, state=state, size=PAGE, place=first.after)
                back = (
                    list_page(order=order, state=state, size=PAGE, place=second.before)
                    if first.after
                    else first
                )
            assert back.ids == first.ids, (order, state)
            assert not set(first.ids) & set(second.ids) or not first.after


def test_every_row_is_met_once_in_the_order_of_the_whole() -> None:
    for order in ("attention", "-extension", "address", "-address", "-registered", "expires", "peer"):
        forwards, page = walked(order=order)
        assert len(set(forwards)) == len(forwards) == EXTENSIONS, order
        back = page.ids
        while page.before:
            page = list_page(order=order, size=1000, place=page.before)
            back = page.ids + back
        assert back == forwards, order


def test_a_search_is_bounded_whether_it_finds_much_or_nothing() -> None:
    bound = 4 * listing.MOST_LOOKED_AT
    for search in ("100777", "ann", "ann lee", "yealink", "10.0.1.5", "zz", "7", "nobody at all", "%_'\\"):
        for state in ("", "online"):
            with reading(bound):
                page = list_page(search=search, state=state, size=PAGE)
                extension_list_page(search=search, place="", size=PAGE)
            if page.after:
                following = list_page(search=search, state=state, size=PAGE, place=page.after)
                assert not set(following.ids) & set(page.ids)


def test_a_search_finds_the_same_with_the_index_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    for search in ("100777", "0077", "hugo 0077", "10.0.0.5"):
        for order in ("attention", "-address", "registered"):
            monkeypatch.setattr(listing, "MOST_FOUND", EXTENSIONS)
            looked_through, _ = walked(search=search, order=order)
            monkeypatch.setattr(listing, "MOST_FOUND", 500)
            indexed, _ = walked(search=search, order=order)
            assert indexed == looked_through, (search, order)
            assert indexed


@pytest.mark.parametrize(
    "address", ["/extensions/", "/events/", "/events/?q=100777", "/events/?events=reach"]
)
def test_other_pages_read_a_bounded_number_of_rows(admin: User, address: str) -> None:
    browser = Client()
    browser.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    with reading(2 * listing.MOST_LOOKED_AT + MOST_READ):
        assert browser.get(address).status_code == 200
