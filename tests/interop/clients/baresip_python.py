"""baresip-python, the stack as a Python package; this module is also its process."""

import asyncio
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tests.interop.clients.lines import ANSWER, line_phone
from tests.interop.contract import IPV6, SHORTEST_EXPIRES_S, Login, Phone, Server

REFRESH_EVERY_S = SHORTEST_EXPIRES_S + 2


class BaresipPython:
    name = "baresip-python"
    transports = ("UDP", "TCP", "TLS", *IPV6)

    def missing(self) -> str | None:
        return None if importlib.util.find_spec("baresip") else "baresip-python is not installed"

    def version(self) -> str:
        return importlib.metadata.version("baresip-python") if self.missing() is None else "?"

    def cannot(self, transport: str, algorithm: str) -> str | None:
        return None

    @contextmanager
    def phone(self, server: Server, transport: str, login: Login, folder: Path) -> Iterator[Phone]:
        address = server.address_for(transport)
        words = [sys.executable, "-m", __name__, login.username, login.password, address, transport.lower()]
        words.append(server.host)
        with line_phone(words) as phone:
            yield phone


async def main(
    username: str, password: str, address: str, transport: Literal["udp", "tcp", "tls"], interface: str
) -> None:
    from baresip import Account, Config
    from baresip.runtime import Runtime
    from baresip.ua import UserAgent

    runtime = Runtime()
    await runtime.start(Config(net_interface=interface, native_log_level="error"))
    account = Account(
        user=username, domain=address, password=password, reg_interval=REFRESH_EVERY_S, transport=transport
    )
    phone = await UserAgent.create(runtime, account)
    loop = asyncio.get_running_loop()
    while command := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        try:
            # Told to register again while it is registered, it does nothing; it refreshes in time.
            if command != "refresh":
                await (phone.unregister(timeout=8) if command == "unregister" else phone.register(timeout=8))
            print(f"{ANSWER}ok", flush=True)
        except Exception as error:
            print(f"{ANSWER}{type(error).__name__}: {error}", flush=True)
    await runtime.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))  # type: ignore[arg-type]
