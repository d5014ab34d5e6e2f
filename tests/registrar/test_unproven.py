"""A first REGISTER that is read only as far as its challenge needs is challenged as if it were read in full (RFC 3261
§8.2, §10.3)."""

import datetime as dt
import random
from uuid import UUID

import pytest

from apps.registrar import echoes, outcomes
from apps.registrar.authentication import read_claim
from apps.registrar.bindings import DomainPolicy
from apps.registrar.deciding import Chance, answered, challenge, first_challenge
from apps.registrar.received import Received, read, way_back
from apps.registrar.sightings.notes import ChallengeKey, Sightings
from apps.registrar.triage import triage
from apps.registrar.unproven import read_unproven
from apps.sip.digest import Algorithm
from apps.sipserver.events import Datagram, Origin
from tests.registrar.conftest import NONCE_KEY
from tests.registrar.renewals.shapes import SHAPES, Shape

DOMAIN = DomainPolicy(
    UUID(int=1), "example.com", "example.com", (Algorithm.SHA256, Algorithm.MD5), 60, 3600, 7200
)
DOMAINS = {DOMAIN.name: DOMAIN}
NOW = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
CHANCE = Chance(NONCE_KEY, lambda: UUID(int=2), lambda: 7)
SOURCE = ("203.0.113.7", 5062)

PLAIN = (
    "REGISTER sip:example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.168.1.20:5062;rport;branch=z9hG4bK24\r\n"
    "Max-Forwards: 70\r\n"
    'From: "Ann Lee" <sip:1001@example.com>;tag=a1\r\n'
    "To: <sip:1001@example.com>\r\n"
    "Call-ID: abc@192.168.1.20\r\n"
    "CSeq: 1 REGISTER\r\n"
    'Contact: <sip:1001@192.168.1.20:5062;ob>;expires=600;+sip.instance="<urn:uuid:0-1>"\r\n'
    "User-Agent: Phone 1.0\r\n"
    "Expires: 3600\r\n"
    "Content-Length: 0\r\n\r\n"
)

# (what, by what): each leaves no doubt no more, or is another request.
CHANGED = [
    ("Content-Length: 0\r\n", "Content-Length: 5\r\n"),
    ("Content-Length: 0\r\n", ""),
    ("Expires: 3600", "Expires: 0"),
    ("Expires: 3600", "Require: nothing-we-know"),
    ("Expires: 3600", 'Authorization: Digest username="1001"'),
    ("Expires: 3600", "Expires"),
    ("Expires: 3600", "Expires: 1\r\nExpires: 2"),
    ("Expires: 3600", "Expires: 3600\r\n folded"),
    ("Expires: 3600", "t: <sip:1002@example.com>"),
    ("Max-Forwards: 70", "Max-Forwards: 70\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK25"),
    ("Contact: <sip:1001@", "Contact: *\r\nX: <sip:1001@"),
    ("Contact: <sip:1001@", "Contact: <tel:1001@"),
    (":5062;ob>", ":70000>"),
    (":5062;ob>", ":5062;ob;ob>"),
    (":5062;ob>", ":5062;OB;ob>"),
    (":5062;ob>", "..net>"),
    (";expires=600", ";expires=600, <sip:1002@192.0.2.1>"),
    (";expires=600", ";expires=600;;"),
    ("CSeq: 1 REGISTER", "CSeq: 99999999999 REGISTER"),
    ("CSeq: 1 REGISTER", "CSeq: 1 OPTIONS"),
    ("CSeq: 1 REGISTER", "CSeq: 01 REGISTER"),
    ("To: <sip:1001@example.com>", "To: <sip:1001@example.com>;tag=x"),
    ("To: <sip:1001@example.com>", "To: <sip:%31001@example.com>"),
    ("To: <sip:1001@example.com>", "To:   <sip:1001@example.com>"),
    (";rport;", ";rport=5;"),
    (";rport;", ";rport;rport;"),
    (";rport;", ";received=10.9.8.7;"),
    (";rport;", ";branch=z9hG4bK99;"),
    (";rport;", ";x=;"),
    ("branch=z9hG4bK24", "branch=old"),
    ("192.168.1.20:5062;rport", "[2001:db8:::1]:5062;rport"),
    ("192.168.1.20:5062;rport", "192.168.1.20:0;rport"),
    ("Phone 1.0", "Phöne 1.0"),
    ("Phone 1.0", "Phone\x01"),
    ("Call-ID: abc@192.168.1.20", "Call-ID: abc 192"),
    (" SIP/2.0\r\n", " SIP/3.0\r\n"),
    ("sip:example.com SIP", "sip:example.com.. SIP"),
    ("\r\n\r\n", "\r\n\r\nv=0"),
]
# And these are still read.
HARMLESS = [
    (";rport;", ";"),
    ("sip:example.com SIP", "sip:example.com:5060;transport=udp SIP"),
    ("192.168.1.20:5062;rport", "[2001:db8::7]:5062;rport"),
    ("192.168.1.20:5062;rport", "203.0.113.7"),
    ("Ann Lee", ""),
    ('"Ann Lee" ', "Ann "),
    ("CSeq: 1 ", "CSeq: 0 "),
    ("Phone 1.0", ' <b>"x"\\ '),
    ("Expires: 3600", "Expires: x"),
    (";expires=600", ';q=9;methods="INVITE, BYE"'),
]


def challenged_in_full(data: bytes, origin: Origin) -> tuple[Datagram, Sightings] | None:
    """As batches.py has it for what was read in full; None for who is not challenged."""
    full = read(data, origin)
    if not isinstance(full, Received) or not isinstance(
        domain := triage(full.request, DOMAINS), DomainPolicy
    ):
        return None
    if read_claim(full.request, domain, NONCE_KEY, origin[0], int(NOW.timestamp())) is not None:
        return None
    sightings = Sightings()
    sightings.challenged(full.request, domain, full.source, NOW)
    answer = challenge(CHANCE, full, domain, int(NOW.timestamp()), outcomes.CHALLENGE)
    assert way_back(full.request, origin) == answered(full, answer)[1]
    return answered(full, answer), sightings


def challenged_shortly(data: bytes, origin: Origin) -> tuple[Datagram, Sightings] | None:
    """None for what is not read shortly, or is for others."""
    one = read_unproven(data, origin)
    if one is None or one.asked not in DOMAINS:
        return None
    sightings = Sightings()
    key = ChallengeKey(DOMAIN.name, one.user, origin[0])
    sightings.awaits_answer(key, (one.call_id, one.cseq, one.branch), origin[1], one.user_agent, NOW)
    return (first_challenge(NONCE_KEY, one, DOMAIN, int(NOW.timestamp())), echoes.way_back(one)), sightings


def shaped(shape: Shape) -> bytes:
    lines = shape.text.format(serial=7, cseq=3, credentials="{}").rstrip("\n").split("\n")
    head = [f"REGISTER {shape.uri} SIP/2.0", *[line for line in lines if "Authorization" not in line]]
    head += [] if any("Content-Length" in line for line in head) else ["Content-Length: 0"]
    return "\r\n".join([*head, "", ""]).encode()


@pytest.mark.parametrize("origin", [Origin(*SOURCE), Origin("2001:db8::7", 40000)])
@pytest.mark.parametrize("change", [("", ""), *HARMLESS])
def test_a_plain_register_is_challenged_as_if_read_in_full(change: tuple[str, str], origin: Origin) -> None:
    data = PLAIN.replace(*change, 1).encode()

    assert challenged_shortly(data, origin) is not None
    assert challenged_shortly(data, origin) == challenged_in_full(data, origin)


@pytest.mark.parametrize("change", CHANGED, ids=lambda change: repr(change[1])[:40])
def test_whatever_is_not_plain_is_read_in_full(change: tuple[str, str]) -> None:
    data = PLAIN.replace(*change, 1).encode()

    assert data != PLAIN.encode()
    assert challenged_shortly(data, Origin(*SOURCE)) is None


@pytest.mark.parametrize("name", list(SHAPES))
def test_known_phones_are_challenged_alike(name: str) -> None:
    data, origin = shaped(SHAPES[name]), SHAPES[name].origin
    shortly = challenged_shortly(data, origin)

    assert shortly is None or shortly == challenged_in_full(data, origin)


def test_most_known_phones_are_read_shortly() -> None:
    quick = [name for name, shape in SHAPES.items() if challenged_shortly(shaped(shape), shape.origin)]

    assert len(quick) >= len(SHAPES) * 0.6, quick


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_to_the_bytes_nothing_is_answered_that_would_not_be(seed: int) -> None:
    chance = random.Random(seed)
    bases = [PLAIN.encode(), *[shaped(shape) for shape in SHAPES.values()]]
    pieces = [
        b";",
        b",",
        b" ",
        b"\r\n",
        b"\t",
        b"<",
        b">",
        b'"',
        b"%",
        b"=",
        b"\\",
        b":",
        b"@",
        b"..",
        b"Via: x\r\n",
        b"\0",
    ]
    read_shortly = 0
    for _ in range(500):
        data = bytearray(chance.choice(bases))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            kind = chance.random()
            if kind < 0.4:
                data[at] = chance.randrange(128)
            elif kind < 0.7:
                data[at:at] = chance.choice(pieces)
            else:
                del data[at : at + chance.randint(1, 8)]
        shortly = challenged_shortly(bytes(data), Origin(*SOURCE))
        read_shortly += shortly is not None
        assert shortly is None or shortly == challenged_in_full(bytes(data), Origin(*SOURCE)), bytes(data)
    assert read_shortly > 40
