"""`./run bench [WHAT]`: the product, others and the ceilings side by side. See README.md."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench import kamailio, loader, tables
from bench.database import cluster, settings_text
from bench.loader import BenchError
from bench.machine import describe
from bench.measuring import Load, Measurement, Stand
from bench.servers import Echo, Product, Server
from registrar_admin.config import PROJECT_DIR

FOLDER: Final = PROJECT_DIR / "var" / "bench"
WRONG_USE: Final = 2


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    try:
        with _stand(options.users) as stand:
            measured = _measure(stand, options)
            print(_report(stand, measured))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return WRONG_USE
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("what", nargs="?", default="table", choices=["side", "table"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--modes", default="refresh,initial")
    return parser.parse_args(arguments)


@contextlib.contextmanager
def _stand(users: int) -> Iterator[Stand]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    program = loader.build(FOLDER)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=FOLDER))
    folder.chmod(0o711)  # the database's own account has to pass
    try:
        with cluster(folder) as database:
            Product(database).prepare(users)
            if kamailio.is_installed():
                kamailio.prepare(database, users)
            yield Stand(database, program)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(stand: Stand, options: argparse.Namespace) -> list[Measurement]:
    product = Product(stand.cluster, options.workers)
    servers: list[Server] = [product]
    if kamailio.is_installed():
        variants = (kamailio.WRITE_THROUGH_CACHED,) if options.what == "side" else kamailio.VARIANTS
        servers += [kamailio.Kamailio(variant, stand.cluster) for variant in variants]
    else:
        print(
            "bench: without Kamailio. On Debian: apt-get install kamailio kamailio-postgres-modules",
            file=sys.stderr,
        )
    if options.what == "table":
        servers.append(Echo(product))
    load = Load(options.users, options.window, options.seconds)
    return stand.rounds(
        servers,
        load,
        options.rounds,
        lambda one: print(tables.line(one), flush=True),
        options.modes.split(","),
    )


def _report(stand: Stand, measured: list[Measurement]) -> str:
    machine = describe(stand.cluster.url, stand.cluster.folder, PROJECT_DIR)
    parts = ["", *tables.ratios(measured, "ours"), "", tables.table(measured), "", machine.as_text()]
    return "\n".join([*parts, settings_text(), tables.disturbance(measured)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
