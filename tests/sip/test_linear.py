"""C16: work grows with the length of a message and no faster, counted in executed lines, not in time."""

from __future__ import annotations

import contextlib
import sys
from types import FrameType
from typing import Any

import pytest

from apps.sip.contact import parse_contacts
from apps.sip.digest import parse_authorization
from apps.sip.message import Request, parse_request
from tests.sip.messages import register

SIZES = (8_000, 16_000, 32_000, 64_000)


def lines_executed(data: bytes) -> int:
    """How many lines of Python it takes to read the message."""
    count = 0

    def tracer(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        parsed = parse_request(data)
        if isinstance(parsed, Request):
            with contextlib.suppress(ValueError):
                parse_contacts(parsed.values("contact"))
            parse_authorization(parsed.values("authorization"), "example.com")
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "unit",
    [
        "X: y\r\n",
        "Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n",
        "m: <sip:a@h>;q=0.5,<sip:b@h>\r\n",
        "X: y\r\n z\r\n",
        'Authorization: Digest realm="example.com", username="u", a=1, b=2\r\n',
        "Require: a, b, c\r\n",
        'X: "' + "\\" * 1000 + "\r\n",
        "X: " + "<" * 7000 + "\r\n",
        "X: " + "," * 7000 + "\r\n",
    ],
)
def test_c16_lines_executed_per_byte_do_not_grow_with_the_message(unit: str) -> None:
    def message(size: int) -> bytes:
        return register().replace(b"\r\n\r\n", b"\r\n" + (unit * (size // len(unit))).encode() + b"\r\n")

    per_byte = [lines_executed(message(size)) / size for size in SIZES]

    assert max(per_byte) <= 1.1 * per_byte[0]
