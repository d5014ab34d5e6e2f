"""Whether the number of bindings matters: refreshes among 1,000 of them and among many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Final

from bench import tables
from bench.measuring import Measurement, Stand
from bench.options import Options
from bench.processes import memory_bytes
from bench.report import Report
from bench.servers import Product

FEW: Final = 1_000


def scale(stand: Stand, options: Options) -> Report:
    product = Product(stand.cluster, options.workers)
    memory: dict[int, list[int]] = {FEW: [], options.count: []}
    turns = [partial(_turn, stand, product, options, count, memory[count]) for count in memory]
    measured = stand.rounds(turns, options.rounds)
    few, many = tables.grouped(measured).values()
    rate = tables.ratio_of(many, few, lambda one: one.per_s)
    cost = tables.ratio_of(many, few, lambda one: one.cost_us)
    less, more = (median(each) for each in memory.values())
    sentences = [
        f"{options.count:,} bindings / {FEW:,} bindings: rate {rate:.2f}x, CPU of server and database {cost:.2f}x.",
        f"Memory of the server {more / 1e6:.0f} MB / {less / 1e6:.0f} MB: "
        f"{(more - less) / (options.count - FEW):,.0f} bytes a binding.",
        tables.disturbance(measured),
    ]
    figures = {"measurements": [one.as_dict() for one in measured], "memory_bytes": memory}
    return Report("Scale", sentences, tables.HEAD, tables.rows(measured), figures)


def _turn(
    stand: Stand, product: Product, options: Options, count: int, memory: list[int]
) -> Iterator[Measurement]:
    with stand.started(product) as running:
        one = stand.measure(product, running, "refresh", replace(options.load, users=count).settled())
        memory.append(memory_bytes(running.process.pid))
        yield replace(one, mode=f"refresh, {count:,} bindings")
