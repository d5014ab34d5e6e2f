"""The ceiling of the database: what a refresh has to write, batch after batch and commit after commit, without SIP.

`python -m bench.writes` speaks to its parent as the loader does. The rows are those of phones that registered before;
each of its processes has a connection and a part of them. A batch is one statement with one JSON parameter.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

import psycopg

ROWS: Final = """
SELECT b.aor, b.binding_id::text, n.nonce
FROM (SELECT aor, binding_id, row_number() OVER (ORDER BY aor) AS number FROM registrar_binding) AS b
JOIN (SELECT nonce, row_number() OVER (ORDER BY nonce) AS number FROM registrar_nonceuse) AS n USING (number)
WHERE b.number %% %(processes)s = %(part)s
"""

REFRESH: Final = """
WITH r AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(rows)s) AS r(aor text, binding_id uuid, nonce text, cseq bigint)
), refreshed AS (
    UPDATE registrar_binding AS b
    SET cseq = r.cseq, refreshed_at = statement_timestamp(), expires_at = statement_timestamp() + interval '1 hour',
        refresh_count = b.refresh_count + 1
    FROM r WHERE b.aor = r.aor AND b.binding_id = r.binding_id
    RETURNING r.nonce
)
UPDATE registrar_nonceuse AS n SET nc = n.nc + 1 FROM refreshed WHERE n.nonce = refreshed.nonce
"""


@dataclass(frozen=True, slots=True)
class Written:
    """What one process did: rows, the seconds of each transaction, CPU seconds of its own."""

    rows: int
    took_s: list[float]
    cpu_s: float


class Writer:
    """The phones of one process over one connection."""

    def __init__(self, url: str, part: int, processes: int, batch: int) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        found = self.connection.execute(ROWS, {"part": part, "processes": processes}).fetchall()
        rows = [{"aor": aor, "binding_id": binding_id, "nonce": nonce} for aor, binding_id, nonce in found]
        self.batches = [rows[at : at + batch] for at in range(0, len(rows), batch)]

    def write(self, seconds: float) -> Written:
        """Batch after batch, from the first again after the last."""
        took_s: list[float] = []
        count, cpu_s = 0, time.process_time()
        began = now = time.monotonic()
        while now < began + seconds:
            rows = self.batches[len(took_s) % len(self.batches)]
            text = json.dumps([{**row, "cseq": 10 + len(took_s)} for row in rows], separators=(",", ":"))
            self.connection.execute(REFRESH, {"rows": text})
            before, now = now, time.monotonic()
            took_s.append(now - before)
            count += len(rows)
        return Written(count, took_s, time.process_time() - cpu_s)


def result(told: Sequence[Written], seconds: float) -> dict[str, Any]:
    """In the loader's words: a registration is a row, and as slow as its transaction."""
    took_s = sorted(each for one in told for each in one.took_s)
    done = sum(one.rows for one in told)

    def ms(share: float) -> float:
        return round(took_s[min(int(share * len(took_s)), len(took_s) - 1)] * 1e3, 3) if took_s else 0.0

    return {
        "seconds": seconds,
        "done": done,
        "per_s": round(done / seconds, 1),
        "p50_ms": ms(0.5),
        "p99_ms": ms(0.99),
        "p999_ms": ms(0.999),
        "retransmissions": 0,
        "deferred": 0,
        "stalled_ms": 0.0,
        "failures": 0,
        "client_cpu_s": round(sum(one.cpu_s for one in told), 3),
    }


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    context = multiprocessing.get_context("spawn")
    pipes = []
    for part in range(options.processes):
        pipe, other = context.Pipe()
        context.Process(target=_serve, args=(other, options, part), daemon=True).start()
        pipes.append(pipe)
    for pipe in pipes:
        pipe.recv()
    _tell({"event": "begin"})
    for pipe in pipes:
        pipe.send("go")
    told = [pipe.recv() for pipe in pipes]
    _tell({"event": "end"})
    _tell({"event": "result", "mode": "writes", **result(told, options.seconds)})
    return 0


def _serve(pipe: Connection, options: argparse.Namespace, part: int) -> None:
    writer = Writer(options.url, part, options.processes, options.batch)
    writer.write(options.warmup)
    pipe.send("ready")
    pipe.recv()
    pipe.send(writer.write(options.seconds))


def _tell(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.writes")
    parser.add_argument("--url", required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch", type=int, default=256)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
