"""From a phone's packet to the changed words in an open browser, with many phones registered.

    .venv/bin/python -m tests.acceptance.bench_words [--phones 10000] [--times 200]

Starts the product with its own database on free ports, fills in the phones, opens the Registrations page in a real
Chromium and lets phones on that page be refused and let in again in turn. The time is from just before the packet is
sent to the change of the row's text, seen by a MutationObserver of the page, both by this machine's clock. pytest does
not collect this file.
"""

import argparse
import asyncio
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from playwright.async_api import Page, async_playwright

from registrar_admin.config import PROJECT_DIR
from tests.addresses import free_address
from tests.postgres import product_data_dir, product_environment
from tests.registrar.phone import Phone, read_reply

PASSWORD: Final = "Tr0ub4dor&3x"
SHOWN: Final = 20
WATCH: Final = """(number) => {
  const row = document.querySelector(`tr[data-extension="${number}"]`);
  window.changed = new Promise((resolve) => {
    const before = row.dataset.state + row.querySelector(".c-state").textContent.replace(/[0-9]/g, "");
    new MutationObserver((_, observer) => {
      const after = row.dataset.state + row.querySelector(".c-state").textContent.replace(/[0-9]/g, "");
      if (after !== before) { observer.disconnect(); resolve(Date.now()); }
    }).observe(row, { subtree: true, childList: true, characterData: true, attributes: true });
  });
}"""

PEERS: Final = """
from datetime import timedelta
from django.utils import timezone
from apps.extensions.models import Credential, Domain, Extension, Peer
from apps.extensions.passwords import new_credential
from apps.registrar.models import Binding, PeerActivity
domain = Domain.objects.get()
numbers = [str(100_000 + index) for index in range(PHONES)]
extensions = Extension.objects.bulk_create(Extension(domain=domain, number=number) for number in numbers)
peers = Peer.objects.bulk_create(
    Peer(domain=domain, extension=each, name=each.number, qualify=False) for each in extensions
)
Credential.objects.bulk_create(
    new_credential(domain=domain, peer_id=peer.pk, username=peer.name, password=PASSWORD) for peer in peers
)
"""
BINDINGS: Final = """
now = timezone.now()
PeerActivity.objects.bulk_create(
    PeerActivity(peer=peer, registered_at=now, heard_at=now, received_addr="127.0.0.1") for peer in peers
)
Binding.objects.bulk_create(
    Binding(
        aor=peer.extension.aor, binding_key=peer.name, peer=peer, extension_id=peer.extension_id,
        contact=f"sip:{peer.name}@10.0.0.1:5060", received_addr=f"127.1.{index // 250}.{index % 250 + 1}",
        received_port=5060, transport="UDP", call_id=peer.name, cseq=1, user_agent="Bench", registered_at=now,
        refreshed_at=now, expires_at=now + timedelta(hours=2),
    )
    for index, peer in enumerate(peers)
)
"""


def filled(script: str, phones: int) -> str:
    return script.replace("PHONES", str(phones)).replace("PASSWORD", repr(PASSWORD))


class Started(NamedTuple):
    url: str
    sip: tuple[str, int]
    domain: str
    password: str
    environ: dict[str, str]


@contextmanager
def product(script: str, more: Mapping[str, str] | None = None) -> Iterator[Started]:
    """A product, with `more` in its environment, in which the script was run."""
    with product_data_dir() as data_dir:
        web, sip = free_address(kind=socket.SOCK_STREAM)[1], free_address()[1]
        given = {
            "REGISTRAR_HTTP": f"127.0.0.1:{web}",
            "REGISTRAR_SIP": f"127.0.0.1:{sip}",
            "REGISTRAR_DOMAIN": "example.com",
            **(more or {}),
        }
        environ = product_environment(data_dir, given)
        output = data_dir / "output.txt"
        with output.open("w") as file:
            process = subprocess.Popen(["./run"], cwd=PROJECT_DIR, env=environ, stdout=file, stderr=file)
            try:
                while "Stop " not in output.read_text():
                    assert process.poll() is None, output.read_text()
                    time.sleep(0.2)
                command = [sys.executable, "manage.py", "shell", "-v0", "-c", script]
                subprocess.run(command, cwd=PROJECT_DIR, env=environ, check=True)
                password = re.search(r"Password +(\S+)", output.read_text())
                assert password
                yield Started(
                    f"http://127.0.0.1:{web}", ("127.0.0.1", sip), "example.com", password[1], environ
                )
            finally:
                process.terminate()
                process.wait(20)


async def open_page(page: Page, url: str, password: str) -> None:
    await page.goto(url)
    await page.fill("input[name=username]", "admin")
    await page.fill("input[name=password]", password)
    await page.click("button:has-text('Sign in')")
    await page.goto(f"{url}/?sort=extension")
    await page.wait_for_selector("[data-connection][data-state=live]")


class Line:
    """One phone's socket; the answer to each packet is awaited, for the next needs its nonce."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(server)
        self.sock.settimeout(5)

    def ask(self, phone: Phone, **given: object) -> int:
        self.sock.send(phone.register(**given))  # type: ignore[arg-type]
        reply = read_reply(self.sock.recv(65_535))
        if reply.status == 401:
            phone.read_challenge(reply)
        return reply.status


async def measure(page: Page, server: tuple[str, int], domain: str, times: int) -> list[float]:
    """Milliseconds of each change."""
    found = []
    for turn in range(times):
        number = str(100_000 + turn % SHOWN)
        is_refused = turn // SHOWN % 2 == 0
        line = Line(server)
        source = line.sock.getsockname()
        phone = Phone(number, "not the password" if is_refused else PASSWORD, domain=domain, source=source)
        line.ask(phone)
        await page.evaluate(WATCH, number)
        sent = time.time() * 1000
        line.ask(phone, expires=3600)
        changed = await asyncio.wait_for(page.evaluate("window.changed"), 20)
        found.append(changed - sent)
        line.sock.close()
    return found


async def run(phones: int, times: int) -> None:
    with product(filled(PEERS + BINDINGS, phones)) as started:
        async with async_playwright() as playwright:
            chromium = shutil.which("chromium")
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = await playwright.chromium.launch(executable_path=chromium, args=arguments)
            page = await browser.new_page()
            await open_page(page, started.url, started.password)
            await measure(page, started.sip, started.domain, SHOWN * 2)
            found = sorted(await measure(page, started.sip, started.domain, times))
            await browser.close()
    p99 = found[max(0, round(len(found) * 0.99) - 1)]
    print(f"{phones} phones, {len(found)} changes: median {statistics.median(found):.0f} ms, ", end="")
    print(f"p99 {p99:.0f} ms, most {found[-1]:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phones", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=200)
    options = parser.parse_args()
    asyncio.run(run(options.phones, options.times))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
