"""The product behind a real PgBouncer in transaction mode, by hand (apt-get install pgbouncer).

    .venv/bin/python -m tests.runtime.try_pooler

Two connections to PostgreSQL serve all of the web. Shown: `up` refuses the pooler as the direct address; with both
addresses it starts; pages, lists and the CSV answer while many ask at once; every registration reaches every open page;
a test phone gets its turn. pytest does not collect this file.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from registrar_admin.config import PROJECT_DIR
from registrar_admin.embedded_postgres import EmbeddedPostgres
from tests.acceptance.bench_words import PASSWORD, PEERS, filled, product
from tests.live.bench_live import SESSIONS, delays
from tests.live.bench_phones import Phones
from tests.live.bench_viewers import Viewer, read_pages
from tests.postgres import product_data_dir, product_environment

PHONES: Final = 200
POOLER_PORT: Final = 6432
ADDRESSES: Final = (
    "/",
    "/?q=1001",
    "/registrations.csv",
    "/extensions/",
    "/events/",
    "/sites/",
    "/settings/",
)
CONFIG: Final = """[databases]
registrar = host={host} port={port} dbname=registrar user=registrar
[pgbouncer]
pool_mode = transaction
default_pool_size = 2
max_client_conn = 200
auth_type = any
listen_addr =
listen_port = {own_port}
unix_socket_dir = {folder}
logfile = {folder}/pgbouncer.log
"""


@contextmanager
def pooler(database_url: str) -> Iterator[str]:
    """Its address; it listens on a socket in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="pooler-") as name:
        folder, parts = Path(name), conninfo_to_dict(database_url)
        given = {"host": parts["host"], "port": parts["port"], "folder": folder, "own_port": POOLER_PORT}
        (folder / "pgbouncer.ini").write_text(CONFIG.format(**given))
        command = [shutil.which("pgbouncer") or "pgbouncer", str(folder / "pgbouncer.ini")]
        if os.geteuid() == 0:
            owner = Path(str(parts["host"])).owner()  # who may enter the folder of PostgreSQL's socket
            shutil.chown(folder, owner)
            command += ["-u", owner]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            while not (folder / f".s.PGSQL.{POOLER_PORT}").exists():
                assert process.poll() is None
                time.sleep(0.05)
            try:
                yield f"postgresql://registrar@/registrar?host={quote(name, safe='')}&port={POOLER_PORT}"
            finally:
                process.terminate()


def show_refusal(pooled: str) -> None:
    with product_data_dir() as data_dir:
        done = subprocess.run(
            [sys.executable, "manage.py", "up", "--prepare-only"],
            cwd=PROJECT_DIR,
            env=product_environment(data_dir, {"DATABASE_URL": pooled}),
            capture_output=True,
            text=True,
            check=False,
        )
    print(f"the pooler alone: exit code {done.returncode}: {done.stderr.strip()}")
    assert done.returncode == 2, done


def ask(url: str, session: str) -> int:
    request = urllib.request.Request(url, headers={"Cookie": f"sessionid={session}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
        return int(answer.status)


async def show(url: str, server: tuple[str, int], sessions: list[str]) -> None:
    pages = await asyncio.to_thread(read_pages, url, sessions[0], 4)
    viewers = [
        await Viewer.open(url, session, pages[index % 4]) for index, session in enumerate(sessions[:20])
    ]
    tasks = [asyncio.create_task(viewer.run()) for viewer in viewers]
    phones = Phones(server, [str(100_000 + index) for index in range(PHONES)])
    await phones.open()
    records = await phones.steadily(40, PHONES / 40)
    with ThreadPoolExecutor(16) as pool:
        asked = [f"{url}{address}" for address in ADDRESSES * 40]
        statuses = list(pool.map(ask, asked, sessions[: len(asked)] * 2))
    await asyncio.sleep(3)
    seen = [delay for viewer in viewers for delay in delays(records, viewer.seen, viewer.page)]
    print(f"{len(seen)} sights of {len(records)} registrations by {len(viewers)} open pages, none missing")
    print(f"{len(statuses)} answers to 16 at once: {sorted(set(statuses))}")
    for viewer in viewers:
        await viewer.socket.close()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    with product_data_dir() as folder, EmbeddedPostgres(folder) as database, pooler(database.url) as pooled:
        show_refusal(pooled)
        given = {"DATABASE_URL": pooled, "DATABASE_DIRECT_URL": database.url}
        with tempfile.NamedTemporaryFile() as file:
            script = filled(PEERS, PHONES) + SESSIONS.replace("SESSIONS_FILE", file.name)
            with product(script, given) as started:
                asyncio.run(show(started.url, started.sip, file.read().decode().split()))
                command = [sys.executable, "manage.py", "try_credentials", "100000"]
                subprocess.run(
                    command,
                    cwd=PROJECT_DIR,
                    env=started.environ,
                    input=f"{PASSWORD}\n",
                    text=True,
                    check=True,
                )


if __name__ == "__main__":
    main()
