"""Nonces that carry their own proof: nothing is kept between challenge and answer (RFC 7616 §5.4)."""

from __future__ import annotations

from enum import Enum


class NonceState(Enum):
    FRESH = "fresh"
    EXPIRED = "expired"
    FOREIGN = "foreign"


def make_nonce(key: bytes, issued_at_s: int, salt: bytes, source_host: str, realm: str) -> str:
    raise NotImplementedError


def check_nonce(
    key: bytes, nonce: str, now_s: int, lifetime_s: int, source_host: str, realm: str
) -> NonceState:
    raise NotImplementedError


def nonce_salt(key: bytes, transaction_key: bytes) -> bytes:
    raise NotImplementedError


def issue_time(now_s: int, lifetime_s: int) -> int:
    """now_s rounded down (min(32, lifetime_s // 8) seconds), so that repeats get the same nonce."""
    raise NotImplementedError
