"""What is stored of a message holds no secret, whatever the bytes are."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.registrar.trace.masking import masked
from apps.registrar.trace.messages import MOST_BYTES
from tests.registrar.trace.messages import CHALLENGE, REGISTER

SECRETS = (b"N0NCE", b"R3SPONSE", b"CN0NCE")


@pytest.mark.parametrize("data", [REGISTER, CHALLENGE, REGISTER.replace(b"\r\n", b"\n"), REGISTER[:-150]])
def test_what_a_digest_could_be_guessed_from_is_taken_out(data: bytes) -> None:
    assert [secret for secret in SECRETS if secret in masked(data)] == []


def test_the_structure_stays_readable() -> None:
    line = next(line for line in masked(REGISTER).decode().split("\r\n") if line.startswith("Authorization"))
    assert line == (
        'Authorization: Digest username="1001", realm="example.com", nonce="…", uri="sip:example.com", '
        'response="…", algorithm=SHA-256, cnonce="…", qop=auth, nc=00000001'
    )


def test_all_else_stays_as_it_was() -> None:
    before, after = REGISTER.split(b"\r\n"), masked(REGISTER).split(b"\r\n")
    assert [old for old, new in zip(before, after, strict=True) if old != new] == [before[6]]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"Authorization: Basic U0VDUkVU", b"Authorization: Basic \xe2\x80\xa6"),
        (b"authorization : Bearer SECRET.x", b"authorization : Bearer \xe2\x80\xa6"),
        (b"Authorization: Unknown SECRET", b"Authorization: \xe2\x80\xa6 \xe2\x80\xa6"),
        (
            b'Authentication-Info: nextnonce="SECRET", qop=auth',
            'Authentication-Info: nextnonce="…", qop=auth'.encode(),
        ),
        (
            b'Proxy-Authenticate: Digest realm="r", nonce="SECRET"',
            'Proxy-Authenticate: Digest realm="r", nonce="…"'.encode(),
        ),
        (b'Authorization: Digest realm="open, response=SECRET', 'Authorization: Digest realm="…"'.encode()),
        (
            b'Authorization: Digest response="SEC\r\n RET", nc=1',
            'Authorization: Digest response="…", nc=1'.encode(),
        ),
        (b'Authorization: Digest response=\r\n "SECRET"', None),
        (b"Authorization: Digest\r\n response=SECRET", None),
        (b'X-Authorization: Digest response="SECRET"', 'X-Authorization: Digest response="…"'.encode()),
        (b'Autho\x00rization: Digest username="a", response = SECRET', None),
        (b"a\rAuthorization: Basic U0VDUkVU", None),
        (b"Contact: <sip:1001:SECRET@203.0.113.7>", "Contact: <sip:1001:…@203.0.113.7>".encode()),
        (
            b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRET|2^20",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:…|2^20".encode(),
        ),
        (b"a=ice-pwd:SECRET", "a=ice-pwd:…".encode()),
    ],
)
def test_secrets_in_odd_places_are_taken_out_too(line: bytes, kept: bytes | None) -> None:
    found = masked(b"REGISTER sip:example.com SIP/2.0\r\n" + line + b"\r\nTo: <sip:1001@example.com>\r\n\r\n")
    assert b"RET" not in found
    assert b"U0VDUkVU" not in found
    assert b"To: <sip:1001@example.com>" in found
    assert kept is None or kept in found


def test_a_temporary_gruu_is_no_secret() -> None:
    assert b"tgruu.7hs" in masked(REGISTER)


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [
                b"Authorization:",
                b"\r\n",
                b"\r\n ",
                b'"',
                b"\\",
                b",",
                b" ",
                b"Digest ",
                b"realm=",
                b"x",
                b"\xff",
                b"\0",
            ]
        ),
        max_size=12,
    ),
    st.sampled_from([b'response="S3CRET"', b"cnonce=S3CRET", b'nonce = "S3CRET"', b"Basic S3CRET"]),
)
def test_no_bytes_around_it_uncover_a_secret(around: list[bytes], secret: bytes) -> None:
    found = masked(b"".join([*around, b" ", secret, b"\r\n\r\n"]))
    assert b"S3CRET" not in found


@given(st.binary(max_size=300))
def test_masking_twice_changes_nothing_more(data: bytes) -> None:
    assert masked(masked(data)) == masked(data)


def test_a_long_message_is_cut_and_its_last_secret_with_it() -> None:
    found = masked(b"X: " + b"a" * (MOST_BYTES - 30) + b'\r\nnonce="' + b"S3CRET" * 10)
    assert len(found) <= MOST_BYTES
    assert b"S3CR" not in found


@pytest.mark.parametrize(
    "piece", [b"sip:", b'"', b"response=", b"sip:a", b"Authorization: ", b"a=\\", b"inline:", b"\r\n "]
)
def test_hostile_repetition_costs_little(piece: bytes) -> None:
    started = time.process_time()
    masked(piece * (MOST_BYTES // len(piece)))
    assert time.process_time() - started < 0.1
