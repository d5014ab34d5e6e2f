"""`./run bench [WHAT]`: the product, others and the ceilings side by side. See README.md."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from bench import kamailio, loader, options, tables
from bench.database import cluster, settings_text
from bench.loader import BenchError
from bench.machine import Machine, describe
from bench.measuring import Stand
from bench.options import Options
from bench.report import Report
from bench.scenarios.calls import calls
from bench.scenarios.expiry import expiry
from bench.scenarios.kill import kill
from bench.scenarios.overload import overload
from bench.scenarios.paced import paced
from bench.scenarios.powercut import powercut
from bench.scenarios.scale import scale
from bench.scenarios.serve import serve
from bench.scenarios.soak import soak
from bench.scenarios.table import side, table
from bench.servers import Product
from registrar_admin.config import PROJECT_DIR

FOLDER: Final = PROJECT_DIR / "var" / "bench"
WRONG_USE: Final = 2
INTERRUPTED: Final = 130
SCENARIOS: Final[dict[str, tuple[Callable[[Stand, Options], Report], str]]] = {
    "table": (table, "ours, Kamailio in four ways, and the ceilings of I/O and database"),
    "side": (side, "ours and Kamailio write-through with cached credentials"),
    "paced": (paced, "latency at 500, 700 and 1,000 refreshes a second"),
    "scale": (scale, "refreshes among 1,000 bindings and among --count"),
    "soak": (soak, "half of what it can do for --minutes: memory and sizes"),
    "expiry": (expiry, "--count bindings expire in one second"),
    "powercut": (powercut, "--count phones are released at once"),
    "overload": (overload, "three times what it can do is asked for by --count phones"),
    "calls": (calls, "calls relayed and redirected, ours and Kamailio"),
    "kill": (kill, "kill -9 of workers, server and database under load"),
    "serve": (serve, "nothing is measured: the product runs for a profiler or another load generator"),
}


def main(arguments: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is ended in order
    chosen = options.parse(arguments, {name: meaning for name, (_, meaning) in SCENARIOS.items()})
    try:
        with _stand(chosen) as stand:
            report = SCENARIOS[chosen.what][0](stand, chosen)
            machine = describe(stand.cluster.url, stand.cluster.folder, PROJECT_DIR)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return WRONG_USE
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    _keep(report, machine, chosen)
    return 0


@contextlib.contextmanager
def _stand(chosen: Options) -> Iterator[Stand]:
    """Everything that goes again lies in one folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    program, caller = (loader.build(FOLDER, name) for name in ("load", "calls"))
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=FOLDER))
    folder.chmod(0o711)  # the database's own account has to pass
    try:
        with cluster(folder) as database:
            Product(database).prepare(chosen.extensions_needed, chosen.digest)
            if kamailio.is_installed():
                kamailio.prepare(database, chosen.users)
            else:
                _say("without Kamailio, which is not installed (Debian: kamailio, kamailio-postgres-modules)")
            yield Stand(
                database, program, caller, chosen.patience, lambda one: print(tables.line(one), flush=True)
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(report: Report, machine: Machine, chosen: Options) -> None:
    """On the terminal, and under var/bench/results as JSON and as Markdown."""
    text = "\n".join([report.as_markdown(), machine.as_text(), settings_text(), ""])
    print(f"\n{text}")
    results = FOLDER / "results"
    results.mkdir(exist_ok=True)
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{chosen.what}"
    kept = {"what": chosen.what, "machine": machine.as_dict(), **report.figures}
    (results / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")
    for path in filter(None, (results / f"{name}.md", chosen.markdown)):
        path.write_text(text)
    _say(f"kept as {results.relative_to(PROJECT_DIR)}/{name}.json and .md")


def _say(sentence: str) -> None:
    print(f"bench: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
