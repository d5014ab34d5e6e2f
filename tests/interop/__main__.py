"""`./run interop [NAME...]`: the product on free ports and an empty data folder, and every client that can be had.

Without names, docs/interop.md is written. "calls" tries calls alone, another name the clients whose name begins like
that. The exit code is 1 if something a client can do did not work.
"""

import datetime as dt
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from apps.sipserver.certificates import ensure_self_signed
from registrar_admin.config import PROJECT_DIR
from registrar_admin.embedded_postgres import EmbeddedPostgres
from registrar_admin.variables import VARIABLE_NAMES
from tests.interop.contract import Client, Server
from tests.interop.tls_proxy import tls_proxy
from tests.postgres import product_data_dir, product_environment

if TYPE_CHECKING:  # it needs Django, which is set up once the product runs
    from tests.interop.cases import Row

HOST, HOST_IPV6 = "127.0.0.1", "::1"
STARTS_WITHIN_S = 90
PAGE = PROJECT_DIR / "docs" / "interop.md"
ALGORITHMS = ("MD5", "SHA-256")
CALLS = "calls"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def product() -> Iterator[Server]:
    """The running product; Django of this process reads its database from then on."""
    with product_data_dir() as data_dir, tls_proxy(HOST, _certificate(data_dir)) as proxy:
        web, sip, sips = free_port(), free_port(), free_port()
        proxy.forward_to(web)
        # Each listens on both families where there are both.
        bind = "[::]" if _has_ipv6() else HOST
        ours = {
            "REGISTRAR_HTTP": f"{HOST}:{web}",
            "REGISTRAR_WEB_URL": f"https://{HOST}:{proxy.port}",
            "REGISTRAR_SIP": f"{bind}:{sip}",
            "REGISTRAR_SIPS": f"{bind}:{sips}",
            "REGISTRAR_DOMAIN": HOST,
        }
        environ = product_environment(data_dir, ours)
        output = data_dir / "output.txt"
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=PROJECT_DIR, env=environ, stdout=file, stderr=file
            )
            try:
                _wait_for(process, output)
                _look_into(data_dir, environ)
                yield _server(sip, sips, web, proxy.port)
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


def _certificate(data_dir: Path) -> Path:
    return ensure_self_signed(data_dir / "proxy", [HOST]).chain


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((HOST_IPV6, 0))
    except OSError:
        return False
    return True


def _server(sip: int, sips: int, web: int, secure_web: int) -> Server:
    speaks_sip = _speaks_sip(web)
    return Server(
        host=HOST,
        port=sip,
        tcp=_listens(sip),
        tls_port=sips if _listens(sips) else None,
        web_url=f"http://{HOST}:{web}" if speaks_sip else None,
        secure_web_url=f"https://{HOST}:{secure_web}" if speaks_sip else None,
        ipv6=_has_ipv6(),
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
    from tests.interop.clients.jssip import JsSip
    from tests.interop.clients.linphone import Linphone
    from tests.interop.clients.pjsip import Pjsip
    from tests.interop.clients.sipjs import SipJs
    from tests.interop.clients.sipp import Sipp
    from tests.interop.clients.sipsak import Sipsak

    return (Sipp(), Sipsak(), BaresipPython(), Baresip(), Linphone(), Pjsip(), SipJs(), JsSip())


def main(names: Sequence[str]) -> int:
    today = dt.datetime.now(tz=dt.UTC).date()
    with product() as server:
        from tests.interop.calls.runner import run_calls
        from tests.interop.calls.table import section
        from tests.interop.table import page

        rows = [] if names == [CALLS] else registrations(names, server)
        pairs, others = run_calls(server) if not names or CALLS in names else ([], [])
    parts = [page(rows, today)] if rows else []
    parts += [section(pairs, others, today)] if pairs else []
    text = "\n".join(parts)
    if names:
        print(text)
    else:
        PAGE.write_text(text)
    return int(any(row.failed for row in rows) or any(row.failed for row in [*pairs, *others]))


def registrations(names: Sequence[str], server: Server) -> "list[Row]":
    from tests.interop.cases import run_case
    from tests.interop.witness import Witness

    ipv4 = server, Witness(HOST)
    ipv6 = replace(server, host=HOST_IPV6), Witness(HOST_IPV6)
    rows = []
    for client in clients():
        if names and not any(client.name.lower().startswith(name.lower()) for name in names):
            continue
        for transport in client.transports:
            place, witness = ipv6 if transport.endswith("/IPv6") else ipv4
            for algorithm in ALGORITHMS:
                row = run_case(client, place, witness, transport, algorithm)
                print(row.client, transport, algorithm, row.steps, file=sys.stderr, flush=True)
                rows.append(row)
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
