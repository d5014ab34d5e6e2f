"""kill -9 under load: workers, the whole server, the database. Nothing that was acknowledged may be missing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from bench.ledger import Kept, compare, last_cseqs
from bench.loader import read_acknowledged
from bench.measuring import Stand
from bench.options import Options
from bench.processes import kill_tree, tree
from bench.report import Report
from bench.servers import Product, Running

HEAD: Final = ("killed", "load", "acknowledged phones", "missing", "older CSeq", "stored, 200 not heard")
FIRST_KILL_S: Final = 2
EVERY_S: Final = 3
Kill = Callable[[Stand, Running], None]


def kill(stand: Stand, options: Options) -> Report:
    product = Product(stand.cluster, options.workers)
    rows, figures = [], []
    for name, kills in KILLS.items():
        for mode in ("initial", "refresh"):
            kept = _killed(stand, product, options, mode, kills)
            rows.append([name, mode, kept.acknowledged, kept.missing, kept.older, kept.later])
            figures.append(
                {"killed": name, "mode": mode, "lost": kept.lost, "acknowledged": kept.acknowledged}
            )
    lost = sum(int(row[3]) + int(row[4]) for row in rows)
    sentence = f"Of {sum(int(row[2]) for row in rows):,} acknowledged registrations {lost} were lost."
    return Report("kill -9 under load", [sentence], HEAD, rows, {"kills": figures})


def _killed(stand: Stand, product: Product, options: Options, mode: str, kills: Kill) -> Kept:
    path = stand.cluster.folder / "acknowledged"
    extra = ("--series", "--ack-file", str(path), "--timeout", "8", "--drain", "1")
    load = replace(options.load, seconds=max(options.seconds, 9.0), extra=extra)
    loaded_s: list[float] = []
    with stand.started(product) as running:

        def on_second(told: dict[str, Any]) -> None:
            if mode == "initial" or told["refreshes"]:  # not while each registers for the first time
                loaded_s.append(told["at_s"])
            if len(loaded_s) >= FIRST_KILL_S and (len(loaded_s) - FIRST_KILL_S) % EVERY_S == 0:
                kills(stand, running)

        stand.load(running, mode, load, on_second)
    return compare(read_acknowledged(path), last_cseqs(stand.cluster.url))


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


KILLS: Final[dict[str, Kill]] = {
    "each worker, again and again": _kill_workers,
    "the whole SIP server": _kill_server,
    "PostgreSQL, immediately, again and again": _crash_database,
}
