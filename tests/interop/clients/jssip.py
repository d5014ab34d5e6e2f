"""JsSIP in headless Chromium, over WebSocket: its CommonJS modules, made one script by esbuild."""

import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from tests.interop.clients import browser
from tests.interop.contract import Login, Phone, Server

# A refresh has no event of its own, so the page looks for the end of the request.
PAGE = """
<!doctype html><title>interop</title><script src="/jssip.js"></script><script>
const pause = () => new Promise((done) => setTimeout(done, 20));
window.phone = {
  async open(options) {
    this.status = 0;
    this.agent = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(options.server)], uri: options.uri, register: false,
      authorization_user: options.username, password: options.password, register_expires: 60,
    });
    const note = (event) => { this.status = event.response ? event.response.status_code : event.cause; };
    for (const name of ["registered", "unregistered", "registrationFailed"]) this.agent.on(name, note);
    this.agent.start();
    while (!this.agent.isConnected()) await pause();
  },
  async register() {
    this.agent.register();
    while (this.agent.registrator()._registering) await pause();
    return this.agent.isRegistered() ? 200 : this.status;
  },
  async unregister() {
    this.status = 0;
    this.agent.unregister();
    while (!this.status) await pause();
    return this.status;
  },
};
window.ready = true;
</script>
"""


class JsSip:
    name = "JsSIP in Chromium"
    transports = browser.TRANSPORTS

    def missing(self) -> str | None:
        return browser.missing()

    def version(self) -> str:
        return browser.PACKAGES["jssip"]

    def cannot(self, transport: str, algorithm: str) -> str | None:
        return "JsSIP has MD5 only" if algorithm == "SHA-256" else None

    def phone(
        self, server: Server, transport: str, login: Login, folder: Path
    ) -> AbstractContextManager[Phone]:
        _bundle(folder / "jssip.js")
        return browser.browser_phone(PAGE, folder, server, transport, login)


def _bundle(script: Path) -> None:
    tool, start = browser.MODULES / ".bin" / "esbuild", browser.MODULES / "jssip" / "lib" / "JsSIP.js"
    options = ["--bundle", "--format=iife", "--global-name=JsSIP", f"--outfile={script}"]
    subprocess.run([tool, start, *options], check=True, capture_output=True)
