"""Nonces that carry their own proof: nothing is kept between challenge and answer (RFC 7616 §5.4).

A nonce is, in hex: 5 bytes issue time, 0-16 bytes salt, 16 bytes of keyed BLAKE2b over those, the source
host and the realm. It is bound to the host alone, because NAT moves ports. Must not read a clock or make
randomness, and does not count uses: replay within the lifetime is the nonce count's business.
"""

from __future__ import annotations

import hmac
from enum import Enum
from hashlib import blake2b
from typing import Final

MAX_SALT_BYTES: Final = 16
FUTURE_TOLERANCE_S: Final = 5
MAX_BUCKET_S: Final = 32

_TIME_BYTES: Final = 5
_PROOF_BYTES: Final = 16
_SALT_BYTES: Final = 8
_LEAST_BYTES: Final = _TIME_BYTES + _PROOF_BYTES
_MAX_NONCE_LENGTH: Final = 2 * (_LEAST_BYTES + MAX_SALT_BYTES)


class NonceState(Enum):
    """FRESH: it counts. EXPIRED: ours, too old (stale=true). FOREIGN: not ours, or not for this source."""

    FRESH = "fresh"
    EXPIRED = "expired"
    FOREIGN = "foreign"


def make_nonce(key: bytes, issued_at_s: int, salt: bytes, source_host: str, realm: str) -> str:
    """Lower-case hex of at most 74 characters; equal arguments give equal text. Salt: up to 16 bytes."""
    if len(salt) > MAX_SALT_BYTES:
        raise ValueError("nonce salt longer than 16 bytes")
    claim = issued_at_s.to_bytes(_TIME_BYTES, "big") + salt
    return (claim + _proof(key, claim, source_host, realm)).hex()


def nonce_state(issued_at_s: int | None, now_s: int, lifetime_s: int) -> NonceState:
    """What a nonce of which nonce_issued_at_s said this is worth now. In whole seconds since the epoch."""
    if issued_at_s is None or now_s - issued_at_s < -FUTURE_TOLERANCE_S:
        return NonceState.FOREIGN
    return NonceState.EXPIRED if now_s - issued_at_s > lifetime_s else NonceState.FRESH


def nonce_issued_at_s(key: bytes, nonce: str, source_host: str, realm: str) -> int | None:
    """When we issued this nonce to that source; None if we did not. Never raises on ``nonce``."""
    raw = _decode(nonce)
    if raw is None:
        return None
    claim, proof = raw[:-_PROOF_BYTES], raw[-_PROOF_BYTES:]
    if not hmac.compare_digest(proof, _proof(key, claim, source_host, realm)):
        return None
    return int.from_bytes(claim[:_TIME_BYTES], "big")


def nonce_salt(key: bytes, transaction_key: bytes) -> bytes:
    """8 bytes that are the same for every repeat of one request, so its challenge can be made again, not
    kept.
    """
    return blake2b(transaction_key, digest_size=_SALT_BYTES, key=key, person=b"salt").digest()


def issue_time(now_s: int, lifetime_s: int) -> int:
    """now_s rounded down, so that the repeats of one request within seconds get one nonce.

    The step is an eighth of the lifetime, at most 32 s: nonces live that much shorter at worst.
    """
    step_s = max(1, min(MAX_BUCKET_S, lifetime_s // 8))
    return now_s - now_s % step_s


def _proof(key: bytes, claim: bytes, source_host: str, realm: str) -> bytes:
    context = f"{source_host}\0{realm}\0".encode() + claim
    return blake2b(context, digest_size=_PROOF_BYTES, key=key, person=b"nonce").digest()


def _decode(nonce: str) -> bytes | None:
    try:
        raw = bytes.fromhex(nonce) if len(nonce) <= _MAX_NONCE_LENGTH else b""
    except ValueError:
        return None
    # One nonce has one spelling: another would be counted as another nonce and its nc start again.
    return raw if len(raw) >= _LEAST_BYTES and raw.hex() == nonce else None
