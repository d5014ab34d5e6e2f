"""Processes of a measurement: what CPU time a tree of them has used, and their end, by process id only."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
STOP_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Usage:
    """One process: its parent, and the CPU seconds of itself and of children that have ended."""

    parent: int
    cpu_s: float


def read_usage(text: str) -> Usage:
    """From /proc/PID/stat; the name in brackets may hold anything."""
    fields = text[text.rindex(")") + 2 :].split()
    return Usage(int(fields[1]), sum(int(field) for field in fields[11:15]) / _TICKS_PER_S)


def tree(root: int) -> dict[int, Usage]:
    """The processes under `root`, itself included, by id."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found[int(entry.name)] = read_usage((entry / "stat").read_text(errors="replace"))
    wanted, grew = {root}, True
    while grew:
        children = {pid for pid, usage in found.items() if usage.parent in wanted}
        grew = not children <= wanted
        wanted |= children
    return {pid: usage for pid, usage in found.items() if pid in wanted}


def cpu_s(root: int) -> float:
    """CPU seconds that the tree has used until now."""
    return sum(usage.cpu_s for usage in tree(root).values())


def memory_bytes(root: int) -> int:
    """The proportional share of memory (Pss) of the tree."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def kill_tree(root: int) -> None:
    """kill -9 of every process of the tree, children of the children first."""
    for pid in sorted(tree(root), reverse=True):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def running(
    argv: list[str], log: Path, *, environ: dict[str, str], cwd: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The process; ended in order with the block, and killed with its children if it does not end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                kill_tree(process.pid)
                process.wait()
