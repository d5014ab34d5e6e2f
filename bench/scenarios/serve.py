"""Nothing is measured: the product runs on generated extensions, for a profiler or another load generator."""

from __future__ import annotations

import contextlib
import threading

from bench.extensions import DOMAIN, FIRST, PASSWORD_PREFIX
from bench.measuring import Stand
from bench.options import Options
from bench.report import Report
from bench.servers import Product


def serve(stand: Stand, options: Options) -> Report:
    """Until Ctrl-C."""
    with (
        stand.started(Product(stand.cluster, options.workers)) as running,
        contextlib.suppress(KeyboardInterrupt),
    ):
        last = FIRST + options.extensions_needed - 1
        print(f"SIP          {running.address}, process {running.process.pid}")
        print(f"phones       {FIRST} to {last} of {DOMAIN}, password {PASSWORD_PREFIX} and the user name")
        print(f"DATABASE_URL {stand.cluster.url}")
        print(f"log          {stand.cluster.folder / 'ours.log'}", flush=True)
        threading.Event().wait()
    return Report("Served", ["Nothing was measured."])
