"""Debian's baresip as a telephone: without a sound card, its microphone is its loudspeaker."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from apps.sip.uri import format_host
from tests.interop.calls.contract import PATIENT_S, SEEN_WITHIN_S, Heard, Sign, Signs, Telephone
from tests.interop.clients.baresip import HOST, STARTS_WITHIN_S, Baresip, free_port, module_path, running
from tests.interop.contract import Login, Server
from tests.interop.witness import comes_true

REGISTER_EVERY_S = 300
SIGNS = {
    "CALL_INCOMING": Sign.RUNG,
    "CALL_RINGING": Sign.RINGING,
    "CALL_ESTABLISHED": Sign.TALKING,
    "CALL_CLOSED": Sign.ENDED,
}


class BaresipMaker(Baresip):
    declines_with = 486

    @contextmanager
    def telephone(
        self, server: Server, transport: str, login: Login, folder: Path, rings_s: int = PATIENT_S
    ) -> Iterator[Telephone]:
        control_port = free_port()
        configuration = _configuration(server, control_port, rings_s)
        with running(folder, configuration), _connected(control_port) as control:
            yield BaresipTelephone(control, server, transport, login)


class BaresipTelephone:
    def __init__(self, control: socket.socket, server: Server, transport: str, login: Login) -> None:
        self.control, self.server, self.transport, self.login = control, server, transport, login
        self.signs = Signs(_messages(control), _sign)

    def register(self) -> None:
        self._say(
            "uanew",
            f"<sip:{self.login.username}@{self.server.address};transport={self.transport.lower()}>"
            f";auth_user={self.login.username};auth_pass={self.login.password};regint={REGISTER_EVERY_S}",
        )

    def dial(self, number: str) -> None:
        self._say("dial", f"sip:{number}@{self.server.address}")

    def answer(self) -> None:
        self._say("accept")

    def decline(self) -> None:
        self._say("hangup")

    def hang_up(self) -> None:
        self._say("hangup")

    def sees(self, *signs: Sign, within_s: float = SEEN_WITHIN_S) -> Heard | None:
        return self.signs.first_of(signs, within_s)

    def _say(self, command: str, params: str = "") -> None:
        message = json.dumps({"command": command, "params": params, "token": command}).encode()
        self.control.sendall(b"%d:%s," % (len(message), message))


@contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    found: list[socket.socket] = []

    def connect() -> bool:
        try:
            found.append(socket.create_connection((HOST, port)))
        except OSError:
            return False
        return True

    assert comes_true(connect, STARTS_WITHIN_S), "baresip did not open its control port"
    with found[0] as control:
        yield control
        control.shutdown(socket.SHUT_RDWR)


def _messages(control: socket.socket) -> Iterator[str]:
    """JSON in netstrings, until the connection ends."""
    unread = b""
    with suppress(OSError):
        while data := control.recv(65536):
            unread += data
            while match := re.match(rb"(\d+):", unread):
                end = match.end() + int(match[1])
                if len(unread) <= end:
                    break
                yield unread[match.end() : end].decode(errors="replace")
                unread = unread[end + 1 :]


def _sign(message: str) -> tuple[Sign, str] | None:
    told = json.loads(message)
    sign = SIGNS.get(told.get("type", "")) if told.get("event") else None
    return (sign, str(told.get("param", ""))) if sign else None


def _configuration(server: Server, control_port: int, rings_s: int) -> list[str]:
    return [
        f"module_path {module_path()}",
        *("module g711.so", "module aubridge.so"),
        *("module_app account.so", "module_app menu.so", "module_app ctrl_tcp.so"),
        f"ctrl_tcp_listen {HOST}:{control_port}",
        f"sip_listen {format_host(server.bind_host)}:0",
        f"call_local_timeout {rings_s}",
        *("audio_source aubridge,own", "audio_player aubridge,own", "audio_alert aubridge,bell"),
    ]
