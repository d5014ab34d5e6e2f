"""What holds for every input (Hypothesis)."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.sip.contact import ContactError, Star, parse_contacts, parse_expires
from apps.sip.digest import Algorithm, parse_authorization, verify, www_authenticate
from apps.sip.message import MalformedRequest, Request, parse_request
from apps.sip.nonce import NonceState, make_nonce, nonce_issued_at_s, nonce_state
from apps.sip.response import build_response, response_address
from apps.sip.transactions import transaction_key
from apps.sip.uri import UriError, address_of_record, parse_sip_uri, uris_equal
from tests.sip.messages import HEADERS, REQUEST_LINE, register

SOURCE = ("203.0.113.5", 33333)
SEED = (
    register(
        "Supported: path, outbound",
        'Authorization: Digest username="a", realm="example.com", nonce="n", uri="sip:example.com", response="0"',
        "v: SIP/2.0/TCP [2001:db8::1]:5060;rport;received=1.2.3.4;branch=z9hG4bKx",
    )
    + b"v=0\r\n"
)
SPICE = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b'"',
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"%00",
    b"\xff",
    b"\xc2\x85",
    b" ",
    b"\\",
    b"*",
]
fragments = st.one_of(st.sampled_from(SPICE), st.binary(max_size=6), st.sampled_from(SEED.split(b"\r\n")))


@st.composite
def bent_registers(draw: st.DrawFn) -> bytes:
    """The usual REGISTER with pieces cut out and fragments put in."""
    data = SEED
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.sampled_from([0, 0, 1, 2, 5, 40]))
        data = data[:start] + draw(fragments) + data[end:]
    return data


header_values = st.text(max_size=60) | st.text(alphabet='<>";,:=@ ?*\\%0aq.[]é\t', max_size=40)


@st.composite
def built_registers(draw: st.DrawFn) -> bytes:
    """A REGISTER in which one or two header values are anything."""
    names = draw(st.lists(st.sampled_from([*HEADERS, "Authorization", "Path"]), min_size=1, max_size=2))
    changed: dict[str, Any] = {name.replace("-", "_"): draw(header_values) for name in names}
    return register(**changed)


def texts(value: object) -> list[str]:
    """Every str inside a parsed value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, (tuple, list)):
        return [text for each in value for text in texts(each)]
    slots = getattr(value, "__slots__", ())
    return [text for name in slots for text in texts(getattr(value, name))]


def check(data: bytes) -> None:
    parsed = parse_request(data)
    if isinstance(parsed, Request):
        assert not any(set("\r\n\0") & set(text) for text in texts(parsed))
        for text in texts(parsed):
            text.encode()
        assert len(transaction_key(parsed)) == 16
        for use in (
            lambda: parse_contacts(parsed.values("contact")),
            lambda: parse_expires(parsed.value("expires")),
        ):
            with contextlib.suppress(ContactError):
                use()
        parse_authorization(parsed.values("authorization"), "example.com")
        answer(parsed, 200)
    else:
        assert isinstance(parsed, MalformedRequest)
        assert parsed.why
        if parsed.status is not None:
            answer(parsed, parsed.status)


def answer(parsed: Request | MalformedRequest, status: int) -> None:
    """Any answer reads as a status line and header lines, carries our Via first, and goes to the source."""
    data = build_response(
        parsed, SOURCE, status, parsed.reason if isinstance(parsed, MalformedRequest) else "OK"
    )
    head, end, rest = data.decode().partition("\r\n\r\n")
    assert (end, rest) == ("\r\n\r\n", "")
    status_line, *headers = head.split("\r\n")
    assert status_line.startswith(f"SIP/2.0 {status} ")
    names = [line.partition(": ")[0] for line in headers]
    assert names[0] == "Via"
    assert names[-1] == "Content-Length"
    assert set(names) <= {"Via", "From", "To", "Call-ID", "CSeq", "Content-Length"}
    assert not {"\r", "\n", "\0"} & set("".join(headers))
    host, port = response_address(parsed, SOURCE)
    assert host == SOURCE[0]
    assert 0 < port < 65536


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_malformed_one(data: bytes) -> None:
    check(data)


@given(st.binary(max_size=300))
def test_any_bytes_after_a_request_line_are_a_request_or_a_malformed_one(data: bytes) -> None:
    check(REQUEST_LINE.encode() + b"\r\nVia: SIP/2.0/UDP h\r\n" + data)


@given(bent_registers())
def test_any_bent_register_is_answerable_or_silent(data: bytes) -> None:
    check(data)


@given(built_registers())
def test_any_header_value_is_answerable_or_silent(data: bytes) -> None:
    check(data)


@given(header_values)
def test_any_text_is_a_uri_or_a_uri_error(text: str) -> None:
    try:
        uri = parse_sip_uri("sip:" + text)
    except UriError:
        return
    assert uris_equal(uri, uri)
    aor = address_of_record(uri)
    assert aor.isascii()
    assert address_of_record(parse_sip_uri(aor)) == aor


@given(st.lists(header_values, max_size=3))
def test_any_texts_are_contacts_or_a_contact_error(values: list[str]) -> None:
    try:
        contacts = parse_contacts(values)
    except ContactError:
        return
    assert isinstance(contacts, Star) or all(0 <= (contact.q or 0) <= 1000 for contact in contacts)


@given(st.text(max_size=60))
def test_any_authorization_is_credentials_a_fault_or_nothing(text: str) -> None:
    parse_authorization([text, "Digest " + text], "example.com")


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"]), min_size=1), st.sampled_from(Algorithm))
def test_our_challenge_reads_back(realm: str, algorithm: Algorithm) -> None:
    challenge = www_authenticate(realm, "n", algorithm, stale=False).replace(', qop="auth"', "")
    credentials = parse_authorization([f'{challenge}, username="u", uri="x", response="r"'], realm)

    assert credentials is not None
    assert not hasattr(credentials, "why")
    assert not verify(credentials, "0", "REGISTER")


@given(st.binary(max_size=16), st.integers(0, 2**40 - 1), st.text(max_size=20), st.integers(-10, 700))
def test_a_nonce_is_fresh_exactly_while_it_lives(salt: bytes, issued: int, realm: str, age: int) -> None:
    nonce = make_nonce(b"k", issued, salt, "h", realm)
    state = nonce_state(nonce_issued_at_s(b"k", nonce, "h", realm), issued + age, 300)

    expected = NonceState.FOREIGN if age < -5 else NonceState.EXPIRED if age > 300 else NonceState.FRESH
    assert state is expected


@given(st.text(max_size=70))
def test_any_other_text_is_no_nonce(text: str) -> None:
    assert nonce_issued_at_s(b"k", text, "h", "r") is None
