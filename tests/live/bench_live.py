"""How soon open pages say it, what they cost, and what browsers that read nothing do to a SIP worker.

    .venv/bin/python -m tests.live.bench_live [--phones 10000] [--rounds 3] [--seconds 40]

Starts the product with its own database on free ports and registers the phones over SIP for 300 s each. Then, while
phones refresh as often as that takes and five a second of those on show sign off and on again:

1. 50 browsers, three of them real Chromium pages: from just before the packet is sent to the change in the DOM, or at
   the others to the message that carries it. The commit lies in between.
2. The same with 200.
3. How long a REGISTER takes with 50 browsers, and with 500 more that open a page and never read; in turn, `rounds`
   times.

All on one machine and by its one clock. pytest does not collect this file.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg
from playwright.async_api import Browser, Page, async_playwright

from registrar_admin.embedded_postgres import embedded_database_url
from tests.acceptance.bench_words import PEERS, filled, product
from tests.live import bench_phones
from tests.live.bench_phones import EXPIRES_S, Record
from tests.live.bench_viewers import (
    OBSERVE,
    Seen,
    ShownPage,
    Viewer,
    open_stuck,
    read_pages,
    seen_by,
)

PAGES, CHROMIUMS, STUCK = 10, 3, 500
CHANGES_A_SECOND = 5.0
STUCK_CLOSED_WITHIN_S = 45.0
ALL_SEEN_WITHIN_S = 60.0
SESSIONS = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from apps.accounts.models import User
user = User.objects.get()
keys = []
for _ in range(200):
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    keys.append(session.session_key)
open("SESSIONS_FILE", "w").write(" ".join(keys))
"""
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class Web:
    """The web process as /proc shows it, and the transactions of its database."""

    def __init__(self, url: str, database_url: str) -> None:
        self.database = psycopg.connect(database_url, autocommit=True)
        port = url.rpartition(":")[2].encode()
        self.folder = next(
            entry
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit()
            and (words := _command_line(entry))
            and b"daphne" in words
            and port in words
        )

    def cpu_s(self) -> float:
        fields = (self.folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND

    def transactions(self) -> int:
        """Of all processes, but for what PostgreSQL has not counted yet."""
        query = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        row = self.database.execute(query).fetchone()
        assert row
        return int(row[0])

    def open_files(self) -> int:
        return len(list((self.folder / "fd").iterdir()))

    def memory_mb(self) -> float:
        status = (self.folder / "status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _command_line(entry: Path) -> list[bytes]:
    with contextlib.suppress(OSError):
        return (entry / "cmdline").read_bytes().split(b"\0")
    return []


def line(name: str, values: Iterable[float], unit: str = "ms") -> tuple[float, float]:
    found = sorted(values)
    p50, p99 = statistics.median(found), found[max(0, round(len(found) * 0.99) - 1)]
    print(
        f"  {name}: {len(found)}, p50 {p50:.1f} {unit}, p99 {p99:.1f} {unit}, most {found[-1]:.1f} {unit}",
        flush=True,
    )
    return p50, p99


def delays(records: Iterable[Record], seen: Seen, page: ShownPage) -> list[float]:
    """Milliseconds from each packet of a phone on the page to the first sight after it; AssertionError for none."""
    found, shown = [], set(page.numbers.values())
    for number, sent, _ in records:
        if number in shown:
            after = [at for at in seen[number] if at >= sent]
            assert after, f"{number} was never shown"
            found.append((min(after) - sent) * 1000)
    return found


async def until_seen(viewers: list[Viewer], records: list[Record]) -> None:
    """At most ALL_SEEN_WITHIN_S; what was not seen then is an error of delays()."""
    deadline = time.monotonic() + ALL_SEEN_WITHIN_S
    for viewer in viewers:
        for number, sent, _ in records:
            if number in viewer.page.numbers.values():
                while max(viewer.seen[number], default=0.0) < sent and time.monotonic() < deadline:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)


class Bench:
    def __init__(
        self, url: str, database_url: str, sessions: list[str], orders: Connection, phones: int
    ) -> None:
        self.url, self.sessions, self.orders = url, sessions, orders
        self.rate = phones / EXPIRES_S * 1.1
        self.web = Web(url, database_url)

    async def traffic(self, seconds: float, changing: list[str]) -> tuple[list[Record], list[Record]]:
        self.orders.send((self.rate, seconds, changing, CHANGES_A_SECOND))
        refreshes, changes = await asyncio.to_thread(self.orders.recv)
        return refreshes, changes

    @asynccontextmanager
    async def viewers(self, count: int) -> AsyncIterator[list[Viewer]]:
        """They share the first pages, and have a session each."""
        pages = await asyncio.to_thread(read_pages, self.url, self.sessions[0], PAGES)
        opened = [
            await Viewer.open(self.url, session, pages[index % PAGES])
            for index, session in enumerate(self.sessions[:count])
        ]
        tasks = [asyncio.create_task(viewer.run()) for viewer in opened]
        await asyncio.sleep(2)
        try:
            yield opened
        finally:
            for viewer in opened:
                await viewer.socket.close()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def latency(self, count: int, seconds: float, browser: Browser) -> None:
        print(
            f"{count} browsers, {self.rate:.0f} refreshes/s and {CHANGES_A_SECOND:.0f} changes/s:", flush=True
        )
        async with self.viewers(count - CHROMIUMS) as viewers:
            real = [await self._chromium(browser, viewer.page) for viewer in viewers[:CHROMIUMS]]
            shown = [number for viewer in viewers[:PAGES] for number in viewer.page.numbers.values()]
            cpu, octets = self.web.cpu_s(), sum(viewer.octets for viewer in viewers)
            messages, done = sum(viewer.messages for viewer in viewers), self.web.transactions()
            refreshes, changes = await self.traffic(seconds, shown[::7])
            cpu, octets = self.web.cpu_s() - cpu, sum(viewer.octets for viewer in viewers) - octets
            messages = sum(viewer.messages for viewer in viewers) - messages
            done = self.web.transactions() - done
            records = changes + refreshes
            await until_seen(viewers, records)
            await asyncio.sleep(1)
            in_dom = []
            for viewer, page in zip(viewers, real, strict=False):
                in_dom += delays(records, await seen_by(page), viewer.page)
            in_messages = [delay for viewer in viewers for delay in delays(records, viewer.seen, viewer.page)]
            for page in real:
                await page.context.close()
        line("packet to DOM", in_dom)
        line("packet to message", in_messages)
        line("REGISTER", [(answered - sent) * 1000 for _, sent, answered in refreshes])
        print(
            f"  web process: {cpu / seconds * 100:.0f} % of one core, {self.web.memory_mb():.0f} MB; "
            f"{messages / seconds:.0f} messages/s, {octets / seconds / 1024:.0f} kB/s sent; "
            f"{done / seconds:.0f} transactions/s, those of the phones with them",
            flush=True,
        )

    async def _chromium(self, browser: Browser, shown: ShownPage) -> Page:
        context = await browser.new_context()
        await context.add_cookies([{"name": "sessionid", "value": self.sessions[0], "url": self.url}])
        page = await context.new_page()
        await page.goto(shown.url)
        await page.wait_for_selector("[data-connection][data-state=live]", state="attached")
        await page.evaluate(OBSERVE)
        return page

    async def workers(self, rounds: int, seconds: float) -> None:
        print(
            f"REGISTER at {self.rate:.0f}/s with 50 browsers, without and with {STUCK} stuck ones:",
            flush=True,
        )
        ratios = []
        for _ in range(rounds):
            _, alone = await self.one_round(seconds, 0)
            _, beside = await self.one_round(seconds, STUCK)
            ratios.append(beside / alone)
        print(
            f"  p99 with stuck browsers / without: median {statistics.median(ratios):.2f} of {rounds}: ",
            end="",
        )
        print(", ".join(f"{ratio:.2f}" for ratio in ratios), flush=True)

    async def one_round(self, seconds: float, stuck: int) -> tuple[float, float]:
        async with self.viewers(50) as viewers:
            before, files = self.web.memory_mb(), self.web.open_files()
            socks = [
                await asyncio.to_thread(
                    open_stuck, self.url, self.sessions[index % 200], viewers[index % PAGES].page
                )
                for index in range(stuck)
            ]
            shown = [number for viewer in viewers[:PAGES] for number in viewer.page.numbers.values()]
            opened = time.monotonic()
            cpu = self.web.cpu_s()
            refreshes, changes = await self.traffic(seconds, shown[::7])
            cpu = self.web.cpu_s() - cpu
            await until_seen(viewers, changes)
            figures = line(
                f"{stuck} stuck", [(answered - sent) * 1000 for _, sent, answered in refreshes + changes]
            )
            seen = [delay for viewer in viewers for delay in delays(changes, viewer.seen, viewer.page)]
            line("others, packet to message", seen)
            print(
                f"  web process: {cpu / seconds * 100:.0f} % of one core, {before:.0f} -> "
                f"{self.web.memory_mb():.0f} MB",
                flush=True,
            )
            if stuck:
                await asyncio.sleep(max(0.0, opened + STUCK_CLOSED_WITHIN_S - time.monotonic()))
                left = self.web.open_files() - files
                print(f"  {left} of {stuck} left after {STUCK_CLOSED_WITHIN_S:.0f} s", flush=True)
                for sock in socks:
                    sock.close()
        return figures


async def run(phones: int, rounds: int, seconds: float, sessions_file: Path) -> None:
    script = filled(PEERS, phones) + SESSIONS.replace("SESSIONS_FILE", str(sessions_file))
    with product(script) as started:
        sessions = sessions_file.read_text().split()  # noqa: ASYNC240 - nothing else goes on
        numbers = [str(100_000 + index) for index in range(phones)]
        ours, theirs = multiprocessing.Pipe()
        load = multiprocessing.Process(target=bench_phones.main, args=(started.sip, numbers, theirs))
        load.start()
        since = time.monotonic()
        assert await asyncio.to_thread(ours.recv) == "ready"
        took, load_now = time.monotonic() - since, os.getloadavg()[0]
        print(f"{phones} phones registered in {took:.0f} s; load of the machine {load_now:.1f}", flush=True)
        database_url = embedded_database_url(Path(started.environ["REGISTRAR_DATA_DIR"]))
        bench = Bench(started.url, database_url, sessions, ours, phones)
        async with async_playwright() as playwright:
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=arguments
            )
            await bench.latency(50, seconds, browser)
            await bench.latency(200, seconds, browser)
            await browser.close()
        if rounds:
            await bench.workers(rounds, seconds / 2)
        ours.send(None)
        load.join(10)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--phones", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=40.0)
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    multiprocessing.set_start_method("spawn")
    with tempfile.NamedTemporaryFile() as file:
        asyncio.run(run(options.phones, options.rounds, options.seconds, Path(file.name)))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
