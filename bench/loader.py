"""The load generator (load/): built once, run as a child, its JSON lines read."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

SOURCES: Final = Path(__file__).with_name("load")
COMPILERS: Final = ("cc", "gcc", "clang")


OnEvent = Callable[[str, dict[str, Any]], None]


class BenchError(RuntimeError):
    """One sentence for the person at the terminal: what is missing or went wrong."""


@dataclass(frozen=True, slots=True)
class LoadRun:
    """What one run of the loader told: its result, and its line of each second if it was asked for them."""

    result: dict[str, Any]
    seconds: list[dict[str, Any]] = field(default_factory=list)


def build(folder: Path, name: str = "load") -> Path:
    """The compiled load generator in `folder`, made anew when its source is newer. BenchError without a C compiler."""
    program = folder / name
    newest = max(path.stat().st_mtime for path in SOURCES.iterdir())
    if program.exists() and program.stat().st_mtime >= newest:
        return program
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise BenchError("The load generator needs a C compiler. On Debian: apt-get install gcc libc6-dev")
    folder.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-O2", "-Wall", "-o", str(program), str(SOURCES / f"{name}.c"), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"The load generator could not be compiled: {done.stderr.strip()[-500:]}")
    return program


def run(command: Sequence[str], on_event: OnEvent = lambda event, told: None) -> LoadRun:
    """Runs the loader to its end. `on_event` hears "begin" and "end" of the measured time and each "second" as they
    come."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = read_lines(process.stdout, on_event)
        _, errors = process.communicate()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode or told is None:
        raise BenchError(f"The load generator failed: {errors.strip() or f'exit code {process.returncode}'}")
    return told


def read_lines(lines: Iterable[str], on_event: OnEvent = lambda event, told: None) -> LoadRun | None:
    """None when the lines end without a result."""
    seconds, result = [], None
    for line in lines:
        told = json.loads(line)
        event = told.pop("event")
        if event == "result":
            result = told
            continue
        if event == "second":
            seconds.append(told)
        on_event(event, told)
    return None if result is None else LoadRun(result, seconds)


def read_acknowledged(path: Path, margin_s: int = 20) -> dict[str, int]:
    """The ack file: the CSeq of the last 200 by user name. Without what has ended, or soon will: that may be gone."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {user: int(cseq) for user, cseq, left_s in lines if int(left_s) > margin_s}
