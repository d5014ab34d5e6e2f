"""PJSIP as a telephone. This file is also the process, in the environment that has PJSIP and nothing of ours."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.calls.contract import Heard, Sign, Telephone
    from tests.interop.contract import Login, Server

PATIENT_S = 60
SEEN_WITHIN_S = 8.0
DECLINED, GAVE_UP = 486, 480
REPLIES = {"answer": 200, "decline": DECLINED, "hangup": 603}


class PjsipMaker:
    name = "PJSIP (pjsua2)"
    declines_with = DECLINED

    def missing(self) -> str | None:
        from tests.interop.clients.pjsip import Pjsip

        return Pjsip().missing()

    def version(self) -> str:
        from tests.interop.clients.pjsip import Pjsip

        return Pjsip().version()

    @contextmanager
    def telephone(
        self, server: Server, transport: str, login: Login, folder: Path, rings_s: int = PATIENT_S
    ) -> Iterator[Telephone]:
        from tests.interop.clients.pjsip import PYTHON

        process = subprocess.Popen(
            [
                *(str(PYTHON), __file__, login.username, login.password, server.uri_host, str(server.port)),
                *(transport.lower(), str(rings_s)),
            ],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            yield PjsipTelephone(process, login)
        finally:
            process.kill()
            process.wait()


class PjsipTelephone:
    def __init__(self, process: subprocess.Popen[str], login: Login) -> None:
        from tests.interop.calls.contract import Signs

        self.process, self.login = process, login
        assert process.stdout is not None
        self.signs = Signs(process.stdout, _sign)

    def register(self) -> None:
        self._say("register")

    def dial(self, number: str) -> None:
        self._say(f"dial {number}")

    def answer(self) -> None:
        self._say("answer")

    def decline(self) -> None:
        self._say("decline")

    def hang_up(self) -> None:
        self._say("hangup")

    def sees(self, *signs: Sign, within_s: float = SEEN_WITHIN_S) -> Heard | None:
        return self.signs.first_of(signs, within_s)

    def _say(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()


def _sign(line: str) -> tuple[Sign, str] | None:
    from tests.interop.calls.contract import Sign

    name, _, words = line.strip().partition(" ")
    return (Sign[name], words) if name in Sign.__members__ else None


def _tell(sign: str, words: object = "") -> None:
    print(sign, words, flush=True)


def main(username: str, password: str, host: str, port: str, transport: str, rings_s: str) -> None:
    import pjsua2 as pj  # type: ignore[import-not-found, unused-ignore]

    calls: list[Any] = []

    class Call(pj.Call):  # type: ignore[misc, unused-ignore]
        gives_up_at: float | None = None

        def onCallState(self, prm: Any) -> None:
            info = self.getInfo()
            if info.state == pj.PJSIP_INV_STATE_EARLY and info.role == pj.PJSIP_ROLE_UAC:
                _tell("RINGING")
            elif info.state == pj.PJSIP_INV_STATE_CONFIRMED:
                self.gives_up_at = None
                _tell("TALKING")
            elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
                calls.remove(self)
                _tell("ENDED", f"{info.lastStatusCode} {info.lastReason}")

        def reply(self, status: int) -> None:
            parameters = pj.CallOpParam()
            parameters.statusCode = status
            (self.hangup if status >= 300 else self.answer)(parameters)

        def tire(self) -> None:
            if self.gives_up_at and time.monotonic() > self.gives_up_at:
                self.gives_up_at = None
                self.reply(GAVE_UP)

    class Account(pj.Account):  # type: ignore[misc, unused-ignore]
        def onIncomingCall(self, prm: Any) -> None:
            call = Call(self, prm.callId)
            calls.append(call)
            call.gives_up_at = time.monotonic() + int(rings_s)
            call.reply(180)
            _tell("RUNG")

    def obey(word: str, number: str) -> None:
        if word == "register":
            account.setRegistration(True)
        elif word == "dial":
            calls.append(Call(account))
            calls[-1].makeCall(f"sip:{number}@{host}:{port};transport={transport}", pj.CallOpParam(True))
        elif calls:
            calls[-1].reply(REPLIES[word])

    endpoint = _endpoint(pj, transport)
    account = Account()
    account.create(_account_config(pj, username, password, f"{host}:{port}", transport))
    for command in _commands():
        endpoint.libHandleEvents(10)
        for call in list(calls):
            call.tire()
        if command:
            word, _, number = command.partition(" ")
            obey(word, number)


def _endpoint(pj: Any, transport: str) -> Any:
    """Started, on a port of its own, without a sound card and without threads."""
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    endpoint.libInit(config)
    kinds = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP}
    endpoint.transportCreate(kinds[transport], pj.TransportConfig())
    endpoint.audDevManager().setNullDev()
    endpoint.libStart()
    return endpoint


def _account_config(pj: Any, username: str, password: str, server: str, transport: str) -> Any:
    config = pj.AccountConfig()
    config.idUri = f"sip:{username}@{server.rpartition(':')[0]}"
    config.regConfig.registrarUri = f"sip:{server};transport={transport}"
    config.regConfig.timeoutSec = 300
    config.regConfig.registerOnAdd = False
    config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", username, 0, password))
    return config


def _commands() -> Iterator[str]:
    """Each line of standard input, and "" whenever there is none."""
    unread = b""
    while True:
        if not select.select([0], [], [], 0)[0]:
            yield ""
            continue
        data = os.read(0, 4096)
        if not data:
            return
        *lines, unread = (unread + data).split(b"\n")
        yield from (line.decode() for line in lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
