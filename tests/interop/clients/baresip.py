"""Debian's baresip, told what to do over its control port (JSON in netstrings)."""

import itertools
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.contract import IPV6, NO_QUERY, SHORTEST_EXPIRES_S, CannotDo, Login, Phone, Server
from tests.interop.witness import comes_true

HOST = "127.0.0.1"
MODULES = ("/usr/lib/baresip/modules", "/usr/lib64/baresip/modules", "/usr/local/lib/baresip/modules")
STARTS_WITHIN_S = 5.0
REFRESH_EVERY_S = SHORTEST_EXPIRES_S + 1


class Baresip:
    name = "baresip"
    transports = ("UDP", "TCP", "TLS", *IPV6)

    def missing(self) -> str | None:
        if shutil.which("baresip") is None:
            return "baresip is not installed (apt-get install baresip-core)"
        return None if module_path() else "baresip's modules are not where Debian has them"

    def version(self) -> str:
        done = subprocess.run(["baresip", "-h"], capture_output=True, text=True, check=False)
        found = re.search(r"baresip v([\d.]+)", done.stdout + done.stderr)
        return found[1] if found else "?"

    def cannot(self, transport: str, algorithm: str) -> str | None:
        return (
            "baresip 1.0 has MD5 only, and stops where SHA-256 is offered beside it"
            if algorithm == "SHA-256" and self.version().startswith("1.0")
            else None
        )

    @contextmanager
    def phone(self, server: Server, transport: str, login: Login, folder: Path) -> Iterator[Phone]:
        control_port = free_port()
        config = [
            f"module_path {module_path()}",
            *("module_app account.so", "module_app menu.so", "module_app ctrl_tcp.so"),
            f"ctrl_tcp_listen {HOST}:{control_port}",
            f"sip_listen {server.uri_host}:0",
        ]
        with running(folder, config), Control(control_port) as control:
            yield BaresipPhone(control, server, transport, login)


@contextmanager
def running(folder: Path, config: Iterable[str]) -> Iterator[None]:
    """A baresip of its own, without an account."""
    (folder / "config").write_text("\n".join(config) + "\n")
    (folder / "accounts").write_text("")
    process = subprocess.Popen(
        ["baresip", "-f", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


class BaresipPhone:
    def __init__(self, control: "Control", server: Server, transport: str, login: Login) -> None:
        self.control = control
        self.aor = f"sip:{login.username}@{server.address_for(transport)}"
        self.account = (
            f"<{self.aor};transport={transport.lower()}>;auth_user={login.username};auth_pass={login.password}"
            f";regint={REFRESH_EVERY_S}"
        )

    def register(self) -> bool:
        self.control.command("uanew", self.account)
        return self.control.hears("REGISTER_OK", "REGISTER_FAIL") == "REGISTER_OK"

    def refresh(self) -> bool:
        """It has no button for that; it does it in time."""
        return self.control.hears("REGISTER_OK", "REGISTER_FAIL") == "REGISTER_OK"

    def query(self) -> bool:
        raise CannotDo(NO_QUERY)

    def unregister(self) -> bool:
        self.control.command("uadel", self.aor)
        return True


class Control:
    """The control port: commands out, events in."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.unread = b""

    def __enter__(self) -> "Control":
        assert comes_true(self._connected, STARTS_WITHIN_S), "baresip did not open its control port"
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def command(self, name: str, params: str) -> None:
        message = json.dumps({"command": name, "params": params, "token": name}).encode()
        self.socket.sendall(b"%d:%s," % (len(message), message))

    def hears(self, *events: str) -> str | None:
        """The first of these events to come, None if none came in time."""
        heard: list[str] = []
        wanted: Callable[[], bool] = lambda: any(event in events for event in self._events(heard))  # noqa: E731
        comes_true(wanted)
        return next((event for event in heard if event in events), None)

    def _events(self, heard: list[str]) -> list[str]:
        try:
            self.unread += self.socket.recv(65536)
        except TimeoutError:
            return heard
        while match := re.match(rb"(\d+):", self.unread):
            end = match.end() + int(match[1])
            if len(self.unread) <= end:
                break
            message = json.loads(self.unread[match.end() : end])
            self.unread = self.unread[end + 1 :]
            if message.get("event"):
                heard.append(message["type"])
        return heard

    def _connected(self) -> bool:
        try:
            self.socket = socket.create_connection((HOST, self.port), timeout=0.5)
        except OSError:
            return False
        return True


def module_path() -> str | None:
    return next(itertools.chain((path for path in MODULES if Path(path).is_dir()), [None]))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
