"""kill -9 under load: workers, the whole server, the database. Nothing that was acknowledged may be missing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from bench import kamailio
from bench.kamailio import Kamailio
from bench.ledger import Kept, compare
from bench.loader import read_acknowledged
from bench.measuring import Stand
from bench.options import Options
from bench.processes import kill_tree, tree
from bench.report import Report
from bench.servers import Product, Running

HEAD: Final = (
    "server",
    "killed",
    "load",
    "acknowledged phones",
    "missing",
    "older CSeq",
    "stored, 200 not heard",
)
FIRST_KILL_S: Final = 2
EVERY_S: Final = 3
SHORTEST_S: Final = 9.0
Kill = Callable[[Stand, Running], None]


def kill(stand: Stand, options: Options) -> Report:
    product = Product(stand.cluster, options.workers)
    others = kamailio.servers(stand.cluster, [kamailio.WRITE_THROUGH_CACHED, kamailio.WRITE_BACK])
    plan: list[tuple[Product | Kamailio, str, Kill]] = [(product, name, each) for name, each in KILLS.items()]
    plan += [(other, SERVER, _kill_server) for other in others]
    rows: list[list[object]] = []
    lost = {product.name: 0}
    for server, name, kills in plan:
        for mode in ("initial", "refresh"):
            kept = _killed(stand, server, options, mode, kills)
            rows.append([server.name, name, mode, kept.acknowledged, kept.missing, kept.older, kept.later])
            lost[server.name] = lost.get(server.name, 0) + kept.lost
    sentences = [f"{name}: {count:,} acknowledged registrations were lost." for name, count in lost.items()]
    return Report("kill -9 under load", sentences, HEAD, rows, {"kills": rows, "lost": lost})


def _killed(stand: Stand, server: Product | Kamailio, options: Options, mode: str, kills: Kill) -> Kept:
    path = stand.cluster.folder / "acknowledged"
    extra = ("--series", "--ack-file", str(path), "--timeout", "8", "--drain", "1")
    load = replace(options.load, seconds=max(options.seconds, SHORTEST_S), extra=extra)
    loaded_s: list[float] = []
    with stand.started(server) as running:

        def on_second(told: dict[str, Any]) -> None:
            if mode == "initial" or told["refreshes"]:  # not while each registers for the first time
                loaded_s.append(told["at_s"])
            if len(loaded_s) >= FIRST_KILL_S and (len(loaded_s) - FIRST_KILL_S) % EVERY_S == 0:
                kills(stand, running)

        stand.load(running, mode, load, on_second)
    return compare(read_acknowledged(path), server.last_cseqs())


def _kill_workers(stand: Stand, running: Running) -> None:
    """Their parent lives and starts others."""
    for pid in tree(running.process.pid):
        if pid != running.process.pid:
            os.kill(pid, signal.SIGKILL)


def _kill_server(stand: Stand, running: Running) -> None:
    """For good: the phones hear nothing from then on."""
    kill_tree(running.process.pid)


def _crash_database(stand: Stand, running: Running) -> None:
    """An immediate stop, then a start with recovery from the log."""
    stand.cluster.crash()


SERVER: Final = "the whole SIP server"
KILLS: Final[dict[str, Kill]] = {
    "each worker, again and again": _kill_workers,
    SERVER: _kill_server,
    "PostgreSQL, immediately, again and again": _crash_database,
}
