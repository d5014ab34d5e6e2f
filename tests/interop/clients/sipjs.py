"""SIP.js in headless Chromium, over WebSocket: its own ES modules, unbundled."""

from contextlib import AbstractContextManager
from pathlib import Path

from tests.interop.clients import browser
from tests.interop.contract import Login, Phone, Server

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
    transports = browser.TRANSPORTS

    def missing(self) -> str | None:
        return browser.missing()

    def version(self) -> str:
        return browser.PACKAGES["sip.js"]

    def cannot(self, transport: str, algorithm: str) -> str | None:
        return "SIP.js has MD5 only" if algorithm == "SHA-256" else None

    def phone(
        self, server: Server, transport: str, login: Login, folder: Path
    ) -> AbstractContextManager[Phone]:
        return browser.browser_phone(PAGE, browser.MODULES, server, transport, login)
