"""C16: what is too much, and that too much costs no more than its length."""

from __future__ import annotations

import contextlib
import time

import pytest

from apps.sip.contact import parse_contacts
from apps.sip.message import parse_request
from tests.sip.messages import malformed, register, request


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (register(request_line="REGISTER sip:" + "a" * 520 + " SIP/2.0"), 414),
        (register(To=f"<sip:{'a' * 520}@example.com>"), 400),
        (register("X: " + "a" * 8200), 400),
        (register(*["X: y"] * 120), 400),
        (register(Via=", ".join(["SIP/2.0/UDP h"] * 60), v=", ".join(["SIP/2.0/UDP h"] * 60)), 400),
        (register() + b"x" * 65536, None),
        (b"A" * 70000, None),
    ],
    ids=["request-uri", "to-uri", "line", "headers", "vias", "message", "letters"],
)
def test_c16_over_limit_input_is_refused(data: bytes, status: int | None) -> None:
    assert malformed(data).status == status


def test_c16_folds_are_counted_as_one_line_each() -> None:
    assert request(register("X-Long: y" + "\r\n z" * 1000)).value("x-long") == "y" + " z" * 1000


@pytest.mark.parametrize("dirt", ["", "\x07"])
@pytest.mark.parametrize("line_end", ["\r\n ", "\r\n"])
def test_c16_lines_beyond_those_looked_at_are_400_and_leave_nothing_behind(line_end: str, dirt: str) -> None:
    answer = malformed(register("X-Long: y" + dirt + (line_end + "z: z") * 2000))

    assert (answer.status, "\r" in repr(answer.echo)) == (400, False)


@pytest.mark.parametrize(
    "filling",
    [
        "<",
        '"',
        '"\\',
        '\\"',
        ",",
        ";",
        "<>",
        '""',
        "a,",
        ";a",
        ";a=",
        " ",
        "\r\n ",
        "%00",
        "a=1,",
        ";;,",
        '<",',
    ],
)
@pytest.mark.parametrize("name", ["Via", "Contact", "To", "Authorization", "X"])
def test_c16_no_filling_costs_more_than_its_length(filling: str, name: str) -> None:
    good = {"Via": "SIP/2.0/UDP h", "Authorization": "Digest "}.get(name, "<sip:a@b>")
    values = [good + filling * (8000 // len(filling)) for _ in range(7)]
    data = register(*[f"{name}: {value}" for value in values], **{name: None})

    def work() -> float:
        started = time.process_time()
        parse_request(data)
        with contextlib.suppress(ValueError):
            parse_contacts(values)
        return time.process_time() - started

    assert min(work() for _ in range(3)) < 0.025  # typically 1 to 5 ms; anything quadratic takes seconds
