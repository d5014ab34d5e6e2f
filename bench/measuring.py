"""One measurement: the loader against a running server, and whose CPU time it took; and rounds of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from bench import loader
from bench.database import Cluster
from bench.machine import Busy
from bench.processes import cpu_s
from bench.servers import Running, Server

DISTURBED_CORES: Final = 0.2
"""More than this taken by others, and a measurement is marked."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the loader is told besides server and mode."""

    users: int = 10_000
    window: int = 256
    seconds: float = 5.0
    rate: float = 0.0
    sources: int = 1
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
        options += ["--seconds", str(self.seconds), "--sources", str(self.sources)]
        options += ["--rate", str(self.rate)] if self.rate else []
        return [*options, *self.extra]


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
    seconds: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_disturbed(self) -> bool:
        return self.others_cores + self.stolen_cores > DISTURBED_CORES

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
    """Where measurements are made: the database, and the loader's program."""

    cluster: Cluster
    program: Path

    def measure(self, server: Server, running: Running, mode: str, load: Load) -> Measurement:
        """Loads the server until the loader ends. CPU is counted between its "begin" and its "end"."""
        samples: dict[str, _Sample] = {}

        def sample(event: str) -> None:
            samples[event] = self._sample(running.process.pid)

        told = loader.run(self.program, load.arguments(running.address, mode), sample)
        begin, end = samples["begin"], samples["end"]
        took_s = end.at - begin.at
        server_s, database_s = end.server_s - begin.server_s, end.database_s - begin.database_s
        others_s = end.busy.busy_s - begin.busy.busy_s - server_s - database_s - told.result["client_cpu_s"]
        return Measurement(
            server=server.name,
            mode=mode,
            load=told.result,
            server_cpu_s=server_s,
            database_cpu_s=database_s,
            others_cores=max(others_s, 0.0) / took_s,
            stolen_cores=(end.busy.stolen_s - begin.busy.stolen_s) / took_s,
            seconds=told.seconds,
        )

    def _sample(self, pid: int) -> _Sample:
        return _Sample(time.monotonic(), cpu_s(pid), cpu_s(self.cluster.pid), Busy.now())

    def rounds(
        self,
        servers: Sequence[Server],
        load: Load,
        count: int,
        tell: Callable[[Measurement], None],
        modes: Iterable[str] | None = None,
    ) -> list[Measurement]:
        """`count` rounds; in each every server in turn, begun anew on an empty database, backwards every other time."""
        measured = []
        for number in range(count):
            for server in servers if number % 2 == 0 else list(reversed(servers)):
                for one in self._turn(server, load, modes):
                    told = replace(one, round=number)
                    tell(told)
                    measured.append(told)
        return measured

    def _turn(self, server: Server, load: Load, modes: Iterable[str] | None) -> Iterable[Measurement]:
        wanted = [mode for mode in server.modes if modes is None or mode in modes or mode == "echo"]
        server.reset()
        self.cluster.checkpoint()
        with server.running() as running:
            for mode in wanted:
                yield self.measure(server, running, mode, load)
