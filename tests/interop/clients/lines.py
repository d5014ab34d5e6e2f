"""A client in a process of its own that reads a command per line and answers each with one line: "ok" or why not."""

import os
import selectors
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.interop.contract import NO_QUERY, CannotDo

PROJECT_DIR = Path(__file__).resolve().parents[3]
ANSWERS_WITHIN_S = 15.0
ANSWER = "interop: "


class LinePhone:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def register(self) -> bool:
        return self._say("register")

    def refresh(self) -> bool:
        return self._say("refresh")

    def query(self) -> bool:
        raise CannotDo(NO_QUERY)

    def unregister(self) -> bool:
        return self._say("unregister")

    def _say(self, command: str) -> bool:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self._answer() == "ok"

    def _answer(self) -> str:
        """The answer; whatever else the client's libraries print is passed over."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while selector.select(ANSWERS_WITHIN_S):
                line: str = self.process.stdout.readline()
                if not line:
                    return "it ended"
                if line.startswith(ANSWER):
                    return line.removeprefix(ANSWER).strip()
        return "no answer"


@contextmanager
def line_phone(command: Sequence[str], cwd: Path = PROJECT_DIR) -> Iterator[LinePhone]:
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    )
    try:
        yield LinePhone(process)
    finally:
        process.kill()
        process.communicate()
