"""The bytes of a probe, an OPTIONS (RFC 3261 §11), and the branch that its answer is known by. Pure.

The branch carries which probe it was and when it left, and proves that we made it for that very host: nobody has to
remember it, and nobody else can make one. Must not decide who is probed, or when.
"""

import hashlib
import hmac
import re
from base64 import b32decode, b32encode
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from apps.registrar.regevent.values import Way

MAGIC: Final = b"z9hG4bKq"
# 28 bytes of mark and 12 of proof, in letters that survive a change of case.
_BRANCH: Final = re.compile(MAGIC.decode() + r"([A-Za-z2-7]{64})")
_PROOF_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Mark:
    """Which probe of which binding, when it left (µs of this machine's monotonic clock), and after how many ms it was
    repeated if there was no answer yet (0: never)."""

    binding_id: UUID
    number: int
    repeated_after_ms: int
    sent_us: int


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask: the contact and its AOR, the way its REGISTER came, and the proxies in between (RFC 3327).

    asker: the domain that asks, if it is not the AOR's."""

    contact: str
    aor: str
    way: Way
    path: str = ""
    asker: str = ""

    @property
    def domain(self) -> str:
        return self.asker or self.aor.removeprefix("sip:").rpartition("@")[2]


def qualify_key(secret_key: str) -> bytes:
    """The key of every worker's probe branches; not the key of anything else."""
    return hashlib.sha256(b"sip qualify\0" + secret_key.encode()).digest()


def make_branch(key: bytes, mark: Mark, host: str) -> str:
    head = mark.binding_id.bytes + mark.number.to_bytes(4) + mark.repeated_after_ms.to_bytes(2)
    head += (mark.sent_us % 2**48).to_bytes(6)
    return MAGIC.decode() + b32encode(head + _proof(key, head, host)).decode().lower()


def read_branch(key: bytes, branch: str, host: str) -> Mark | None:
    """What the branch of an answer from that host says; None if we did not make it for that host."""
    match = _BRANCH.fullmatch(branch)
    if match is None:
        return None
    raw = b32decode(match[1].upper())
    head, proof = raw[:-_PROOF_BYTES], raw[-_PROOF_BYTES:]
    if not hmac.compare_digest(_proof(key, head, host), proof):
        return None
    return Mark(
        UUID(bytes=head[:16]),
        int.from_bytes(head[16:20]),
        int.from_bytes(head[20:22]),
        int.from_bytes(head[22:]),
    )


def build_options(target: Target, sent_by: str, branch: str, unique: str) -> bytes:
    """Outside any dialog, from our domain to the AOR, at the contact. `unique` makes the Call-ID and the tag."""
    lines = [
        f"OPTIONS {_request_uri(target.contact)} SIP/2.0",
        f"Via: SIP/2.0/{target.way.transport} {sent_by};rport;branch={branch}",
        *([f"Route: {target.path}"] if target.path else []),
        "Max-Forwards: 70",
        f"From: <sip:{target.domain}>;tag={unique[:12]}",
        f"To: <{target.aor}>",
        f"Call-ID: {unique}@{target.domain}",
        "CSeq: 1 OPTIONS",
        "Accept: application/sdp",
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _request_uri(contact: str) -> str:
    """Without the header fields it may carry, which no Request-URI has (RFC 3261 §19.1.1)."""
    user, at, rest = contact.rpartition("@")
    return user + at + rest.partition("?")[0]


def _proof(key: bytes, head: bytes, host: str) -> bytes:
    return hmac.digest(key, head + host.encode(), "sha256")[:_PROOF_BYTES]
