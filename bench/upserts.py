"""The ceiling of the database: the statements of a batch of refreshes (apps/registrar/sql.py), and nothing else.

`python -m bench.upserts` speaks to its parent as the loader does. Each of its processes has a connection and a part
of the AORs. A batch is locked, written and committed as the product does; nothing is read and no SIP is spoken.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import multiprocessing
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, Final

import psycopg

from apps.registrar import sql
from apps.registrar.bindings import ChangeSet, NonceRecord, StoredBinding
from bench.extensions import DOMAIN, FIRST

EXPIRES: Final = dt.timedelta(hours=1)
RESPONSE: Final = bytes(450)
"""As long as a 200 OK is."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one process did: rows, the seconds of each transaction, CPU seconds of its own."""

    rows: int
    took_s: list[float]
    cpu_s: float


class Writer:
    """One process's phones, written batch after batch over one connection."""

    def __init__(self, url: str, first: int, count: int, batch: int) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        phones = [_phone(number) for number in range(first, first + count)]
        self.batches = [phones[at : at + batch] for at in range(0, count, batch)]
        self.turn = 0

    def write_all(self, until: float = float("inf")) -> Written:
        """Each batch once, in order; stops at `until` of the monotonic clock."""
        rows, took_s, cpu_s = 0, [], time.process_time()
        self.turn += 1
        for phones in self.batches:
            began = time.monotonic()
            if began >= until:
                break
            self._write(phones)
            took_s.append(time.monotonic() - began)
            rows += len(phones)
        return Written(rows, took_s, time.process_time() - cpu_s)

    def _write(self, phones: Sequence[tuple[StoredBinding, NonceRecord]]) -> None:
        now = dt.datetime.now(dt.UTC)
        until = now + EXPIRES
        changes = ChangeSet(
            upserts=[replace(row, cseq=self.turn, refreshed_at=now, expires_at=until) for row, _ in phones],
            nonces=[replace(nonce, nc=self.turn, expires_at=until) for _, nonce in phones],
        )
        keys = sql.lock_keys(row.aor for row, _ in phones)
        with self.connection.pipeline(), self.connection.transaction():
            self.connection.execute(sql.LOCK_AORS, {"keys": keys})
            for statement, params in sql.write_statements(changes):
                self.connection.execute(statement, params)


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    context = multiprocessing.get_context("spawn")
    share = options.users // options.processes
    pipes, children = [], []
    for number in range(options.processes):
        pipe, other = context.Pipe()
        range_of_phones = (FIRST + number * share, share)
        child = context.Process(target=_serve, args=(other, options, *range_of_phones), daemon=True)
        child.start()
        pipes.append(pipe)
        children.append(child)
    for pipe in pipes:
        pipe.recv()
    _tell({"event": "begin"})
    for pipe in pipes:
        pipe.send("go")
    told = [pipe.recv() for pipe in pipes]
    _tell({"event": "end"})
    _tell({"event": "result", "mode": "upserts", **result(told, options.seconds)})
    for child in children:
        child.join()
    return 0


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
        "failures": 0,
        "client_cpu_s": round(sum(one.cpu_s for one in told), 3),
    }


def _serve(pipe: Connection, options: argparse.Namespace, first: int, count: int) -> None:
    writer = Writer(options.url, first, count, options.batch)
    writer.write_all()
    pipe.send("ready")
    pipe.recv()
    until = time.monotonic() + options.seconds
    turns = []
    while time.monotonic() < until:
        turns.append(writer.write_all(until))
    rows, cpu_s = sum(turn.rows for turn in turns), sum(turn.cpu_s for turn in turns)
    pipe.send(Written(rows, [each for turn in turns for each in turn.took_s], cpu_s))


def _phone(number: int) -> tuple[StoredBinding, NonceRecord]:
    now = dt.datetime.now(dt.UTC)
    contact = f"sip:{number}@127.0.0.1:{10_000 + number % 50_000}"
    binding = StoredBinding(
        aor=f"sip:{number}@{DOMAIN}",
        binding_id=uuid.uuid4(),
        binding_key=contact,
        peer_id=uuid.uuid4(),
        extension_id=uuid.uuid4(),
        contact=contact,
        q=None,
        received_addr="127.0.0.1",
        received_port=10_000 + number % 50_000,
        transport="UDP",
        path="",
        instance_id=None,
        reg_id=None,
        call_id=f"{number:08x}-bench",
        cseq=0,
        user_agent="load/1.0",
        registered_at=now,
        refreshed_at=now,
        expires_at=now + EXPIRES,
    )
    return binding, NonceRecord(f"{number:040d}", 0, bytes(16), RESPONSE, now + EXPIRES)


def _tell(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.upserts")
    parser.add_argument("--url", required=True)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch", type=int, default=256)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
