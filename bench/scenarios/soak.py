"""Half of what it can do, for long: memory, tables and indexes must not grow."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Final

from bench.ledger import sizes
from bench.measuring import Stand
from bench.options import Options
from bench.processes import memory_bytes
from bench.report import Report
from bench.servers import Product, Running

HEAD: Final = ("minute", "done a second", "p99 ms", "server MB", "PostgreSQL MB", "tables MB", "indexes MB")
LOOKS: Final = 12


@dataclass(frozen=True, slots=True)
class Look:
    minute: float
    per_s: float
    p99_ms: float
    server_mb: float
    database_mb: float
    tables_mb: float
    indexes_mb: float

    def as_row(self) -> list[str]:
        numbers = (self.server_mb, self.database_mb, self.tables_mb, self.indexes_mb)
        return [
            f"{self.minute:.1f}",
            f"{self.per_s:,.0f}",
            f"{self.p99_ms:.1f}",
            *(f"{one:.0f}" for one in numbers),
        ]


def soak(stand: Stand, options: Options) -> Report:
    product = Product(stand.cluster, options.workers)
    looks: list[Look] = []
    with stand.started(product) as running:
        peak = stand.measure(product, running, "refresh", options.load)
        seconds = options.minutes * 60
        every_s = max(seconds / LOOKS, 1.0)
        began = time.monotonic()

        def on_second(told: dict[str, Any]) -> None:
            if time.monotonic() - began >= len(looks) * every_s:
                looks.append(_look(stand, running, (time.monotonic() - began) / 60, told))

        half = replace(
            options.load, rate=peak.per_s / 2, window=options.users, seconds=seconds, extra=("--series",)
        )
        told = stand.load(running, "refresh", half, on_second)
    first, last = looks[len(looks) // 3], looks[-1]
    sentences = [
        f"{told.result['done']:,} registrations in {options.minutes:g} minutes at {told.result['per_s']:,.0f}/s, half "
        f"of {peak.per_s:,.0f}/s; {told.result['failures']} failed.",
        f"From minute {first.minute:.0f} to minute {last.minute:.0f}: server {_grew(first.server_mb, last.server_mb)}, "
        f"tables {_grew(first.tables_mb, last.tables_mb)}, indexes {_grew(first.indexes_mb, last.indexes_mb)}.",
    ]
    figures = {"peak": peak.as_dict(), "result": told.result, "seconds": told.seconds}
    return Report("Soak", sentences, HEAD, [look.as_row() for look in looks], figures)


def _look(stand: Stand, running: Running, minute: float, told: dict[str, Any]) -> Look:
    tables, indexes = sizes(stand.cluster.url)
    server, database = memory_bytes(running.process.pid), memory_bytes(stand.cluster.pid)
    megabytes = [each / 1e6 for each in (server, database, tables, indexes)]
    return Look(minute, told["done"], told["p99_ms"], *megabytes)


def _grew(before: float, after: float) -> str:
    return f"{after - before:+.0f} MB ({after / before - 1:+.0%})" if before else f"{after:.0f} MB"
