"""Group F of the checklist, and the address-of-record."""

from __future__ import annotations

import unicodedata

import pytest

from apps.sip.uri import (
    SipUri,
    UnsupportedScheme,
    UriError,
    UriTooLong,
    address_of_record,
    aor_of,
    format_host,
    parse_sip_uri,
    uris_equal,
)


def equal(a: str, b: str) -> bool:
    forward = uris_equal(parse_sip_uri(a), parse_sip_uri(b))
    assert forward == uris_equal(parse_sip_uri(b), parse_sip_uri(a))
    return forward


def test_every_part_of_a_uri_is_read() -> None:
    uri = parse_sip_uri(
        "SIPS:al%69ce;day=t:se%63ret@[2001:DB8::1]:5061;Transport=TCP;lr;x=%41?Subject=a%20b&to="
    )

    assert uri == SipUri(
        "sips",
        "alice;day=t",
        "secret",
        "2001:db8::1",
        5061,
        (("transport", "TCP"), ("lr", None), ("x", "A")),
        (("Subject", "a b"), ("to", "")),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:a@b@c",
        "sip:h:",
        "sip:h:0",
        "sip:h:65536",
        "sip:h:123456",
        "sip:a b@h",
        "sip:a@h;",
        "sip:a@h;;x",
        "sip:a@h;x;X",
        "sip:a@h;x=",
        "sip:a@h?x",
        "sip:a%@h",
        "sip:a%4@h",
        "sip:a%zz@h",
        "sip:a%F4%8F%BC%80b@h",
        "sip:a%ff@h",
        "sip:é@h",
        "sip:a@h\r\n",
        "sip:a@h..x",
        "sip:a@.h",
        "sip:[::1",
        "sip:[1:2]",
        "sip:[:::]",
        "sip:a@2001:db8::1",
        "sip:a@h%41",
        "1001",
        "<sip:a@h>",
    ],
)
def test_bad_uris_are_refused(text: str) -> None:
    with pytest.raises(UriError) as caught:
        parse_sip_uri(text)
    assert caught.type is UriError


@pytest.mark.parametrize("text", ["sip:a%00b@h", "sip:a%0D%0Ab@h", "sip:a%7F%C2%85@h"])
def test_c14_escaped_control_characters_are_told_apart_without_being_in_any_text(text: str) -> None:
    uri = parse_sip_uri(text)

    assert uri.user is not None
    assert not any(unicodedata.category(character) == "Cc" for character in uri.user)
    assert address_of_record(uri) == text
    assert not uris_equal(uri, parse_sip_uri(text.replace("%", "%25")))


@pytest.mark.parametrize(
    "text", ["tel:+15551234", "mailto:a@b.c", "isbn:298", "soap.beep://192.0.2.103:3002"]
)
def test_other_schemes_are_told_apart(text: str) -> None:
    with pytest.raises(UnsupportedScheme):
        parse_sip_uri(text)


def test_c16_uris_over_512_characters_are_refused() -> None:
    assert parse_sip_uri("sip:" + "a" * 506 + "@h").host == "h"
    with pytest.raises(UriTooLong):
        parse_sip_uri("sip:" + "a" * 507 + "@h")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
    ],
)
def test_c82_c84_c85_pairs_the_rfc_calls_equal(a: str, b: str) -> None:
    assert equal(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob:pw@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;user=phone"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;ttl=15"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;method=INVITE"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;maddr=192.0.2.1"),
    ],
)
def test_c82_c83_c84_c85_pairs_the_rfc_calls_different(a: str, b: str) -> None:
    assert not equal(a, b)


def test_c84_comparison_is_not_transitive() -> None:
    assert equal("sip:c@h", "sip:c@h;security=on")
    assert equal("sip:c@h", "sip:c@h;security=off")
    assert not equal("sip:c@h;security=on", "sip:c@h;security=off")


def test_c86_ipv6_spellings_are_equal() -> None:
    assert equal("sip:a@[2001:DB8::1]", "sip:a@[2001:db8:0::1]")


@pytest.mark.parametrize(
    ("text", "aor"),
    [
        ("sip:al%69ce@EXAMPLE.com;x=y", "sip:alice@example.com"),
        ("sips:alice:pw@example.com:5061?a=b", "sip:alice@example.com"),
        ("sip:a%20b%40c@example.com.", "sip:a%20b%40c@example.com"),
        ("sip:%C3%A9@example.com", "sip:%C3%A9@example.com"),
        ("sip:%2561@example.com", "sip:%2561@example.com"),
        ("sip:+1-555@[2001:DB8::1]:5060", "sip:+1-555@[2001:db8::1]"),
        ("sip:Example.com", "sip:example.com"),
    ],
)
def test_c55_address_of_record_is_canonical(text: str, aor: str) -> None:
    assert address_of_record(parse_sip_uri(text)) == aor
    assert address_of_record(parse_sip_uri(aor)) == aor


def test_hosts_are_written_with_brackets_only_for_ipv6() -> None:
    assert format_host("192.0.2.1") == "192.0.2.1"
    assert format_host("fe80::1%eth0") == "[fe80::1]"


@pytest.mark.parametrize("host", ["example.com", "192.0.2.1", "2001:db8::1"])
@pytest.mark.parametrize("user", ["1001", "+49-30.1_2~3*4!", "ann"])
def test_c55_an_aor_made_from_its_parts_is_the_one_read_from_a_request(user: str, host: str) -> None:
    uri = parse_sip_uri(f"sip:{user}@{format_host(host)}:5060;x=y")

    assert aor_of(user, host) == address_of_record(uri) == f"sip:{user}@{format_host(host)}"
