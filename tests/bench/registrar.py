"""A registrar over UDP that does what its script says, for the load generator's sake."""

import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from apps.sip.digest import (
    Algorithm,
    DigestCredentials,
    authentication_info,
    ha1,
    parse_authorization,
    verify,
    www_authenticate,
)

REALM = "bench.local"
ECHOED = ("Via", "From", "To", "Call-ID", "CSeq")


@dataclass
class ScriptedRegistrar:
    """Each request with right credentials meets the next word of the script, and a plain 200 after its end.

    silence, stale, next_nonce, 503 (come again after a second). `nonces` are those that were accepted, in order.
    """

    script: list[str]
    nonces: list[tuple[str, int]] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    issued: int = 0

    def answer(self, data: bytes) -> bytes | None:
        self.requests.append(data)
        text = data.decode()
        lines = re.findall(r"^Authorization: (.*)\r$", text, re.MULTILINE)
        credentials = parse_authorization(lines, REALM)
        if not isinstance(credentials, DigestCredentials):
            return _response(text, "401 Unauthorized", self._challenges(stale=False))
        right = ha1(Algorithm.MD5, credentials.username, REALM, f"pw{credentials.username}")
        if not verify(credentials, right, "REGISTER"):
            return _response(text, "403 Forbidden", [])
        return self._follow_script(text, credentials)

    def _follow_script(self, text: str, credentials: DigestCredentials) -> bytes | None:
        word = self.script.pop(0) if self.script else "ok"
        if word == "silence":
            return None
        if word == "stale":
            return _response(text, "401 Unauthorized", self._challenges(stale=True))
        if word == "503":
            return _response(text, "503 Service Unavailable", ["Retry-After: 1"])
        self.nonces.append((credentials.nonce, credentials.nc))
        more = [f"Authentication-Info: {authentication_info('given-before')}"] if word == "next_nonce" else []
        contact = re.findall(r"^Contact: (.*)\r$", text, re.MULTILINE)[0]
        return _response(text, "200 OK", [f"Contact: {contact};expires=60", *more])

    def _challenges(self, *, stale: bool) -> list[str]:
        self.issued += 1
        offered = (Algorithm.SHA256, Algorithm.MD5)
        nonce = f"nonce{self.issued}"
        return [f"WWW-Authenticate: {www_authenticate(REALM, nonce, each, stale)}" for each in offered]


@contextmanager
def scripted_registrar(script: Sequence[str]) -> Iterator[tuple[str, ScriptedRegistrar]]:
    """Its address, and itself."""
    registrar = ScriptedRegistrar(list(script))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.1)
        over = threading.Event()
        thread = threading.Thread(target=_serve, args=(sock, registrar, over))
        thread.start()
        try:
            yield f"127.0.0.1:{sock.getsockname()[1]}", registrar
        finally:
            over.set()
            thread.join()


def _serve(sock: socket.socket, registrar: ScriptedRegistrar, over: threading.Event) -> None:
    while not over.is_set():
        try:
            data, source = sock.recvfrom(4096)
        except TimeoutError:
            continue
        answer = registrar.answer(data)
        if answer is not None:
            sock.sendto(answer, source)


def _response(request: str, status: str, headers: Sequence[str]) -> bytes:
    echoed = [line for line in request.split("\r\n") if line.partition(":")[0] in ECHOED]
    return "\r\n".join([f"SIP/2.0 {status}", *echoed, *headers, "Content-Length: 0", "", ""]).encode()
