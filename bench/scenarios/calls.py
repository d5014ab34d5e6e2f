"""Calls through the server, beside Kamailio: how many a second, what they cost, and what the way through adds.

The caller is a trunk trusted by its address (Kamailio asks nobody who it is); the callee is a registered phone that
answers at once. Latencies are from the INVITE to the 180, or to the 302 of a redirected call.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from bench import kamailio, loader, tables
from bench.measuring import Load, Measurement, Stand
from bench.options import Options
from bench.processes import memory_bytes
from bench.report import Report
from bench.servers import HOST, Product, Running, Server, free_port
from bench.trunks import REDIRECTED, RELAYED

PHONES: Final = 1_000
PACED_PER_S: Final = 100
PACED: Final = f"relayed, {PACED_PER_S}/s"
RINGING: Final = 1_000
BEGUN_PER_S: Final = 100
DIRECT: Final = "no server in between"
SETTLED_S: Final = 2.0
"""What the registrations leave to do is over, and Kamailio's too."""


def calls(stand: Stand, options: Options) -> Report:
    product = Product(stand.cluster, options.workers)
    servers: list[Server] = [product, *kamailio.servers(stand.cluster, [kamailio.CALLS])]
    turns = [partial(_turn, stand, server, options) for server in servers]
    measured = stand.rounds([*turns, partial(_direct, stand, options)], options.rounds)
    each = {server.name: _bytes_a_call(stand, server) for server in servers}
    sentences = [*tables.ratios(measured, product.name), *added(measured)]
    sentences += [f"{name}: {size / 1024:.1f} KiB for each call that rings" for name, size in each.items()]
    sentences.append(tables.disturbance(measured))
    figures = {"measurements": [one.as_dict() for one in measured], "bytes_a_call": each}
    return Report("Calls", sentences, tables.HEAD, tables.rows(measured), figures)


def added(measured: Sequence[Measurement]) -> list[str]:
    """What each server adds to the time until it rings, by the medians of all rounds."""
    groups = tables.grouped(measured)
    direct = groups[DIRECT, PACED]
    return [
        f"{server} adds {_ms(group, 'p50_ms') - _ms(direct, 'p50_ms'):.1f} ms (p50), "
        f"{_ms(group, 'p99_ms') - _ms(direct, 'p99_ms'):.1f} ms (p99) until it rings, at {PACED_PER_S} calls a second"
        for (server, mode), group in groups.items()
        if mode == PACED and server != DIRECT
    ]


def _ms(group: Sequence[Measurement], name: str) -> float:
    return tables.median_of(group, lambda one: float(one.load[name]))


def _turn(stand: Stand, server: Server, options: Options) -> Iterator[Measurement]:
    seconds = ("--seconds", str(options.seconds))
    with stand.started(server) as running:
        callee = _registered(stand, running)
        relayed = [*_command(stand, running.address, callee), *seconds]
        for mode, more in (
            ("relayed", ("--caller", RELAYED)),
            (PACED, ("--caller", RELAYED, "--rate", str(PACED_PER_S))),
            ("redirected", ("--caller", REDIRECTED, "--redirect")),
        ):
            yield stand.measured([*relayed, *more], server.name, mode, running.process.pid)


def _direct(stand: Stand, options: Options) -> Iterator[Measurement]:
    """What the two ends take by themselves."""
    callee = f"{HOST}:{free_port()}"
    paced = ("--rate", str(PACED_PER_S), "--seconds", str(options.seconds))
    yield stand.measured([*_command(stand, callee, callee), *paced], DIRECT, PACED, None)


def _bytes_a_call(stand: Stand, server: Server) -> float:
    """How much more memory the server has while RINGING calls ring at once."""
    begin_s = RINGING / BEGUN_PER_S
    command = ["--window", str(RINGING), "--rate", str(BEGUN_PER_S), "--ring", "60", "--caller", RELAYED]
    with stand.started(server) as running:
        callee = _registered(stand, running)
        # Its caches, and the pages that any call needs, are there before.
        loader.run([*_command(stand, running.address, callee), "--seconds", "2", "--caller", RELAYED])
        sizes: dict[str, int] = {}

        def hear(event: str, told: dict[str, Any]) -> None:
            sizes[event] = memory_bytes(running.process.pid)

        timed = ("--warmup", "0", "--seconds", str(begin_s + 1))
        loader.run([*_command(stand, running.address, callee), *command, *timed], hear)
    return (sizes["end"] - sizes["begin"]) / RINGING


def _registered(stand: Stand, running: Running) -> str:
    """The address that all phones registered from, where nobody listens yet."""
    port = free_port()
    phones = Load(PHONES, window=64, sources=1, extra=("--once", "--port", str(port)))
    loader.run([str(stand.program), *phones.arguments(running.address, "initial")])
    time.sleep(SETTLED_S)
    return f"{HOST}:{port}"


def _command(stand: Stand, server: str, callee: str) -> list[str]:
    return [str(stand.caller), "--server", server, "--callee", callee, "--users", str(PHONES)]
