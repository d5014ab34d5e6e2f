"""What the proxy is called in the Vias and Record-Routes it writes, and which Routes mean it (RFC 3261 §16.4)."""

import socket

from apps.calls.own_names import OwnNames
from apps.sipserver.events import Origin

ASKED_AT = bytes(4) + bytes(4) + socket.inet_aton("192.0.2.9")


def test_bound_to_one_address_it_is_that_address() -> None:
    names = OwnNames(("192.0.2.9", 5062), "sip.example.net", 5061)

    assert names.sent_by(("198.51.100.7", 5060)) == "192.0.2.9:5062"
    assert names.sent_by(Origin("198.51.100.7", 40_000, "TCP", "w/1")) == "192.0.2.9:5062"
    assert names.sent_by(Origin("198.51.100.7", 40_000, "TLS", "w/1")) == "192.0.2.9:5061"


def test_bound_to_all_it_is_what_phones_are_told_to_register_to() -> None:
    names = OwnNames(("0.0.0.0", 5060), "203.0.113.1", None)

    assert names.sent_by(Origin("198.51.100.7", 5060, "UDP", None, ASKED_AT)) == "203.0.113.1:5060"


def test_a_phone_of_the_other_ip_version_is_told_the_address_it_asked() -> None:
    local = socket.inet_pton(socket.AF_INET6, "2001:db8::9") + bytes(4)
    names = OwnNames(("::", 5060), "203.0.113.1", None)

    assert names.sent_by(Origin("2001:db8::7", 5060, "UDP", None, local)) == "[2001:db8::9]:5060"
    mapped = socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.9") + bytes(4)
    by_name = OwnNames(("::", 5060), "2001:db8::1", None)
    assert by_name.sent_by(Origin("198.51.100.7", 5060, "UDP", None, mapped)) == "192.0.2.9:5060"


def test_its_addresses_its_names_and_its_domains_mean_it_at_its_ports_alone() -> None:
    names = OwnNames(("192.0.2.9", 5060), "sip.example.net", 5061, ["Localhost"])
    names.serve({"Example.com": "example.com realm"})

    ours = ["192.0.2.9", "sip.example.net", "localhost", "example.com"]
    assert all(names.is_ours(host, port) for host in ours for port in (5060, 5061, 443))
    assert not names.is_ours("192.0.2.9", 5070)
    assert not names.is_ours("192.0.2.10", 5060)


def test_credentials_are_its_own_by_the_realm_of_a_domain() -> None:
    names = OwnNames(("192.0.2.9", 5060), "", None)
    names.serve({"example.com": "the realm"})

    assert names.is_our_realm("the realm")
    assert not names.is_our_realm("example.com")
