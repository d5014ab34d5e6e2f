"""SIPp: each step is one run of a scenario file, within one Call-ID as a phone would."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.contract import IPV6, Login, Phone, Server
from tests.interop.witness import comes_true

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
MODES = {"UDP": "u1", "TCP": "t1"}
# Any port of the range the kernel hands out would do; the contact must stay the same from run to run.
CONTACT_PORT = 5999
EXPIRES_S = 60
STEP_WITHIN_S = 6.0


class Sipp:
    name = "SIPp"
    transports = ("UDP", "TCP", *IPV6)

    def missing(self) -> str | None:
        return None if shutil.which("sipp") else "sipp is not installed (apt-get install sip-tester)"

    def version(self) -> str:
        done = subprocess.run(["sipp", "-v"], capture_output=True, text=True, check=False)
        found = re.search(r"SIPp v([\d.]+)", done.stdout + done.stderr)
        return found[1] if found else "?"

    def cannot(self, transport: str, algorithm: str) -> str | None:
        if algorithm == "SHA-256":
            return "SIPp 3.6 has MD5 only"
        return None

    @contextmanager
    def phone(self, server: Server, transport: str, login: Login, folder: Path) -> Iterator[Phone]:
        if transport == "UDP":
            yield SippPhone(server, login, folder)
            return
        phone = SippConnection(server, login, folder)
        try:
            yield phone
        finally:
            phone.close()


def command(server: Server, transport: str, login: Login, scenario: str, **keys: int) -> list[str]:
    words = [
        *(
            "sipp",
            server.address,
            "-sf",
            str(SCENARIOS / f"{scenario}.xml"),
            "-nostdin",
            "-t",
            MODES[transport],
        ),
        *("-i", server.host, "-m", "1", "-l", "1", "-cid_str", f"{login.username}-%s"),
        *("-s", login.username, "-au", login.username, "-ap", login.password),
        *("-nd", "-timeout", "20", "-timeout_error", "-recv_timeout", "4000", "-trace_logs"),
    ]
    for name, value in {"contact_port": CONTACT_PORT, "expires": EXPIRES_S, **keys}.items():
        words += ["-key", name, str(value)]
    return words


class SippPhone:
    """Over UDP each step is a run of its own."""

    def __init__(self, server: Server, login: Login, folder: Path) -> None:
        self.server, self.login, self.folder = server, login, folder
        self.cseq = 0

    def register(self) -> bool:
        return self._run("register")

    def refresh(self) -> bool:
        return self._run("register")

    def query(self) -> bool:
        return self._run("query")

    def unregister(self) -> bool:
        return self._run("unregister")

    def _run(self, scenario: str) -> bool:
        self.cseq += 2
        words = command(self.server, "UDP", self.login, scenario, first=self.cseq, second=self.cseq + 1)
        return (
            subprocess.run(words, cwd=self.folder, capture_output=True, timeout=25, check=False).returncode
            == 0
        )


class SippConnection:
    """Over TCP one run does all steps, and writes into its log how far it is."""

    def __init__(self, server: Server, login: Login, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            command(server, "TCP", login, "connection"),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def register(self) -> bool:
        return self._said("registered")

    def refresh(self) -> bool:
        return self._said("refreshed")

    def query(self) -> bool:
        return self._said("queried")

    def unregister(self) -> bool:
        return self._said("unregistered") and self.process.wait(5) == 0

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def _said(self, word: str) -> bool:
        comes_true(lambda: word in self._log() or self.process.poll() is not None, STEP_WITHIN_S)
        return word in self._log()

    def _log(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("*_logs.log"))
