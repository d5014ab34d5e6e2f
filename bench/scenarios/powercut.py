"""Power comes back: all phones register at once, each with the timers of RFC 3261, then refresh on their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bench.ledger import compare
from bench.loader import read_acknowledged
from bench.measuring import Stand
from bench.options import Options
from bench.report import Report
from bench.servers import Product

REFRESH_AT: Final = 0.5
"""Of the granted expiry, as many phones do."""
BACK_WITHIN_S: Final = 60.0
OUTER: Final = 0.01
CSEQ: Final = 1_000
"""After the cut, so that a binding of before is not taken for one of after."""
HEAD: Final = (
    "phones",
    "back",
    "50 %",
    "99 %",
    "all",
    "503",
    "repeated",
    "failed",
    "lost",
)


@dataclass(frozen=True, slots=True)
class Wave:
    """The first refreshes. `mean_per_s`: over the time in which all but the first and last percent came."""

    peak_per_s: float
    mean_per_s: float
    took_s: int

    @property
    def ratio(self) -> float:
        return self.peak_per_s / self.mean_per_s if self.mean_per_s else 0.0


def powercut(stand: Stand, options: Options) -> Report:
    product = Product(stand.cluster, options.workers)
    acknowledged = stand.cluster.folder / "acknowledged"
    all_phones = replace(options.load, users=options.count)
    cycle_s = options.expires * REFRESH_AT
    with stand.started(product) as running:
        stand.load(running, "initial", replace(all_phones, extra=("--once", "--expires", "3600")))
        extra = ("--series", "--expires", str(options.expires), "--refresh-at", str(REFRESH_AT))
        released = replace(
            all_phones,
            seconds=BACK_WITHIN_S + cycle_s * 1.5,
            extra=(*extra, "--cseq", str(CSEQ), "--ack-file", str(acknowledged)),
        )
        told = stand.load(running, "phones", released)
    kept = compare(read_acknowledged(acknowledged), product.last_cseqs())
    back = [when_back(told.seconds, share * options.count) for share in (0.5, 0.99, 1.0)]
    wave = first_wave(told.seconds, options.count)
    sentences = [
        f"{told.result['acknowledged']:,} of {options.count:,} phones came back, 99 %: {_s(back[1])}; {kept.lost} of "
        f"{kept.acknowledged:,} acknowledged registrations were lost.",
        f"The next cycle: peak {wave.peak_per_s:,.0f}/s, {wave.ratio:.1f} times its mean of {wave.mean_per_s:,.0f}/s "
        f"over {wave.took_s} s ({options.count / cycle_s:,.0f}/s over the whole cycle of {cycle_s:.0f} s).",
    ]
    result = told.result
    row: list[object] = [options.count, result["acknowledged"], *map(_s, back)]
    row += [result["deferred"], result["retransmissions"], result["failures"], kept.lost]
    figures = {"result": result, "seconds": told.seconds, "lost": kept.lost}
    return Report("Power cut", sentences, HEAD, [row], figures)


def when_back(seconds: Sequence[dict[str, Any]], count: float) -> float | None:
    """When so many phones had had their first 200; None: they never had."""
    return next((second["at_s"] for second in seconds if second["first_done"] >= count), None)


def first_wave(seconds: Sequence[dict[str, Any]], count: int) -> Wave:
    """Of the refreshes begun, the first `count`, which are one for each phone."""
    begun, wave = 0, []
    for second in seconds:
        if begun < count * (1 - OUTER) and (begun + second["refreshes"]) > count * OUTER:
            wave.append(second["refreshes"])
        begun += second["refreshes"]
    if not wave:
        return Wave(0.0, 0.0, 0)
    return Wave(max(wave), sum(wave) / len(wave), len(wave))


def _s(seconds: float | None) -> str:
    return "not in time" if seconds is None else f"after {seconds:.0f} s"
