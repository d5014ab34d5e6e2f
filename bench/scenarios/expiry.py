"""Many bindings expire in one second: each is one event of the ledger, and who registers meanwhile waits little."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, Final

import psycopg

from bench.extensions import FIRST
from bench.measuring import Stand
from bench.options import Options
from bench.report import Report
from bench.servers import Product

LEAD_S: Final = 20.0
AFTER_S: Final = 60.0
HEAD: Final = (
    "bindings",
    "done after s",
    "events",
    "AORs with an event",
    "p99 ms before",
    "p99 ms meanwhile",
    "worst second",
)

# due_at, where there is one: when the sweeper looks.
COLUMNS: Final = """
SELECT attname FROM pg_attribute
WHERE attrelid = 'registrar_binding'::regclass AND attname IN ('expires_at', 'due_at') AND NOT attisdropped
"""
MOMENTS: Final = "SELECT aor, to_timestamp(%(at)s + random()) AS moment FROM registrar_binding"
EXPIRED: Final = """
SELECT count(*), count(DISTINCT aor), (SELECT count(*) FROM registrar_binding WHERE expires_at <= clock_timestamp())
FROM registrar_registrationevent WHERE event = 'expired'
"""


@dataclass(slots=True)
class Watch:
    """Asks the ledger once a second until stop(). `done_at`: of the monotonic clock, when nothing was left to do."""

    url: str
    expected: int
    done_at: float | None = None
    events: int = 0
    aors: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self._stop.wait(1.0):
                self.events, self.aors, waiting = connection.execute(EXPIRED).fetchone() or (0, 0, 0)
                if self.done_at is None and self.events >= self.expected and waiting == 0:
                    self.done_at = time.monotonic()

    def stop(self) -> None:
        self._stop.set()


def expiry(stand: Stand, options: Options) -> Report:
    product = Product(stand.cluster, options.workers)
    watch = Watch(stand.cluster.url, options.count)
    heard: list[tuple[float, dict[str, Any]]] = []
    with stand.started(product) as running:
        stand.load(running, "initial", replace(options.load, users=options.count, extra=("--once",)))
        due_at = expire_together(stand.cluster.url)
        thread = threading.Thread(target=watch.run)
        thread.start()
        extra = ("--series", "--warmup", "0", "--first", str(FIRST + options.count))
        others = replace(
            options.load, rate=options.rate, window=options.users, seconds=LEAD_S + AFTER_S, extra=extra
        )
        try:
            stand.load(running, "initial", others, lambda told: heard.append((time.monotonic(), told)))
        finally:
            watch.stop()
            thread.join()
    return _report(options, watch, due_at, heard)


def expire_together(database_url: str) -> float:
    """Every binding will expire within one second. Returns when that begins, of the monotonic clock."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        names = [row[0] for row in connection.execute(COLUMNS).fetchall()]
        row = connection.execute("SELECT count(*) FROM registrar_binding").fetchone()
        patience_s = LEAD_S + (row[0] if row else 0) / 5_000  # what the change of so many rows may take
        assignments = ", ".join(f"{name} = m.moment" for name in names)
        statement = f"UPDATE registrar_binding b SET {assignments} FROM ({MOMENTS}) m WHERE b.aor = m.aor"
        due_at = time.monotonic() + patience_s
        connection.execute(statement.encode(), {"at": time.time() + patience_s})
        connection.execute("VACUUM ANALYZE registrar_binding")
        connection.execute("CHECKPOINT")
    time.sleep(max(0.0, due_at - LEAD_S - time.monotonic()))
    return due_at


def p99s(heard: Sequence[tuple[float, dict[str, Any]]], since: float, until: float) -> list[float]:
    """Of the seconds between two moments in which anything was answered."""
    return [told["p99_ms"] for at, told in heard if since < at - 0.5 <= until and told["done"]]


def _report(
    options: Options, watch: Watch, due_at: float, heard: Sequence[tuple[float, dict[str, Any]]]
) -> Report:
    end = watch.done_at or time.monotonic()
    before = p99s(heard, due_at - LEAD_S + 3, due_at)
    meanwhile = p99s(heard, due_at, max(end, due_at + 1))
    calm, pressed = median(before or [0.0]), median(meanwhile or [0.0])
    took = "not within a minute" if watch.done_at is None else f"{end - due_at:.0f}"
    sentences = [
        f"{options.count:,} bindings expired in one second: {watch.events:,} events of {watch.aors:,} AORs, "
        f"all of them after {took} s.",
        f"Meanwhile {options.rate:.0f} phones a second registered: p99 {pressed:.1f} ms, before {calm:.1f} ms "
        f"({pressed / calm if calm else 0:.1f}x; medians of the seconds).",
    ]
    numbers = [f"{calm:.1f}", f"{pressed:.1f}", f"{max(meanwhile, default=0.0):.1f}"]
    row = [options.count, took, watch.events, watch.aors, *numbers]
    figures = {"seconds": [{**told, "after_due_s": round(at - due_at, 2)} for at, told in heard]}
    return Report("Expiry", sentences, HEAD, [row], {**figures, "done_after_s": took, "events": watch.events})
