"""Three times what can be done is asked for, by phones that repeat themselves: how much is still done."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import Final

from bench.measuring import Stand
from bench.options import Options
from bench.report import Report
from bench.servers import Product

TIMES: Final = 3
SECONDS: Final = 20.0
HEAD: Final = ("", "asked a second", "sent a second", "done a second", "503 a second", "p99 ms", "failed")


def overload(stand: Stand, options: Options) -> Report:
    """The first is a closed loop, which finds the capacity; the second begins registrations whatever happens."""
    product = Product(stand.cluster, options.workers)
    with stand.started(product) as running:
        peak = stand.measure(product, running, "refresh", options.load)
        load = replace(
            options.load,
            users=options.count,
            window=options.count,
            rate=peak.per_s * TIMES,
            seconds=SECONDS,
            extra=("--series", "--warmup", "2"),
        )
        told = stand.load(running, "refresh", load)
    goodput = told.result["per_s"]
    steady = [second["done"] for second in told.seconds[-int(SECONDS) :]]
    sentences = [
        f"Asked for {TIMES} times as much, it does {goodput / peak.per_s:.0%} of the peak "
        f"({goodput:,.0f}/s of {peak.per_s:,.0f}/s; the median second {median(steady):,.0f})."
    ]
    rows = [_row("peak, closed loop", peak.load), _row(f"{TIMES} times, open loop", told.result)]
    figures = {"peak": peak.as_dict(), "overload": told.result, "seconds": told.seconds}
    return Report("Overload", sentences, HEAD, rows, figures)


def _row(name: str, load: dict[str, float]) -> list[str]:
    def a_second(key: str) -> str:
        return f"{load[key] / load['seconds']:,.0f}"

    failed = f"{load['failures']:,.0f}"
    columns = [a_second(key) for key in ("started", "sent", "done", "deferred")]
    return [name, *columns, f"{load['p99_ms']:.0f}", failed]
