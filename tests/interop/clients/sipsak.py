"""sipsak: each step is one run."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.contract import IPV6, Login, Phone, Server


class Sipsak:
    name = "sipsak"
    transports = ("UDP", "TCP", *IPV6)

    def missing(self) -> str | None:
        return None if shutil.which("sipsak") else "sipsak is not installed (apt-get install sipsak)"

    def version(self) -> str:
        done = subprocess.run(["sipsak", "--version"], capture_output=True, text=True, check=False)
        found = re.search(r"sipsak ([\d.]+)", done.stdout + done.stderr)
        return found[1] if found else "?"

    def cannot(self, transport: str, algorithm: str) -> str | None:
        if transport.endswith("/IPv6"):
            return "sipsak 0.9.8.1 reads no IPv6 address"
        if transport == "TCP":
            return "each step is a connection of its own, and its end ends the binding"
        return "sipsak 0.9.8.1 stops at a SHA-256 challenge" if algorithm == "SHA-256" else None

    @contextmanager
    def phone(self, server: Server, transport: str, login: Login, folder: Path) -> Iterator[Phone]:
        yield SipsakPhone(server, login)


class SipsakPhone:
    def __init__(self, server: Server, login: Login) -> None:
        self.server, self.login = server, login

    def register(self) -> bool:
        return self._run(self._contact, "60")[0]

    def refresh(self) -> bool:
        return self.register()

    def query(self) -> bool:
        done, output = self._run("empty", "60")
        return done and self._contact in output

    def unregister(self) -> bool:
        return self._run(self._contact, "0")[0]

    @property
    def _contact(self) -> str:
        return f"sip:{self.login.username}@{self.server.uri_host}:7777"

    def _run(self, contact: str, expires: str) -> tuple[bool, str]:
        command = [
            *("sipsak", "-U", "-vvv", "-C", contact, "-x", expires, "-H", self.server.host),
            *("-s", f"sip:{self.login.username}@{self.server.address}"),
            *("-u", self.login.username, "-a", self.login.password),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        return done.returncode == 0, done.stdout
