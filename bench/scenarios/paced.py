"""Latency under a load that does not saturate: refreshes begun at a fixed rate, counted from when they were due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from bench import kamailio, tables
from bench.measuring import Measurement, Stand
from bench.options import Options
from bench.report import Report
from bench.servers import Product, Server

RATES: Final = (500, 700, 1000)
WINDOW: Final = 2048
WARMUP_S: Final = "3"
"""What came before must be over."""


def paced(stand: Stand, options: Options) -> Report:
    """700 a second are 50,000 phones that refresh every 72 s, or 105,000 every 150 s."""
    servers: list[Server] = [Product(stand.cluster, options.workers)]
    servers += kamailio.servers(stand.cluster, [kamailio.WRITE_THROUGH_CACHED])
    turns = [partial(_turn, stand, server, options) for server in servers]
    measured = stand.rounds(turns, options.rounds)
    groups = tables.grouped(measured)
    sentences = [
        f"{server}, {mode}: {_words(group)}" for (server, mode), group in sorted(groups.items(), key=_rate)
    ]
    figures = {"measurements": [one.as_dict() for one in measured]}
    sentences.append(tables.disturbance(measured))
    return Report("Paced refreshes", sentences, tables.HEAD, tables.rows(measured), figures)


def _turn(stand: Stand, server: Server, options: Options) -> Iterator[Measurement]:
    with stand.started(server) as running:
        stand.load(running, "refresh", options.load.settled())
        for rate in RATES:
            load = replace(options.load, rate=rate, window=WINDOW, extra=("--warmup", WARMUP_S))
            one = stand.measure(server, running, "refresh", load)
            yield replace(one, mode=f"refresh, {rate}/s")


def _rate(item: tuple[tuple[str, str], list[Measurement]]) -> float:
    return float(item[1][0].load["rate_target"])


def _words(group: list[Measurement]) -> str:
    p50, p99 = (tables.median_of(group, partial(_latency, name)) for name in ("p50_ms", "p99_ms"))
    cores = tables.median_of(group, lambda one: one.cost_us * one.per_s / 1e6)
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, worker and database together {cores:.2f} cores"


def _latency(name: str, one: Measurement) -> float:
    return float(one.load[name])
