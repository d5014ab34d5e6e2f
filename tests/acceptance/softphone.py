"""A real SIP client (baresip) in a process of its own, so that a test can also kill it.

    python -m tests.acceptance.softphone USERNAME PASSWORD SERVER:PORT EXPIRES_S

Reads `register`, `unregister`, `quit` from standard input; says `registered`, `unregistered` or `failed …` on a line.
"""

import asyncio
import sys

from baresip import Account, Config
from baresip.runtime import Runtime
from baresip.ua import UserAgent

from tests.patience import PATIENCE_S


async def main(username: str, password: str, server: str, expires_s: str) -> None:
    runtime = Runtime()
    await runtime.start(Config(net_interface="127.0.0.1", native_log_level="error"))
    account = Account(user=username, domain=server, password=password, reg_interval=int(expires_s))
    phone = await UserAgent.create(runtime, account)
    loop = asyncio.get_running_loop()
    while (command := (await loop.run_in_executor(None, sys.stdin.readline)).strip()) not in {"", "quit"}:
        try:
            say = phone.register if command == "register" else phone.unregister
            await say(timeout=PATIENCE_S)
            print(f"{command}ed", flush=True)
        except Exception as error:
            print(f"failed {type(error).__name__}: {error}", flush=True)
    await runtime.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
