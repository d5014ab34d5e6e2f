"""Linphone's console client as a telephone, told what to do on standard input."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.calls.contract import PATIENT_S, SEEN_WITHIN_S, Heard, Sign, Signs, Telephone
from tests.interop.clients.linphone import Linphone, configuration
from tests.interop.contract import Login, Server

SIGNS = (
    (r"Receiving new incoming call", Sign.RUNG),
    (r"Call \d+ to .* ringing", Sign.RINGING),
    (r"Call \d+ with .* connected", Sign.TALKING),
    (r"Call \d+ with .*? ended (.*)", Sign.ENDED),
    (r"Call \d+ with .*? error", Sign.ENDED),
)
UNSAID = "refused, it does not say why"


class LinphoneMaker(Linphone):
    declines_with = 603

    @contextmanager
    def telephone(
        self, server: Server, transport: str, login: Login, folder: Path, rings_s: int = PATIENT_S
    ) -> Iterator[Telephone]:
        for place in (".local/share/linphone", ".config/linphone"):
            (folder / place).mkdir(parents=True)
        settings = configuration(server, transport, login, refresh_every_s=300)
        (folder / "linphonerc").write_text(settings.replace("[sip]", f"[sip]\ninc_timeout={rings_s}"))
        # Its lines stay in a buffer unless it writes to what it takes for a terminal.
        process = subprocess.Popen(
            ["stdbuf", "-oL", "linphonec", "-c", str(folder / "linphonerc")],
            cwd=folder,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
        try:
            yield LinphoneTelephone(process, server, login)
        finally:
            process.kill()
            process.wait()

    def missing(self) -> str | None:
        return super().missing() or (None if shutil.which("stdbuf") else "stdbuf is not installed")


class LinphoneTelephone:
    """It registers as soon as it runs."""

    def __init__(self, process: "subprocess.Popen[str]", server: Server, login: Login) -> None:
        self.process, self.server, self.login = process, server, login
        assert process.stdout is not None
        self.signs = Signs(process.stdout, _sign)

    def register(self) -> None:
        """It has begun."""

    def dial(self, number: str) -> None:
        self._say(f"call sip:{number}@{self.server.uri_host}")

    def answer(self) -> None:
        self._say("answer")

    def decline(self) -> None:
        self._say("terminate")

    def hang_up(self) -> None:
        self._say("terminate")

    def sees(self, *signs: Sign, within_s: float = SEEN_WITHIN_S) -> Heard | None:
        return self.signs.first_of(signs, within_s)

    def _say(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()


def _sign(line: str) -> tuple[Sign, str] | None:
    for pattern, sign in SIGNS:
        if found := re.search(pattern, line):
            return sign, found[1] if found.lastindex else UNSAID
    return None
