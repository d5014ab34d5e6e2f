"""`./run interop [NAME...]`: the product on free ports and an empty data folder, and every client that can be had.

Without names, docs/interop.md is written. The exit code is 1 if something a client can do did not work.
"""

import datetime as dt
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from registrar_admin.config import PROJECT_DIR
from registrar_admin.embedded_postgres import EmbeddedPostgres
from registrar_admin.variables import VARIABLE_NAMES
from tests.interop.contract import Client, Server
from tests.postgres import product_data_dir, product_environment

HOST = "127.0.0.1"
STARTS_WITHIN_S = 90
PAGE = PROJECT_DIR / "docs" / "interop.md"
ALGORITHMS = ("MD5", "SHA-256")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def product() -> Iterator[Server]:
    """The running product; Django of this process reads its database from then on."""
    with product_data_dir() as data_dir:
        web, sip, sips = free_port(), free_port(), free_port()
        ours = {"REGISTRAR_HTTP": f"{HOST}:{web}", "REGISTRAR_SIP": f"{HOST}:{sip}", "REGISTRAR_DOMAIN": HOST}
        if "REGISTRAR_SIPS" in VARIABLE_NAMES:
            ours["REGISTRAR_SIPS"] = f"{HOST}:{sips}"
        environ = product_environment(data_dir, ours)
        output = data_dir / "output.txt"
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=PROJECT_DIR, env=environ, stdout=file, stderr=file
            )
            try:
                _wait_for(process, output)
                _look_into(data_dir, environ)
                yield _server(sip, sips, web)
            finally:
                process.terminate()
                process.wait(15)


def _wait_for(process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while "Stop " not in output.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the product did not start:\n{output.read_text()}")
        time.sleep(0.1)


def _look_into(data_dir: Path, environ: dict[str, str]) -> None:
    os.environ.update({name: value for name, value in environ.items() if name in VARIABLE_NAMES})
    os.environ["DATABASE_URL"] = EmbeddedPostgres(data_dir).url
    os.environ["DJANGO_SETTINGS_MODULE"] = "registrar_admin.settings"
    # Playwright keeps an event loop in this thread; nothing else runs in it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    import django

    django.setup()


def _server(sip: int, sips: int, web: int) -> Server:
    web_url = f"http://{HOST}:{web}"
    return Server(
        host=HOST,
        port=sip,
        tcp=_listens(sip),
        tls_port=sips if _listens(sips) else None,
        web_url=web_url if _speaks_sip(web) else None,
    )


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _speaks_sip(web: int) -> bool:
    """Whether /sip is a WebSocket with the sub-protocol of RFC 7118."""
    handshake = (
        f"GET /sip HTTP/1.1\r\nHost: {HOST}:{web}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Origin: http://{HOST}:{web}\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    )
    try:
        with socket.create_connection((HOST, web), timeout=3) as connection:
            connection.sendall(handshake.encode())
            return connection.recv(1024).startswith(b"HTTP/1.1 101")
    except OSError:
        return False


def clients() -> Sequence[Client]:
    from tests.interop.clients.baresip import Baresip
    from tests.interop.clients.baresip_python import BaresipPython
    from tests.interop.clients.linphone import Linphone
    from tests.interop.clients.pjsip import Pjsip
    from tests.interop.clients.sipjs import SipJs
    from tests.interop.clients.sipp import Sipp
    from tests.interop.clients.sipsak import Sipsak

    return (Sipp(), Sipsak(), BaresipPython(), Baresip(), Linphone(), Pjsip(), SipJs())


def main(names: Sequence[str]) -> int:
    with product() as server:
        from tests.interop.cases import run_case
        from tests.interop.table import page
        from tests.interop.witness import Witness

        witness = Witness(HOST)
        rows = []
        for client in clients():
            if names and not any(client.name.lower().startswith(name.lower()) for name in names):
                continue
            for transport in client.transports:
                for algorithm in ALGORITHMS:
                    row = run_case(client, server, witness, transport, algorithm)
                    print(row.client, transport, algorithm, row.steps, file=sys.stderr, flush=True)
                    rows.append(row)
    text = page(rows, dt.datetime.now(tz=dt.UTC).date())
    if names:
        print(text)
    else:
        PAGE.write_text(text)
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
