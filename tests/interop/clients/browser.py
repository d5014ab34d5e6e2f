"""What the browser phones share: headless Chromium, a page around the stack, and npm to bring it.

The page offers `phone.open(options)`, `phone.register()` and `phone.unregister()`; the latter two give the status of
the answer.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

from playwright.sync_api import Page, sync_playwright

from tests.acceptance.conftest import BROWSERS
from tests.interop.contract import NO_QUERY, CannotDo, Login, Phone, Server

TRANSPORTS: Final = ("WS", "WSS")
FOLDER: Final = Path(__file__).resolve().parents[3] / "var" / "interop"
MODULES: Final = FOLDER / "node_modules"
# All at once: npm removes what it was not asked for.
PACKAGES: Final = {"sip.js": "0.21.2", "jssip": "3.13.8", "esbuild": "0.28.2"}
# The certificate of the proxy is its own.
ARGUMENTS: Final = ("--no-sandbox", "--disable-quic", "--ignore-certificate-errors")


def missing() -> str | None:
    """Why there is no Chromium or are no packages; None once they are there."""
    if not any(shutil.which(name) for name in BROWSERS):
        return "there is no Chromium"
    if all((MODULES / name).is_dir() for name in PACKAGES):
        return None
    if shutil.which("npm") is None:
        return "there is no npm to bring the browser's stacks"
    FOLDER.mkdir(parents=True, exist_ok=True)
    words = ["npm", "install", "--prefix", str(FOLDER), "--no-save", "--no-audit", "--ignore-scripts"]
    words += [f"{name}@{version}" for name, version in PACKAGES.items()]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else "npm could not bring the browser's stacks"


@contextmanager
def browser_phone(
    page_text: str, folder: Path, server: Server, transport: str, login: Login
) -> Iterator[Phone]:
    """The page in a browser of its own; `folder` holds what it loads."""
    web_url = server.secure_web_url if transport == "WSS" else server.web_url
    assert web_url is not None
    options = {
        "uri": f"sip:{login.username}@{server.uri_host}",
        "server": web_url.replace("http", "ws", 1) + "/sip",
        "username": login.username,
        "password": login.password,
    }
    with _page_server(page_text, folder) as url, sync_playwright() as playwright:
        found = next(path for name in BROWSERS if (path := shutil.which(name)))
        browser = playwright.chromium.launch(executable_path=found, args=[*ARGUMENTS])
        try:
            page = browser.new_page()
            page.goto(url)
            page.wait_for_function("window.ready === true")
            page.evaluate(f"phone.open({json.dumps(options)})")
            yield BrowserPhone(page)
        finally:
            browser.close()


class BrowserPhone:
    def __init__(self, page: Page) -> None:
        self.page = page

    def register(self) -> bool:
        return self._ask("register")

    def refresh(self) -> bool:
        return self._ask("register")

    def query(self) -> bool:
        raise CannotDo(NO_QUERY)

    def unregister(self) -> bool:
        return self._ask("unregister")

    def _ask(self, what: str) -> bool:
        answer: Any = self.page.evaluate(f"phone.{what}()")
        return bool(answer == 200)


@contextmanager
def _page_server(page_text: str, folder: Path) -> Iterator[str]:
    """The page and what it loads, on an address of their own: Chromium lets no page it cannot place open a local
    WebSocket."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page_text.encode())
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
