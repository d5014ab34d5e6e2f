"""One measurement: the loader against a running server, and whose CPU time it took; and rounds of them."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench import loader
from bench.database import Cluster
from bench.loader import LoadRun
from bench.machine import DISTURBED_CORES, Busy, wait_for_calm
from bench.processes import cpu_s
from bench.servers import Product, Running, Server

LONGEST_STALL_MS: Final = 250.0
RENEWED_BEFORE: Final = 3
"""Times, before what a phone does counts: most phones there are registered long ago."""
FIRST: Final = "first"
"""Each phone registers once, where no phone ever was."""
SLOWEST_PER_S: Final = 2_500
"""Any server here renews at least so many."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the loader is told besides server and mode. No sources: each phone has an address of its own."""

    users: int = 10_000
    window: int = 256
    seconds: float = 5.0
    rate: float = 0.0
    sources: int = 0
    extra: tuple[str, ...] = ()

    def arguments(self, address: str, mode: str) -> list[str]:
        options = [
            "--server",
            address,
            "--mode",
            mode,
            "--users",
            str(self.users),
            "--window",
            str(self.window),
        ]
        options += ["--seconds", str(self.seconds), "--sources", str(self.sources or self.users)]
        options += ["--rate", str(self.rate)] if self.rate else []
        return [*options, *self.extra]

    def settled(self) -> Load:
        """The first times of each phone are not measured."""
        return replace(
            self, extra=(*self.extra, "--warmup", str(self.users * RENEWED_BEFORE / SLOWEST_PER_S))
        )


@dataclass(frozen=True, slots=True)
class Measurement:
    """`load` is the loader's result. The others: cores that none of server, database and loader used."""

    server: str
    mode: str
    load: dict[str, Any]
    server_cpu_s: float
    database_cpu_s: float
    others_cores: float
    stolen_cores: float
    round: int = 0

    @property
    def is_disturbed(self) -> bool:
        """Others took the CPU, or the whole machine was halted: then the loader stood still."""
        stalled = float(self.load["stalled_ms"]) > LONGEST_STALL_MS
        return stalled or self.others_cores + self.stolen_cores > DISTURBED_CORES

    @property
    def per_s(self) -> float:
        return float(self.load["per_s"])

    @property
    def server_us(self) -> float:
        return self._each_us(self.server_cpu_s)

    @property
    def database_us(self) -> float:
        return self._each_us(self.database_cpu_s)

    @property
    def client_us(self) -> float:
        return self._each_us(float(self.load["client_cpu_s"]))

    @property
    def cost_us(self) -> float:
        """CPU microseconds of server and database together for one registration."""
        return self.server_us + self.database_us

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def _each_us(self, seconds: float) -> float:
        return seconds / max(int(self.load["done"]), 1) * 1e6


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    server_s: float
    database_s: float
    busy: Busy


@dataclass(frozen=True, slots=True)
class Stand:
    """Where measurements are made: the database, and the programs that register and that call. `tell` hears of each
    measurement."""

    cluster: Cluster
    program: Path
    caller: Path
    patience_s: float
    tell: Callable[[Measurement], None]

    def measure(self, server: Server, running: Running, mode: str, load: Load) -> Measurement:
        """Loads the server until the loader ends."""
        command = [str(self.program), *load.arguments(running.address, mode)]
        return self.measured(command, server.name, mode, running.process.pid)

    def load(
        self,
        running: Running,
        mode: str,
        load: Load,
        on_second: Callable[[dict[str, Any]], None] = lambda told: None,
    ) -> LoadRun:
        """As measure, but processes may come and go. `on_second` hears each line of --series."""

        def hear(event: str, told: dict[str, Any]) -> None:
            if event == "second":
                on_second(told)

        return loader.run([str(self.program), *load.arguments(running.address, mode)], hear)

    def turn(self, server: Server, load: Load, modes: Sequence[str]) -> Iterator[Measurement]:
        """The server begun anew on an empty database, in each of `modes` that it knows."""
        with self.started(server) as running:
            for mode in server.modes:
                if mode == "echo":
                    yield self.measure(server, running, mode, load)
                elif mode == FIRST and mode in modes:
                    once = replace(load, extra=("--once",))
                    yield replace(self.measure(server, running, "initial", once), mode=mode)
                elif mode in modes:
                    yield self.measure(server, running, mode, load.settled())

    @contextlib.contextmanager
    def started(self, server: Server) -> Iterator[Running]:
        """The server on a database without registrations, after a checkpoint: no run pays for the one before."""
        server.reset()
        self.cluster.checkpoint()
        with server.running() as running:
            yield running

    def writes(self, product: Product, load: Load) -> Iterator[Measurement]:
        """The database alone: as many processes as the product has workers write what refreshes write."""
        with self.started(product) as running:
            loader.run(
                [str(self.program), *replace(load, extra=("--once",)).arguments(running.address, "initial")]
            )
        self.cluster.checkpoint()
        command = [sys.executable, "-m", "bench.writes", "--url", self.cluster.url]
        command += ["--seconds", str(load.seconds), "--processes", str(product.worker_count)]
        yield self.measured(command, "database alone, batches of 256", "writes", None)

    def rounds(
        self,
        turns: Sequence[Callable[[], Iterator[Measurement]]],
        count: int,
    ) -> list[Measurement]:
        """Each in turn, `count` times; backwards every other time, so that nobody always follows the same."""
        measured = []
        for number in range(count):
            for turn in turns if number % 2 == 0 else reversed(turns):
                for one in turn():
                    measured.append(replace(one, round=number))
                    self.tell(measured[-1])
        return measured

    def measured(self, command: Sequence[str], name: str, mode: str, server_pid: int | None) -> Measurement:
        """What any load generator tells. CPU is counted between the "begin" and the "end" that it tells."""
        samples: dict[str, _Sample] = {}

        def hear(event: str, told: dict[str, Any]) -> None:
            server_s = 0.0 if server_pid is None else cpu_s(server_pid)
            samples[event] = _Sample(time.monotonic(), server_s, cpu_s(self.cluster.pid), Busy.now())

        wait_for_calm(self.patience_s)
        told = loader.run(command, hear)
        begin, end = samples["begin"], samples["end"]
        took_s = end.at - begin.at
        server_s, database_s = end.server_s - begin.server_s, end.database_s - begin.database_s
        others_s = end.busy.busy_s - begin.busy.busy_s - server_s - database_s - told.result["client_cpu_s"]
        return Measurement(
            server=name,
            mode=mode,
            load=told.result,
            server_cpu_s=server_s,
            database_cpu_s=database_s,
            others_cores=max(others_s, 0.0) / took_s,
            stolen_cores=(end.busy.stolen_s - begin.busy.stolen_s) / took_s,
        )
