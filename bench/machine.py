"""The machine a figure was measured on, and how busy it was meanwhile."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import psycopg

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
DISTURBED_CORES: Final = 0.2
"""More than this taken by others, and a measurement is marked."""
LOOK_S: Final = 0.5
PROBES: Final = 100
PAGE_BYTES: Final = 8192


@dataclass(frozen=True, slots=True)
class Busy:
    """CPU seconds of all cores since the machine started."""

    busy_s: float
    stolen_s: float

    @classmethod
    def now(cls) -> Self:
        return cls.read(Path("/proc/stat").read_text())

    @classmethod
    def read(cls, text: str) -> Self:
        """From /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal."""
        ticks = [int(field) / _TICKS_PER_S for field in text.split("\n", 1)[0].split()[1:9]]
        return cls(sum(ticks[:3]) + ticks[5] + ticks[6], ticks[7])


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    model: str
    memory_gib: int
    system: str
    kernel: str
    python: str
    postgresql: str
    fdatasync_us: int
    receive_buffer_kib: int
    commit: str
    at: str

    def as_text(self) -> str:
        return (
            f"{self.at}, commit {self.commit}. {self.cores} cores ({self.model}), {self.memory_gib} GiB, "
            f"{self.system}, Linux {self.kernel}, Python {self.python}, PostgreSQL {self.postgresql}, "
            f"fdatasync {self.fdatasync_us} µs, net.core.rmem_max {self.receive_buffer_kib} KiB. "
            "Load, servers and database share this machine."
        )

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def describe(database_url: str, disk: Path, project: Path) -> Machine:
    """`disk` is a folder on the disk of the database."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return Machine(
        cores=os.cpu_count() or 1,
        model=_line_of("/proc/cpuinfo", "model name"),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        system=_system(),
        kernel=platform.release(),
        python=platform.python_version(),
        postgresql=str(row[0]).split(" ")[0] if row else "unknown",
        fdatasync_us=fdatasync_us(disk),
        receive_buffer_kib=int(Path("/proc/sys/net/core/rmem_max").read_text()) // 1024,
        commit=_commit(project),
        at=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    )


def wait_for_calm(patience_s: float) -> None:
    """Until the machine is left alone, or `patience_s` are over. What is to be measured must be idle."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        before = Busy.now()
        time.sleep(LOOK_S)
        if (Busy.now().busy_s - before.busy_s) / LOOK_S < DISTURBED_CORES:
            return


def fdatasync_us(folder: Path) -> int:
    """How long the disk takes for one page: the median, in microseconds. A commit cannot be faster."""
    path, times = folder / "fdatasync.probe", []
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, bytes(PAGE_BYTES))
        os.fsync(descriptor)
        for number in range(PROBES):
            began = time.perf_counter()
            os.pwrite(descriptor, bytes([number % 256]) * PAGE_BYTES, 0)
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return round(statistics.median(times) * 1e6)


def _line_of(path: str, name: str) -> str:
    for line in Path(path).read_text(errors="replace").splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown processor"


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _commit(project: Path) -> str:
    command = ["git", "-C", str(project), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
