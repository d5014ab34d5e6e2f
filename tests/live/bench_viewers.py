"""Browsers for bench_live.py: real ones, clients that do what the page's script does, and some that read nothing."""

import base64
import json
import re
import socket
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass, field
from html import unescape

from playwright.async_api import Page
from websockets.asyncio.client import ClientConnection, connect

NEXT = re.compile(r'<a[^>]*href="([^"]*)"[^>]*>\s*Next')
SHOWN = re.compile(r'data-peer="([^"]+)" data-v="(\w+)" data-state="[^"]*" data-extension="(\d+)"')
LIST = re.compile(
    r'data-live-view="row" data-search="([^"]*)" data-filter="([^"]*)" data-order="([^"]*)" '
    r'data-place="([^"]*)" data-size="(\d+)"'
)
OBSERVE = """() => {
  window.seen = [];
  const note = (changes) => {
    const rows = new Set(changes.map(({ target }) => (target.closest ?? target.parentElement.closest).call(
      target.closest ? target : target.parentElement, "tr[data-extension]")));
    for (const row of rows) if (row) window.seen.push([row.dataset.extension, Date.now() / 1000]);
  };
  const options = { subtree: true, attributes: true, attributeFilter: ["data-v"] };
  new MutationObserver(note).observe(document.querySelector("table.registrations"), options);
}"""
Seen = dict[str, list[float]]


@dataclass
class ShownPage:
    """One page of the list as the server sent it."""

    versions: dict[str, str]
    numbers: dict[str, str]
    shown: dict[str, object]
    url: str


def read_pages(url: str, session: str, count: int) -> list[ShownPage]:
    """The first pages in the order of extensions."""
    pages: list[ShownPage] = []
    address = f"{url}/?sort=extension"
    while len(pages) < count:
        request = urllib.request.Request(address, headers={"Cookie": f"sessionid={session}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            html = answer.read().decode()
        rows = SHOWN.findall(html)
        search, state, order, place, size = map(unescape, LIST.findall(html)[0])
        shown: dict[str, object] = {"search": search, "state": state, "order": order, "place": place}
        shown["size"] = int(size)
        versions = {peer: version for peer, version, _ in rows}
        pages.append(ShownPage(versions, {peer: number for peer, _, number in rows}, shown, address))
        address = f"{url}/{unescape(''.join(NEXT.findall(html)))}"
    return pages


@dataclass
class Viewer:
    """A client that acknowledges what it hears, as live.js does; `seen` are times of time.time() by extension."""

    page: ShownPage
    socket: ClientConnection
    seen: Seen = field(default_factory=lambda: defaultdict(list))
    octets: int = 0
    messages: int = 0

    @classmethod
    async def open(cls, url: str, session: str, page: ShownPage) -> "Viewer":
        socket = await connect(
            f"ws{url.removeprefix('http')}/ws/registrations/",
            additional_headers={"Cookie": f"sessionid={session}"},
            origin=url,  # type: ignore[arg-type]
            compression=None,
            max_size=None,
        )
        await socket.send(json.dumps({"watch": page.versions, "as": "row", "list": page.shown}))
        return cls(page, socket)

    async def run(self) -> None:
        async for text in self.socket:
            now = time.time()
            message = json.loads(text)
            self.octets += len(text)
            self.messages += 1
            for element in message.get("rows", ()):
                self.seen[self.page.numbers[element.removeprefix("peer-")]].append(now)
            if "n" in message:
                await self.socket.send(json.dumps({"seen": message["n"]}))


def open_stuck(url: str, session: str, page: ShownPage) -> socket.socket:
    """A browser that watches a page it shows in no version at all, and then reads nothing."""
    host, port = url.removeprefix("http://").split(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect((host, int(port)))
    sock.sendall(
        f"GET /ws/registrations/ HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {url}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
        f"Sec-WebSocket-Version: 13\r\nCookie: sessionid={session}\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(1)
    assert b" 101 " in answer, answer
    watch = {"watch": dict.fromkeys(page.versions, "00000000"), "as": "row", "list": page.shown}
    text = json.dumps(watch).encode()
    sock.sendall(b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text)  # a mask of zeros
    return sock


async def seen_by(page: Page) -> Seen:
    seen: Seen = defaultdict(list)
    for number, at in await page.evaluate("window.seen"):
        seen[number].append(at)
    return seen
