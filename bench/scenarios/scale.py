"""Whether the number of bindings matters: refreshes among 1,000 of them and among many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from bench import tables
from bench.measuring import Measurement, Stand
from bench.options import Options
from bench.report import Report
from bench.servers import Product

FEW: Final = 1_000


def scale(stand: Stand, options: Options) -> Report:
    product = Product(stand.cluster, options.workers)
    turns = [partial(_turn, stand, product, options, count) for count in (FEW, options.count)]
    measured = stand.rounds(turns, options.rounds)
    few, many = tables.grouped(measured).values()
    rate = tables.median_of(many, lambda one: one.per_s) / tables.median_of(few, lambda one: one.per_s)
    cost = tables.median_of(many, lambda one: one.cost_us) / tables.median_of(few, lambda one: one.cost_us)
    sentences = [
        f"{options.count:,} bindings / {FEW:,} bindings: rate {rate:.2f}x, CPU of server and database {cost:.2f}x",
        tables.disturbance(measured),
    ]
    figures = {"measurements": [one.as_dict() for one in measured]}
    return Report("Scale", sentences, tables.HEAD, tables.rows(measured), figures)


def _turn(stand: Stand, product: Product, options: Options, count: int) -> Iterator[Measurement]:
    with stand.started(product) as running:
        one = stand.measure(product, running, "refresh", replace(options.load, users=count))
        yield replace(one, mode=f"refresh, {count:,} bindings")
