"""What a source address says: networks, and the traces of a SIP ALG."""

import pytest

from apps.registrar.sources import is_private, network_of, rewritten_header
from apps.sip.message import Request, parse_request
from apps.sip.uri import parse_sip_uri

PUBLIC, INSIDE = "203.0.113.7", "192.168.1.20"


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.7", "203.0.0.0/16"),
        ("10.1.2.3", "10.1.0.0/16"),
        ("127.0.0.9", "127.0.0.0/16"),
        ("2001:db8:1::7", "2001:db8::/32"),
        ("::ffff:203.0.113.7", "203.0.0.0/16"),
        ("fe80::1%eth0", "fe80::/32"),
    ],
)
def test_the_network_of_an_address(host: str, network: str) -> None:
    assert network_of(host) == network


def test_only_addresses_behind_a_nat_are_private() -> None:
    inside = [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.1.1",
        "fd00::1",
    ]
    outside = ["127.0.0.1", "172.32.0.1", "192.0.2.1", "100.128.0.1", "2001:db8::1", "phone.lan", "::1", ""]

    assert [host for host in inside + outside if is_private(host)] == inside


def register(*vias: str) -> Request:
    lines = [
        "REGISTER sip:example.com SIP/2.0",
        *[f"Via: {via};branch=z9hG4bK1" for via in vias],
        "From: <sip:1001@example.com>;tag=f",
        "To: <sip:1001@example.com>",
        "Call-ID: 1",
        "CSeq: 1 REGISTER",
    ]
    parsed = parse_request(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert isinstance(parsed, Request)
    return parsed


@pytest.mark.parametrize(
    ("via", "contact", "source", "found"),
    [
        (PUBLIC, INSIDE, PUBLIC, "via"),
        (INSIDE, PUBLIC, PUBLIC, "contact"),
        (f"{INSIDE}:5060;rport", PUBLIC, PUBLIC, ""),
        (f"{INSIDE};rport=5060", PUBLIC, PUBLIC, ""),
        (INSIDE, INSIDE, PUBLIC, ""),
        (PUBLIC, PUBLIC, PUBLIC, ""),
        (INSIDE, "192.168.9.9", INSIDE, ""),
        (PUBLIC, "198.51.100.1", PUBLIC, ""),
        (PUBLIC, "phone.example.com", PUBLIC, ""),
        ("phone.lan", PUBLIC, PUBLIC, ""),
        ("198.51.100.1", INSIDE, PUBLIC, ""),
        ("127.0.0.5", INSIDE, "127.0.0.5", "via"),
        (INSIDE, "127.0.0.5", "127.0.0.5", "contact"),
        ("[2001:db8::7]", "[fd00::1]", "2001:db8::7", "via"),
    ],
)
def test_a_header_that_knows_the_public_address_while_the_other_does_not_was_rewritten(
    via: str, contact: str, source: str, found: str
) -> None:
    uri = parse_sip_uri(f"sip:1001@{contact}")

    assert rewritten_header(register(f"SIP/2.0/UDP {via}"), uri, source, "UDP") == found


def test_what_came_encrypted_or_through_a_proxy_says_nothing() -> None:
    uri = parse_sip_uri(f"sip:1001@{INSIDE}")
    direct = register(f"SIP/2.0/TLS {PUBLIC}")
    proxied = register(f"SIP/2.0/UDP {PUBLIC}", f"SIP/2.0/UDP {INSIDE}")

    assert rewritten_header(direct, uri, PUBLIC, "TLS") == ""
    assert rewritten_header(direct, uri, PUBLIC, "WS") == ""
    assert rewritten_header(proxied, uri, PUBLIC, "UDP") == ""
