"""One signed POST: the address looked up and checked, no redirect followed, and no more read than is shown.

A connection for each, to the address that was checked: a name cannot point elsewhere in between. Must not touch the
database.
"""

import asyncio
import http.client
import io
import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

from apps.webhooks.destinations import Destination, UnusableUrl, destination_of, is_allowed

TIMEOUT_S: Final = 10.0
MOST_READ: Final = 64 * 1024
SHOWN: Final = 500
AGENT: Final = "registrar-admin"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. error: a sentence; empty: the other side took it (2xx)."""

    status: int | None
    error: str
    body: str
    duration_ms: int


async def post(url: str, headers: Mapping[str, str], body: bytes, timeout_s: float = TIMEOUT_S) -> Answer:
    """Never raises for what the other side does."""
    began = time.monotonic()
    status, text, error = None, "", ""
    try:
        async with asyncio.timeout(timeout_s):
            raw = await _exchange(destination_of(url), headers, body)
        status, text = _read(raw)
        error = "" if 200 <= status < 300 else _refusal(status)
    except TimeoutError:
        error = f"No answer within {timeout_s:g} s."
    except UnusableUrl as unusable:
        error = str(unusable)
    except (http.client.HTTPException, ValueError):
        error = "What came back is not HTTP."
    except ssl.SSLError as trouble:
        error = (
            f"TLS failed: {getattr(trouble, 'verify_message', '') or trouble.reason or 'no reason given'}."
        )
    except OSError as trouble:
        error = f"No connection: {_reason(trouble)}."
    return Answer(status, error, text, round((time.monotonic() - began) * 1000))


async def _exchange(to: Destination, headers: Mapping[str, str], body: bytes) -> bytes:
    address = await _address(to)
    tls: dict[str, Any] = {"ssl": _tls(), "server_hostname": to.host} if to.is_tls else {}
    reader, writer = await asyncio.open_connection(address, to.port, **tls)
    try:
        writer.write(_request(to, headers, body))
        return await _until_done(reader)
    finally:
        writer.transport.abort()


async def _address(to: Destination) -> str:
    """The first one; all must be allowed. Raises UnusableUrl."""
    found = await asyncio.get_running_loop().getaddrinfo(to.host, to.port, type=1)
    addresses = [str(one[4][0]) for one in found]
    if not all(map(is_allowed, addresses)):
        raise UnusableUrl(f"{to.host} is a link-local, metadata or multicast address, which is not allowed.")
    return addresses[0]


def _request(to: Destination, headers: Mapping[str, str], body: bytes) -> bytes:
    sent = {
        "host": to.host_header,
        "user-agent": AGENT,
        "content-type": "application/json",
        "content-length": str(len(body)),
        "accept": "*/*",
        "connection": "close",
        **headers,
    }
    lines = [f"POST {to.target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
    return "\r\n".join(lines).encode("ascii") + body


async def _until_done(reader: asyncio.StreamReader) -> bytes:
    """The head and what is shown of the body. The other side may keep the connection open: what says that the answer
    is whole ends it."""
    raw = b""
    while len(raw) < MOST_READ and not _is_whole(raw) and (more := await reader.read(MOST_READ)):
        raw += more
    return raw[:MOST_READ]


def _is_whole(raw: bytes) -> bool:
    head, blank, body = raw.partition(b"\r\n\r\n")
    if not blank or head.split(b" ", 2)[1:2] == [b"100"]:
        return False
    try:
        length = _response(raw).length
    except (http.client.HTTPException, ValueError):
        return True
    return len(body) >= SHOWN if length is None else len(body) >= min(length, SHOWN)


def _read(raw: bytes) -> tuple[int, str]:
    response = _response(raw)
    try:
        body = response.read(SHOWN)
    except http.client.IncompleteRead as incomplete:
        body = incomplete.partial
    return response.status, "".join(c if c.isprintable() else " " for c in body.decode(errors="replace"))


def _response(raw: bytes) -> http.client.HTTPResponse:
    class Received:
        def makefile(self, mode: str) -> io.BytesIO:
            return io.BytesIO(raw)

    response = http.client.HTTPResponse(cast("Any", Received()), method="POST")
    response.begin()
    return response


def _reason(trouble: OSError) -> str:
    """The system's own words: asyncio's hold the address in Python's spelling. A name not found has no errno."""
    number = trouble.errno or 0
    return os.strerror(number) if number > 0 else trouble.strerror or "no reason given"


def _refusal(status: int) -> str:
    reason = http.client.responses.get(status, "")
    also = " Redirects are not followed." if 300 <= status < 400 else ""
    return f"It answered {status} {reason}".rstrip() + f".{also}"


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
