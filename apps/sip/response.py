"""Responses: bytes of an answer and where it goes (RFC 3261 §8.2.6, §18.2; RFC 3581)."""

from __future__ import annotations

from collections.abc import Sequence

from apps.sip.message import MalformedRequest, Request

REASON_PHRASES: dict[int, str] = {200: "OK"}


def build_response(
    request: Request | MalformedRequest,
    source: tuple[str, int],
    status: int,
    reason: str,
    headers: Sequence[tuple[str, str]] = (),
    to_tag: str | None = None,
) -> bytes:
    raise NotImplementedError


def response_address(request: Request | MalformedRequest, source: tuple[str, int]) -> tuple[str, int]:
    raise NotImplementedError


def sip_date(epoch_s: int) -> str:
    raise NotImplementedError
