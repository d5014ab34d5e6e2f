"""SIP.js in headless Chromium, over WebSocket: its own ES modules, unbundled."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.acceptance.conftest import BROWSERS
from tests.interop.contract import NO_QUERY, CannotDo, Login, Phone, Server

MODULES = Path(__file__).resolve().parents[3] / "var" / "interop" / "node_modules"
VERSION = "0.21.2"
PAGE = """
<!doctype html><title>interop</title><script type="module">
import { UserAgent, Registerer } from "/sip.js/lib/index.js";
window.phone = {
  async open(options) {
    this.agent = new UserAgent({
      uri: UserAgent.makeURI(options.uri),
      transportOptions: { server: options.server },
      authorizationUsername: options.username, authorizationPassword: options.password,
      logLevel: "error",
    });
    await this.agent.start();
    this.registerer = new Registerer(this.agent, { expires: 60 });
  },
  ask(send) {
    return new Promise((done) => send({ requestDelegate: {
      onAccept: (answer) => done(answer.message.statusCode), onReject: (answer) => done(answer.message.statusCode),
    } }).catch((error) => done(String(error))));
  },
  register() { return this.ask((options) => this.registerer.register(options)); },
  unregister() { return this.ask((options) => this.registerer.unregister(options)); },
};
window.ready = true;
</script>
"""


class SipJs:
    name = "SIP.js in Chromium"
    transports = ("WS",)

    def missing(self) -> str | None:
        if not any(shutil.which(name) for name in BROWSERS):
            return "there is no Chromium"
        if (MODULES / "sip.js").is_dir():
            return None
        if shutil.which("npm") is None:
            return "there is no npm to bring SIP.js"
        MODULES.parent.mkdir(parents=True, exist_ok=True)
        words = [
            "npm",
            "install",
            "--prefix",
            str(MODULES.parent),
            "--no-save",
            "--no-audit",
            f"sip.js@{VERSION}",
        ]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else "npm could not bring SIP.js"

    def version(self) -> str:
        return VERSION

    def cannot(self, transport: str, algorithm: str) -> str | None:
        return "SIP.js has MD5 only" if algorithm == "SHA-256" else None

    @contextmanager
    def phone(self, server: Server, transport: str, login: Login, folder: Path) -> Iterator[Phone]:
        assert server.web_url is not None
        with _page_server() as url, sync_playwright() as playwright:
            found = next(path for name in BROWSERS if (path := shutil.which(name)))
            browser = playwright.chromium.launch(
                executable_path=found, args=["--no-sandbox", "--disable-quic"]
            )
            page = browser.new_page()
            page.goto(url)
            page.wait_for_function("window.ready === true")
            options = {
                "uri": f"sip:{login.username}@{server.host}",
                "server": server.web_url.replace("http", "ws", 1) + "/sip",
                "username": login.username,
                "password": login.password,
            }
            try:
                page.evaluate(f"phone.open({json.dumps(options)})")
                yield SipJsPhone(page)
            finally:
                browser.close()


class SipJsPhone:
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
def _page_server() -> Iterator[str]:
    """The page and SIP.js, on an address of their own: Chromium lets no page it cannot place open a local WebSocket."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(PAGE.encode())
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(MODULES))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
