"""Which requests are one transaction (RFC 3261 §17.2.3)."""

from __future__ import annotations

from apps.sip.message import Request


def transaction_key(request: Request) -> bytes:
    raise NotImplementedError


def answer_tag(transaction_key: bytes) -> str:
    """The To tag of every answer in this transaction."""
    raise NotImplementedError
