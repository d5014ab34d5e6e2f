"""The flush between two tests never deadlocks with a SIP server that lives across them."""

from collections.abc import Callable, Iterator
from threading import Event, Thread

import psycopg
import pytest
from django.core.management import call_command

from apps.extensions.models import Domain
from tests.registrar.conftest import url_of_test_database

pytestmark = pytest.mark.django_db(transaction=True)

WAITS = """SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE 'TRUNCATE%' AND datname = current_database()"""
ORDERS = [
    ("extensions_domain", "registrar_binding"),
    ("registrar_binding", "extensions_domain"),
]


@pytest.fixture
def run_beside() -> Iterator[Callable[[Callable[[], None]], None]]:
    threads: list[Thread] = []

    def run(work: Callable[[], None]) -> None:
        threads.append(Thread(target=work))
        threads[-1].start()

    yield run
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize(("first", "then"), ORDERS)
def test_a_flush_gives_way_to_a_transaction_that_goes_on(
    first: str, then: str, domain: Domain, run_beside: Callable[[Callable[[], None]], None]
) -> None:
    begun, ended = Event(), Event()

    def work() -> None:
        with (
            psycopg.connect(url_of_test_database()) as worker,
            psycopg.connect(url_of_test_database(), autocommit=True) as observer,
        ):
            worker.execute(f"LOCK TABLE {first} IN ROW EXCLUSIVE MODE")
            begun.set()
            while observer.execute(WAITS).fetchone() == (0,):
                pass  # the flush is not there yet
            worker.execute(f"LOCK TABLE {then} IN ROW EXCLUSIVE MODE")
        ended.set()

    run_beside(work)
    assert begun.wait(10)
    call_command("flush", interactive=False, verbosity=0)
    assert ended.wait(10)
    assert not Domain.objects.exists()
