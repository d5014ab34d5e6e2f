"""What probing costs: many UDP phones at one interval, two workers, PostgreSQL as durable as in production.

    .venv/bin/python -m tests.registrar.qualify.bench_probes [--phones 10000] [--interval 60] [--seconds 150]

Brings its own database and SIP server, and takes --seconds twice: first with probing switched off, then on, counted
from the start of the server. The phones are one socket of this process that answers for as many addresses of
127.0.0.0/8, so Linux only. CPU is that of the processes, in shares of one core; the difference is what probing costs.
pytest does not collect this file.
"""

import argparse
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from apps.sipserver.udp import answer_from
from registrar_admin.embedded_postgres import EmbeddedPostgres
from tests.postgres import product_data_dir

PROJECT_DIR: Final = Path(__file__).resolve().parents[3]
SERVER: Final = ("127.0.0.1", 35_060)
PHONE_PORT: Final = 35_062
WORKERS: Final = 2
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
IP_PKTINFO: Final = 8


class Phones(threading.Thread):
    """Answers every OPTIONS at once, and notes when each probe came."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.arrivals: list[float] = []
        self.repeats = 0
        self._seen: set[bytes] = set()
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self._sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self._sock.bind(("0.0.0.0", PHONE_PORT))

    def forget(self) -> None:
        self.arrivals, self.repeats, self._seen = [], 0, set()

    def run(self) -> None:
        while True:
            data, ancillary, _, source = self._sock.recvmsg(2048, 256)
            lines = data.split(b"\r\n")
            wanted = (b"Via:", b"From:", b"To:", b"Call-ID:", b"CSeq:")
            echoed = [line for line in lines if line.startswith(wanted)]
            call_id = next(line for line in echoed if line.startswith(b"Call-ID:"))
            if call_id in self._seen:
                self.repeats += 1
            else:
                self._seen.add(call_id)
                self.arrivals.append(time.monotonic())
            answer = b"\r\n".join([b"SIP/2.0 200 OK", *echoed, b"Content-Length: 0", b"", b""])
            local = answer_from(socket.AF_INET, ancillary[0][2])
            self._sock.sendmsg([answer], [(socket.IPPROTO_IP, IP_PKTINFO, local)], 0, source)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was used until now: seconds of CPU, rows written, bytes of WAL."""

    workers_s: float
    postgres_s: float
    inserted: int
    updated: int
    hot: int
    wal: int

    def since(self, before: "Reading", seconds: float) -> list[float]:
        names = self.__dataclass_fields__
        return [(getattr(self, name) - getattr(before, name)) / seconds for name in names]


def fill(phones: int, interval_s: int) -> None:
    """Extensions, peers and their bindings, as if every phone had just registered."""
    from datetime import timedelta

    from django.utils import timezone

    from apps.extensions.models import Domain, Extension, Peer
    from apps.registrar.models import Binding

    domain = Domain.objects.create(name="bench.local", realm="bench.local")
    numbers = [str(100_000 + index) for index in range(phones)]
    extensions = Extension.objects.bulk_create(Extension(domain=domain, number=number) for number in numbers)
    peers = Peer.objects.bulk_create(
        Peer(domain=domain, extension=each, name=each.number, qualify_interval_s=interval_s)
        for each in extensions
    )
    now = timezone.now()
    Binding.objects.bulk_create(
        Binding(
            aor=f"sip:{peer.name}@bench.local",
            binding_key=peer.name,
            peer=peer,
            extension_id=peer.extension_id,
            contact=f"sip:{peer.name}@10.0.0.1:5060",
            received_addr=f"127.1.{index // 250}.{index % 250 + 1}",
            received_port=PHONE_PORT,
            transport="UDP",
            call_id=peer.name,
            cseq=1,
            user_agent="Bench",
            registered_at=now,
            refreshed_at=now,
            expires_at=now + timedelta(hours=2),
            server=f"{socket.gethostname()} {SERVER[0]}:{SERVER[1]}",
        )
        for index, peer in enumerate(peers)
    )


@contextmanager
def sip_server() -> Iterator[list[int]]:
    """The pids of its workers."""
    bind = f"{SERVER[0]}:{SERVER[1]}"
    command = [sys.executable, "manage.py", "sipserver", "--bind", bind, "--workers", str(WORKERS)]
    process = subprocess.Popen(command, cwd=PROJECT_DIR, stderr=subprocess.DEVNULL)
    try:
        while len(workers := children(process.pid)) < WORKERS:
            time.sleep(0.1)
        time.sleep(10)  # imports and connections are not what is measured
        yield workers
    finally:
        process.terminate()
        process.wait(10)


def children(pid: int) -> list[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(child) for child in found.stdout.split()]


def cpu_s(pid: int, *, with_ended: bool = False) -> float:
    """User and system time; with_ended: also that of children which are gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11 : 15 if with_ended else 13]) / TICKS_PER_S


def read(workers: list[int], postmaster: int) -> Reading:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_hot_upd), pg_current_wal_lsn() - '0/0' "
            "FROM pg_stat_user_tables WHERE relname = 'registrar_probe'"
        )
        counts = [int(count) for count in cursor.fetchone()]
    postgres_s = cpu_s(postmaster, with_ended=True) + sum(cpu_s(pid) for pid in children(postmaster))
    return Reading(sum(cpu_s(pid) for pid in workers), postgres_s, *counts)


def measure(workers: list[int], postmaster: int, seconds: float) -> list[float]:
    before, started_s = read(workers, postmaster), time.monotonic()
    time.sleep(seconds)
    return read(workers, postmaster).since(before, time.monotonic() - started_s)


def most_in_a_second(arrivals: list[float]) -> int:
    most, first = 0, 0
    for last, arrival in enumerate(arrivals):
        while arrivals[first] <= arrival - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def run(postmaster: int, phones: Phones, options: Any) -> None:
    from apps.extensions.models import Peer

    fill(options.phones, options.interval)
    results = []
    for qualify in (False, True):
        Peer.objects.update(qualify=qualify)
        phones.forget()
        with sip_server() as workers:
            results.append(measure(workers, postmaster, options.seconds))
    names = ["workers' CPU, cores", "PostgreSQL's CPU, cores", "rows inserted/s", "rows updated/s"]
    for name, off, on in zip([*names, "of these HOT/s", "WAL bytes/s"], *results, strict=True):
        print(f"{name:24} {off:12,.4f} off {on:12,.4f} on {on - off:12,.4f} due to probing")
    arrivals, mean = phones.arrivals, options.phones / options.interval
    took_s = arrivals[-1] - arrivals[0]
    print(f"{len(arrivals):,} probes in {took_s:.0f} s: {len(arrivals) / took_s:.1f}/s of {mean:.1f}/s")
    most = most_in_a_second(arrivals)
    print(
        f"most in any second, from the start on: {most} = {most / mean:.2f} of the mean; {phones.repeats} repeats"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phones", type=int, default=10_000)
    parser.add_argument("--interval", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=150)
    options = parser.parse_args()
    with product_data_dir() as folder:
        postgres = EmbeddedPostgres(folder)
        postgres.start()
        os.environ |= {"DATABASE_URL": postgres.url, "REGISTRAR_DATA_DIR": str(folder)}
        os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))
        os.environ["DJANGO_SETTINGS_MODULE"] = "registrar_admin.settings"
        try:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            phones = Phones()
            phones.start()
            run(postmaster_pid(folder), phones, options)
        finally:
            postgres.stop()


def postmaster_pid(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


if __name__ == "__main__":
    main()
