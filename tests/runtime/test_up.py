"""`manage.py up`, the whole product, seen as processes: one start, one owner of the data, restarts, a clean end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from registrar_admin.config import PROJECT_DIR
from tests.patience import PATIENCE_S, wait_until
from tests.postgres import product_data_dir, product_environment

UP = [sys.executable, "manage.py", "up"]
pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to see the processes"),
]


@dataclass(slots=True)
class Product:
    process: subprocess.Popen[str]
    environment: dict[str, str]
    url: str

    def is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=3) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def children(self) -> dict[str, int]:
        """Process ids by the word that tells them apart."""
        found: dict[str, int] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if parent != self.process.pid:
                    continue
                command = (entry / "cmdline").read_text()
                for word in ("daphne", "sipserver", "webhooks", "postgres"):
                    if word in command.split("\0-D", 1)[0]:
                        found[word] = int(entry.name)
        return found


def free_ports() -> tuple[int, int]:
    with socket.socket() as web, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip:
        web.bind(("127.0.0.1", 0))
        sip.bind(("127.0.0.1", 0))
        return web.getsockname()[1], sip.getsockname()[1]


def on_free_ports() -> dict[str, str]:
    web, sip = free_ports()
    return {
        "REGISTRAR_HTTP": f"127.0.0.1:{web}",
        "REGISTRAR_SIP": f"127.0.0.1:{sip}",
        "REGISTRAR_SIP_WORKERS": "1",
    }


@pytest.fixture
def product() -> Iterator[Product]:
    with product_data_dir() as data_dir:
        ports = on_free_ports()
        environment = product_environment(data_dir, ports)
        with subprocess.Popen(
            UP,
            cwd=PROJECT_DIR,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            product = Product(process, environment, f"http://{ports['REGISTRAR_HTTP']}")
            try:
                wait_until(product.is_healthy, "health")
                yield product
            finally:
                process.terminate()


def test_the_whole_product_starts_has_one_owner_heals_and_stops(product: Product) -> None:
    before = product.children()
    assert set(before) == {"daphne", "sipserver", "webhooks", "postgres"}

    rival = subprocess.run(
        UP,
        cwd=PROJECT_DIR,
        env={**product.environment, **on_free_ports()},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert rival.returncode == 2
    assert f"in use by process {product.process.pid}" in rival.stderr
    assert product.children() == before

    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: set(product.children()) == set(before) and product.children() != before, "children")
    wait_until(product.is_healthy, "health")
    healed = product.children()

    product.process.terminate()
    output, _ = product.process.communicate(timeout=PATIENCE_S)
    assert product.process.returncode == 0
    assert output.count("shown only this once") == 1
    for pid in healed.values():
        assert not Path(f"/proc/{pid}").exists()
