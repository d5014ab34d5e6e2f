"""Which requests are one transaction (RFC 3261 §17.2.3) and what follows from that alone.

Must not remember anything: who keeps answers, and for how long, is decided elsewhere.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from apps.sip.message import Request

MAGIC_COOKIE: Final = "z9hg4bk"
# RFC 3261 §17.1.1.1, table 4; in seconds.
T1_S: Final = 0.5
T2_S: Final = 4.0
T4_S: Final = 5.0
LIFE_S: Final = 64 * T1_S
"""Timers B, F, H, J over UDP, D at least, and L and M of RFC 6026."""


def transaction_key(request: Request) -> bytes:
    """16 bytes, equal for a request and its repeats.

    Branch, sent-by and method as §17.2.3 says, and Call-ID and CSeq beside them: a repeat has the same
    ones, while a phone that uses its branch again for its next request would otherwise get the last answer
    for ever. Without the magic cookie, or with nothing after it, the rule of RFC 2543 holds. Different
    senders can collide by accident or intent: whoever keeps answers by this key adds the packet's source.
    """
    via = request.vias[0]
    branch = via.branch or ""
    if len(branch) > len(MAGIC_COOKIE) and branch[: len(MAGIC_COOKIE)].lower() == MAGIC_COOKIE:
        port = str(via.port or "")
        return cookie_key(request.method, request.cseq, request.call_id, branch, via.host, port)
    parts = [request.method, str(request.cseq), request.call_id, request.request_uri_text]
    parts += [request.from_.tag or "", request.to.tag or "", via.text]
    return blake2b("\0".join(parts).encode(), digest_size=16).digest()


def call_key(request: Request, source_host: str) -> bytes:
    """16 bytes, equal for a request and its repeats from that host, and for an INVITE, its CANCEL and the ACK of an
    answer other than 2xx, which belong to its transaction (RFC 3261 §17.2.3, §9.2)."""
    via = request.vias[0]
    method = "INVITE" if request.method in ("ACK", "CANCEL") else request.method
    branch = via.branch or ""
    if len(branch) > len(MAGIC_COOKIE) and branch[: len(MAGIC_COOKIE)].lower() == MAGIC_COOKIE:
        host = f"{via.host}\0{source_host}"
        return cookie_key(method, request.cseq, request.call_id, branch, host, str(via.port or ""))
    parts = [method, str(request.cseq), request.call_id, request.request_uri_text]
    parts += [request.from_.tag or "", via.text, source_host]
    return blake2b("\0".join(parts).encode(), digest_size=16).digest()


def cookie_key(method: str, cseq: int, call_id: str, branch: str, host: str, port: str) -> bytes:
    """The transaction key of a request whose branch begins with the magic cookie; host and port of its sent-by."""
    return blake2b(f"{method}\0{cseq}\0{call_id}\0{branch}\0{host}\0{port}".encode(), digest_size=16).digest()


def repeat_key(data: bytes, source: tuple[str, int]) -> bytes:
    """16 bytes, equal only for a request and its very repeats from the same address and port.

    A captured request with anything changed in it, its Contact say, keeps its transaction and its digest: it must
    not be taken for the repeat of the honest one.
    """
    return blake2b(b"%b\0%d\0%b" % (source[0].encode(), source[1], data), digest_size=16).digest()


def request_key(from_text: str, call_id: str, cseq_text: str) -> bytes:
    """16 bytes, equal for a request and its copies that came another way (RFC 3261 §8.2.2.2)."""
    return blake2b(f"{from_text}\0{call_id}\0{cseq_text}".encode(), digest_size=16).digest()


def answer_tag(transaction_key: bytes) -> str:
    """The To tag of every answer in this transaction (RFC 3261 §8.2.6.2, §8.2.7)."""
    return blake2b(transaction_key, digest_size=8).hexdigest()
