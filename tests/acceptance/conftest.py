"""The product as the README starts it, a real browser and real SIP clients."""

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from registrar_admin.config import PROJECT_DIR
from tests.addresses import free_address
from tests.patience import PATIENCE_S, wait_until
from tests.postgres import product_data_dir, product_environment

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

expect.set_options(timeout=PATIENCE_S * 1000)


@dataclass(frozen=True, slots=True)
class Product:
    """A running product: where its pages are, where phones register, and the admin it made at its first start."""

    url: str
    sip: str
    username: str
    password: str
    data_dir: Path


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """`./run` on free ports and an empty data folder, as a newcomer would."""
    with product_data_dir() as data_dir:
        web, sip = free_address(kind=socket.SOCK_STREAM)[1], free_address()[1]
        environ = product_environment(
            data_dir, {"REGISTRAR_HTTP": f"127.0.0.1:{web}", "REGISTRAR_SIP": f"127.0.0.1:{sip}"}
        )
        output = data_dir / "output.txt"
        with output.open("w") as file:
            process = subprocess.Popen(["./run"], cwd=PROJECT_DIR, env=environ, stdout=file, stderr=file)
            try:
                wait_until(lambda: "Stop " in output.read_text() or process.poll() is not None, "the start")
                panel = output.read_text()
                assert process.poll() is None, panel
                yield Product(
                    url=f"http://127.0.0.1:{web}",
                    sip=f"127.0.0.1:{sip}",
                    username=_from(panel, r"Sign in as +(\S+)"),
                    password=_from(panel, r"Password +(\S+)"),
                    data_dir=data_dir,
                )
            finally:
                process.terminate()
                process.wait(PATIENCE_S)
            assert process.returncode == 0


def _from(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return str(match[1])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium if there is one, else the one Playwright brought."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    arguments = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, product: Product) -> Iterator[Page]:
    """Signed in as the first admin. A script error or a blocked resource fails the test."""
    context = browser.new_context(base_url=product.url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto("/")
    page.fill("input[name=username]", product.username)
    page.fill("input[name=password]", product.password)
    page.click("button:has-text('Sign in')")
    page.wait_for_selector("h1")
    yield page
    context.close()
    assert problems == []


class Softphone:
    """baresip in a process of its own."""

    def __init__(self, username: str, password: str, server: str, expires_s: int = 600) -> None:
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [
                sys.executable,
                *("-m", "tests.acceptance.softphone"),
                *(username, password, server, str(expires_s)),
            ],
            cwd=PROJECT_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Softphone":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def say(self, command: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        answer: str = self.process.stdout.readline()
        return answer.strip()

    def pull_the_plug(self) -> None:
        self.process.kill()
        self.process.wait()


def healthz(product: Product) -> int:
    with urllib.request.urlopen(f"{product.url}/healthz", timeout=PATIENCE_S) as answer:
        return int(answer.status)
