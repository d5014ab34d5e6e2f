"""The Via header field: one hop of the way a request came (RFC 3261 §20.42, RFC 3581)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Via:
    text: str
    transport: str
    host: str
    port: int | None
    branch: str | None
    rport_asked: bool
    params: tuple[tuple[str, str | None], ...] = ()
