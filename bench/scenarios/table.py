"""Registrations a second and what each costs: ours, others, and the ceilings of I/O and database."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bench import kamailio, tables
from bench.measuring import Measurement, Stand
from bench.options import Options
from bench.report import Report
from bench.servers import Echo, Product, Server


def side(stand: Stand, options: Options) -> Report:
    """Ours and the best known durable peer, and nothing else."""
    measured = _measured(stand, options, [kamailio.WRITE_THROUGH_CACHED], ceilings=False)
    return _report("Side by side", measured)


def table(stand: Stand, options: Options) -> Report:
    measured = _measured(stand, options, kamailio.VARIANTS, ceilings=True)
    return _report("Registrations a second", measured)


def _measured(
    stand: Stand, options: Options, variants: Sequence[kamailio.Variant], *, ceilings: bool
) -> list[Measurement]:
    product = Product(stand.cluster, options.workers)
    servers: list[Server] = [product, *kamailio.servers(stand.cluster, variants)]
    if ceilings:
        servers.append(Echo(product))
    turns = [partial(stand.turn, server, options.load, options.modes) for server in servers]
    if ceilings:
        turns.append(partial(stand.writes, product, options.load))
    return stand.rounds(turns, options.rounds)


def _report(title: str, measured: Sequence[Measurement]) -> Report:
    sentences = [*tables.ratios(measured, "ours"), *tables.shares_of_ceiling(measured, "ours")]
    sentences.append(tables.disturbance(measured))
    figures = {"measurements": [one.as_dict() for one in measured]}
    return Report(title, sentences, tables.HEAD, tables.rows(measured), figures)
