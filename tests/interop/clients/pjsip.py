"""PJSIP through its PJSUA2 bindings, in an environment of its own: var/interop/venv (`./run interop` makes it).

This file is also the process: it imports nothing of ours, for ours is not installed there.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.contract import Login, Phone, Server

PYTHON = Path(__file__).resolve().parents[3] / "var" / "interop" / "venv" / "bin" / "python"
SETTLES_WITHIN_S = 8.0


class Pjsip:
    name = "PJSIP (pjsua2)"
    transports = ("UDP", "TCP", "TLS", "UDP/IPv6", "TCP/IPv6")

    def missing(self) -> str | None:
        try:
            subprocess.run([PYTHON, "-c", "import pjsua2"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return "pjsua2 is not installed in var/interop/venv"
        return None

    def version(self) -> str:
        if self.missing():
            return "?"
        code = "import pjsua2 as p; e = p.Endpoint(); e.libCreate(); print('PJSIP', e.libVersion().full)"
        done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=False)
        found = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("PJSIP ")]
        return found[0] if found else "?"

    def cannot(self, transport: str, algorithm: str) -> str | None:
        return "this package of PJSIP is built without IPv6" if transport.endswith("/IPv6") else None

    @contextmanager
    def phone(self, server: Server, transport: str, login: Login, folder: Path) -> Iterator[Phone]:
        from tests.interop.clients.lines import line_phone

        port = str(server.tls_port if transport == "TLS" else server.port)
        words = [str(PYTHON), __file__, login.username, login.password, server.host, port, transport.lower()]
        with line_phone(words, folder) as phone:
            yield phone


def _account_config(pj: Any, username: str, password: str, server: str, transport: str) -> Any:
    config = pj.AccountConfig()
    host = server.partition(":")[0]
    config.idUri = f"sip:{username}@{host}"
    config.regConfig.registrarUri = f"sip:{server};transport={transport}"
    config.regConfig.timeoutSec = 60
    config.regConfig.retryIntervalSec = 0
    config.regConfig.registerOnAdd = False
    config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", username, 0, password))
    return config


def main(username: str, password: str, host: str, port: str, transport: str) -> None:
    import pjsua2 as pj  # type: ignore[import-not-found, unused-ignore]

    class Account(pj.Account):  # type: ignore[misc, unused-ignore]
        answers = 0
        status = 0

        def onRegState(self, state: Any) -> None:
            self.answers += 1
            self.status = state.code

    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    endpoint.libInit(config)
    local = pj.TransportConfig()
    local.boundAddress = host
    kinds = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
    endpoint.transportCreate(kinds[transport], local)
    endpoint.audDevManager().setNullDev()
    endpoint.libStart()
    account = Account()
    account.create(_account_config(pj, username, password, f"{host}:{port}", transport))

    def settle() -> None:
        deadline, before = time.monotonic() + SETTLES_WITHIN_S, account.answers
        while account.answers == before and time.monotonic() < deadline:
            endpoint.libHandleEvents(20)

    for line in sys.stdin:
        account.status = 0
        account.setRegistration(line.strip() != "unregister")
        settle()
        print(f"interop: {'ok' if account.status == 200 else account.status}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
