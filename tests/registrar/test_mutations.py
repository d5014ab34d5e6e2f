"""Every header of a good, authenticated REGISTER bent in turn: at most one answer, well formed, never a fault of ours,
and what is refused changes nothing."""

import logging
from itertools import combinations

import pytest
from asgiref.sync import sync_to_async

from apps.registrar.models import Binding
from apps.sip.message import MalformedRequest, parse_request
from tests.registrar.conftest import Registrar
from tests.registrar.phone import Phone, read_reply

pytestmark = pytest.mark.django_db(transaction=True)

Lines = list[bytes]
FILLINGS = {
    "8 kB": b"a" * 8192,
    "NUL": b"a\0b",
    "bad UTF-8": b"\xff\xfe\xc3(",
    "quotes": b'"' * 301,
}
DIGITS = "9" * 60_000
FEWER_DIGITS = "9" * 8_000


def header_lines(data: bytes) -> Lines:
    return data.removesuffix(b"\r\n\r\n").split(b"\r\n")


def joined(lines: Lines) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n"


def bent(lines: Lines, number: int, kind: str) -> bytes:
    name, _, _ = lines[number].partition(b": ")
    changed = {
        "dropped": [],
        "doubled": [lines[number]] * 2,
        "emptied": [name + b":"],
        **{filling: [name + b": " + value] for filling, value in FILLINGS.items()},
    }[kind]
    return joined([*lines[:number], *changed, *lines[number + 1 :]])


def swapped(lines: Lines, first: int, second: int) -> bytes:
    names, values = zip(*(lines[number].split(b": ", 1) for number in (first, second)), strict=True)
    changed = list(lines)
    changed[first], changed[second] = names[0] + b": " + values[1], names[1] + b": " + values[0]
    return joined(changed)


@sync_to_async
def rows() -> list[dict[str, object]]:
    return [{**row} for row in Binding.objects.order_by("binding_id").values()]


class Bench:
    """A phone that has registered, and what must hold whatever it sends next."""

    def __init__(self, registrar: Registrar, phone: Phone, caplog: pytest.LogCaptureFixture) -> None:
        self.registrar, self.phone, self.caplog = registrar, phone, caplog

    def good(self) -> Lines:
        return header_lines(self.phone.register(expires=600, headers=["Supported: path", "Require: path"]))

    async def check(self, data: bytes) -> int | None:
        before = await rows()
        answers = await self.registrar.processor.answers([(data, self.phone.source)])
        assert len(answers) <= 1
        loud = [record for record in self.caplog.records if record.levelno > logging.INFO]
        assert not loud
        if not answers:
            assert await rows() == before
            return None
        reply = read_reply(answers[0][0])
        assert answers[0][1][0] == self.phone.source[0]
        assert 200 <= reply.status < 500 or reply.status in {501, 505}
        assert isinstance(parse_request(answers[0][0]), MalformedRequest)  # a response, to any reader
        assert b"\0" not in answers[0][0]
        if reply.status != 200:
            assert await rows() == before
        return reply.status


@pytest.fixture
async def bench(registrar: Registrar, phone: Phone, caplog: pytest.LogCaptureFixture) -> Bench:
    assert (await registrar.register(phone)).status == 200
    return Bench(registrar, phone, caplog)


@pytest.mark.parametrize("kind", ["dropped", "doubled", "emptied", *FILLINGS])
async def test_c14_c95_every_header_bent_in_turn_is_no_fault_of_ours(bench: Bench, kind: str) -> None:
    statuses = [
        await bench.check(bent(lines, number, kind))
        for number in range(1, len(bench.good()))
        if (lines := bench.good())
    ]

    assert len(statuses) > 10
    assert any(status in {400, 401, None} for status in statuses)


async def test_c14_any_two_headers_with_their_values_swapped_are_no_fault_of_ours(bench: Bench) -> None:
    for first, second in combinations(range(1, len(bench.good())), 2):
        await bench.check(swapped(bench.good(), first, second))


NUMBERS = (
    ("CSeq: ", "CSeq: #"),
    ("Expires: ", "Expires: #"),
    ("Max-Forwards: ", "Max-Forwards: #"),
    ("Content-Length: ", "Content-Length: #"),
    ("Contact: <sip:1001@203.0.113.7:5062>", "Contact: <sip:1001@203.0.113.7:5062>;expires=#"),
    ("Contact: <sip:1001@203.0.113.7:5062>", "Contact: <sip:1001@203.0.113.7:5062>;q=0.#"),
    ("Contact: <sip:1001@203.0.113.7:5062>", 'Contact: <sip:a@b>;+sip.instance="<urn:x>";reg-id=#'),
    ("Contact: <sip:1001@203.0.113.7:5062>", "Contact: <sip:1001@203.0.113.7:#>"),
    (";rport;", ";rport=#;"),
    (";rport;", ";rport;ttl=#;keep=#;"),
    ("203.0.113.7:5062;", "203.0.113.7:#;"),
    ("nc=0000000", "nc=#"),
    ("REGISTER sip:example.com ", "REGISTER sip:example.com:# "),
    ("SIP/2.0\r\n", "SIP/#.0\r\n"),
)


@pytest.mark.parametrize("digits", [DIGITS, FEWER_DIGITS], ids=["60,000", "8,000"])
async def test_c16_c65_numbers_of_any_length_are_no_fault_of_ours(bench: Bench, digits: str) -> None:
    for old, new in NUMBERS:
        good = joined(bench.good()).decode()
        await bench.check(good.replace(old, new.replace("#", digits), 1).encode())


@pytest.mark.parametrize("name", [b"X", b"Contact", b"Authorization", b"Via", b"To", b"Path", b"User-Agent"])
async def test_c16_headers_of_64_kb_are_no_fault_of_ours(bench: Bench, name: bytes) -> None:
    for unit in (b"a", b",", b'"', b"\r\n ", b"<sip:a@b>, ", b"\xff"):
        head = joined([*bench.good(), name + b": "]).removesuffix(b"\r\n\r\n")
        filled = head + unit * ((65_000 - len(head)) // len(unit)) + b"\r\n\r\n"
        assert await bench.check(filled) in {400, 401, None}
