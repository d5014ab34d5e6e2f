"""What is read as a renewal, and what leaves a doubt and is read in full (RFC 3261 §7.3, §20). Pure."""

import re
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.registrar import echoes
from apps.registrar.bindings import Address
from apps.registrar.received import Received, read, way_back
from apps.registrar.renewals.reading import Renewal, RenewalReader
from apps.sip.digest import Algorithm
from apps.sip.nonce import make_nonce
from apps.sip.response import build_response
from apps.sip.transactions import repeat_key, request_key, transaction_key
from apps.sipserver.events import Origin
from tests.registrar.conftest import NONCE_KEY
from tests.registrar.registrations import DOMAIN
from tests.registrar.renewals.shapes import SHAPES, shaped
from tests.sip.test_properties import SPICE

SOURCE = ("203.0.113.7", 5062)
NONCE = make_nonce(NONCE_KEY, 1_800_000_000, b"salt", SOURCE[0], "example.com")
BOTH = RenewalReader(
    {"example.com": replace(DOMAIN, algorithms=(Algorithm.SHA256, Algorithm.MD5))}, "", NONCE_KEY
)
READER = RenewalReader({"example.com": DOMAIN}, "", NONCE_KEY)
USUAL = (
    "REGISTER sip:example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 203.0.113.7:5062;rport;branch=z9hG4bK776\r\n"
    "Max-Forwards: 70\r\n"
    'From: "Ann" <sip:1001@example.com>;tag=f1\r\n'
    "To: <sip:1001@example.com>\r\n"
    "Call-ID: call-1@phone\r\n"
    "CSeq: 7 REGISTER\r\n"
    "Contact: <sip:1001@203.0.113.7:5062>\r\n"
    "Expires: 600\r\n"
    f'Authorization: Digest username="1001", realm="example.com", nonce="{NONCE}", uri="sip:example.com", '
    'response="00", algorithm=SHA-256, cnonce="c", qop=auth, nc=00000001\r\n'
    "Content-Length: 0\r\n\r\n"
)


def renewal(text: str = USUAL, source: Address | Origin = SOURCE) -> Renewal | None:
    return READER.read(text.encode(), source)


def usual() -> Renewal:
    found = renewal()
    assert found is not None
    return found


def test_the_usual_register_is_read() -> None:
    found = usual()

    assert (found.aor, found.user, found.cseq, found.asked_s) == ("sip:1001@example.com", "1001", 7, 600)
    assert found.credentials.username == "1001"
    assert found.nonce_issued_at_s == 1_800_000_000


ODD = {
    "no request": ("REGISTER ", "register "),
    "another method": ("REGISTER sip", "OPTIONS sip"),
    "another domain": ("REGISTER sip:example.com", "REGISTER sip:example.org"),
    "domain in capitals": ("REGISTER sip:example.com", "REGISTER sip:EXAMPLE.COM"),
    "a user in the Request-URI": ("REGISTER sip:example.com", "REGISTER sip:1001@example.com"),
    "two blanks": (" SIP/2.0\r\nVia", "  SIP/2.0\r\nVia"),
    "another version": (" SIP/2.0\r\nVia", " SIP/3.0\r\nVia"),
    "compact via": ("\r\nVia: ", "\r\nv: "),
    "via in lower case": ("\r\nVia: ", "\r\nvia: "),
    "blank before the colon": ("\r\nVia: ", "\r\nVia : "),
    "blanks within the via": ("SIP/2.0/UDP", "SIP / 2.0 / UDP"),
    "unknown transport": ("SIP/2.0/UDP", "SIP/2.0/SCTP"),
    "capital host in the via": ("UDP 203.0.113.7", "UDP Phone"),
    "port zero": ("203.0.113.7:5062;rport", "203.0.113.7:0;rport"),
    "bad IPv6 in the via": ("UDP 203.0.113.7:", "UDP [2001:::1]:"),
    "rport that is filled": (";rport;", ";rport=5062;"),
    "received already": (";rport;", ";rport;received=192.0.2.1;"),
    "branch of RFC 2543": ("z9hG4bK776", "776"),
    "branch with the cookie alone": ("z9hG4bK776", "z9hG4bK"),
    "cookie in another case": ("z9hG4bK776", "z9HG4BK776"),
    "no branch": (";branch=z9hG4bK776", ""),
    "quoted branch": ("branch=z9hG4bK776", 'branch="z9hG4bK776"'),
    "two vias in a line": ("z9hG4bK776", "z9hG4bK776, SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
    "no From tag": (";tag=f1", ""),
    "a parameter behind the From tag": (";tag=f1", ";tag=f1;x=y"),
    "From without brackets": ('"Ann" <sip:1001@example.com>', "sip:1001@example.com"),
    "a To tag": ("To: <sip:1001@example.com>", "To: <sip:1001@example.com>;tag=1"),
    "To with a parameter without brackets": ("To: <sip:1001@example.com>", "To: sip:1001@example.com;x=y"),
    "escapes in To": ("To: <sip:1001@", "To: <sip:%31001@"),
    "host of To in capitals": ("To: <sip:1001@example.com>", "To: <sip:1001@Example.com>"),
    "tel in To": ("To: <sip:1001@example.com>", "To: <tel:1001>"),
    "no Call-ID": ("Call-ID: call-1@phone\r\n", ""),
    "blank in the Call-ID": ("call-1@phone", "call 1"),
    "CSeq of another method": ("7 REGISTER", "7 INVITE"),
    "CSeq with zeros": ("7 REGISTER", "007 REGISTER"),
    "CSeq beyond nine digits": ("7 REGISTER", "1234567890 REGISTER"),
    "CSeq zero": ("7 REGISTER", "0 REGISTER"),
    "folded line": ("Max-Forwards: 70", "Max-Forwards:\r\n 70"),
    "folded by a tab": ("Max-Forwards: 70", "Max-Forwards:\r\n\t70"),
    "body": ("\r\n\r\n", "\r\n\r\nbody\r\n\r\n"),
    "no empty line": ("Content-Length: 0\r\n\r\n", "Content-Length: 0\r\n"),
    "line ends of one sign": ("\r\n", "\n"),
    "no credentials": ("Authorization: Digest", "X: Digest"),
    "Basic": ("Authorization: Digest", "Authorization: Basic"),
    "another realm": ('realm="example.com"', 'realm="example.org"'),
    "no qop": (', cnonce="c", qop=auth, nc=00000001', ""),
    "auth-int": ("qop=auth", "qop=auth-int"),
    "bad count": ("nc=00000001", "nc=1"),
    "twice a parameter": ("nc=00000001", "nc=00000001, nc=00000002"),
    "userhash": ("qop=auth,", "qop=auth, userhash=true,"),
    "an algorithm the domain does not offer": ("algorithm=SHA-256", "algorithm=MD5"),
    "no algorithm, which means MD5": ("algorithm=SHA-256, ", ""),
    "an unknown algorithm": ("algorithm=SHA-256", "algorithm=SHA-1"),
    "a nonce of nobody": (NONCE, "00"),
    "a nonce for somebody else": (NONCE, make_nonce(NONCE_KEY, 1, b"", "203.0.113.8", "example.com")),
    "a nonce of another realm": (NONCE, make_nonce(NONCE_KEY, 1, b"", SOURCE[0], "example.org")),
    "a nonce of another key": (NONCE, make_nonce(b"x" * 32, 1, b"", SOURCE[0], "example.com")),
    "another spelling of the nonce": (NONCE, NONCE + "="),
    "control character in the credentials": ('cnonce="c"', 'cnonce="\x01"'),
}


@pytest.mark.parametrize("oddity", ODD)
def test_what_may_be_read_in_two_ways_is_no_renewal(oddity: str) -> None:
    old, new = ODD[oddity]
    assert old in USUAL

    assert renewal(USUAL.replace(old, new)) is None


@pytest.mark.parametrize("data", [b"", b"REGISTER ", b"\r\n\r\n", b"REGISTER \xff\r\n\r\n", b"\0" * 40])
def test_noise_is_no_renewal(data: bytes) -> None:
    assert READER.read(data, SOURCE) is None


VARIES = {
    "branch": ("z9hG4bK776", "z9hG4bK777x"),
    "From tag": (";tag=f1", ";tag=another"),
    "CSeq": ("7 REGISTER", "123 REGISTER"),
    "nonce count": ("nc=00000001", "nc=00000002"),
    "response": ('response="00"', 'response="ff"'),
}


@pytest.mark.parametrize("what", VARIES)
def test_what_every_renewal_changes_is_not_in_the_key(what: str) -> None:
    other = renewal(USUAL.replace(*VARIES[what]))

    assert other is not None
    assert other.key == usual().key


def test_whoever_sends_from_wherever_by_whatever_policy_is_in_the_key() -> None:
    text = USUAL.replace('username="1001"', 'username="1002"')
    same_host = [
        renewal(text),
        renewal(source=(SOURCE[0], 5063)),
        renewal(source=Origin(*SOURCE)),
        renewal(source=Origin(*SOURCE, "TCP", "w/1")),
        renewal(source=Origin(*SOURCE, "TCP", "w/2")),
        renewal(source=Origin(*SOURCE, "UDP", None, b"\x01")),
    ]
    domains = [
        replace(DOMAIN, version="2"),
        replace(DOMAIN, strict_cseq=True),
        replace(DOMAIN, max_expires_s=60),
    ]
    readers = [RenewalReader({"example.com": domain}, "", NONCE_KEY) for domain in domains]
    readers.append(RenewalReader({"example.com": DOMAIN}, "another socket", NONCE_KEY))
    found = [*same_host, *(reader.read(USUAL.encode(), SOURCE) for reader in readers), usual()]

    assert len({one.key for one in found if one}) == len(found)


def test_c92_with_any_bit_changed_it_is_no_renewal_has_another_key_or_changed_only_what_varies() -> None:
    same, varies = usual(), {at for span in _spans(USUAL) for at in range(*span)}
    for at, bit in product(range(len(USUAL)), range(8)):
        data = bytearray(USUAL.encode())
        data[at] ^= 1 << bit
        found = READER.read(bytes(data), SOURCE)
        if found is not None and found.key == same.key:
            assert at in varies, bytes(data)
            assert found.call_id == same.call_id
            assert (found.aor, found.asked_s, found.to_text) == (same.aor, same.asked_s, same.to_text)


@given(st.integers(0, len(USUAL)), st.integers(0, 40), st.sampled_from(SPICE) | st.binary(max_size=8))
def test_c92_with_anything_cut_out_or_put_in_the_same_holds(begin: int, length: int, piece: bytes) -> None:
    data = USUAL.encode()
    bent = data[:begin] + piece + data[begin + length :]
    found = READER.read(bent, SOURCE)

    if found is not None and found.key == usual().key:
        assert _without_what_varies(bent.decode()) == _without_what_varies(USUAL)


def _spans(text: str) -> list[tuple[int, int]]:
    patterns = (r"branch=(\S+)", r"From: [^\r]+;tag=(\S+)", r"CSeq: (\d+)", r"Authorization: ([^\r]+)")
    return [found.span(1) for pattern in patterns if (found := re.search(pattern, text))]


def _without_what_varies(text: str) -> str:
    for begin, end in sorted(_spans(text), reverse=True):
        text = text[:begin] + text[end:]
    return text


@pytest.mark.parametrize("name", list(SHAPES))
def test_what_is_read_of_a_known_phone_is_what_is_read_in_full(name: str) -> None:
    shape = SHAPES[name]
    source = shape.origin[:2]
    nonce = make_nonce(NONCE_KEY, 1_800_000_000, b"salt", source[0], "example.com")
    data = shaped(shape, nonce, 1)
    found = BOTH.read(data, shape.origin)
    full = read(data, shape.origin)

    assert found is not None
    assert isinstance(full, Received)
    request = full.request
    assert echoes.transaction_key(found) == transaction_key(request)
    assert found.repeat_key == repeat_key(data, source)
    assert found.request_key == request_key(request.from_.text, request.call_id, request.value("cseq") or "")
    assert echoes.way_back(found) == way_back(request, shape.origin)
    assert echoes.response(found, "200 OK", "X: y\r\n") == build_response(
        request, source, 200, "OK", [("X", "y")]
    )


def test_the_domain_offers_what_it_offers() -> None:
    md5 = USUAL.replace("algorithm=SHA-256", "algorithm=MD5")

    assert renewal(md5) is None
    assert BOTH.read(md5.encode(), SOURCE) is not None
