"""A carrier's registration string as people have it."""

import pytest

from apps.trunks.uplink.strings import StringFault, StringFields, parse_server, parse_string

SIP = "sip.carrier.example"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("register => 4940:s3cret@sip.carrier.example", StringFields(SIP, "4940", "s3cret")),
        (" Register=>4940:s3cret@SIP.carrier.example:5070 ", StringFields(f"{SIP}:5070", "4940", "s3cret")),
        ("4940:s3:auth@sip.carrier.example/100", StringFields(SIP, "4940", "s3", "auth", contact_user="100")),
        ("register => 4940@sip.carrier.example", StringFields(SIP, "4940")),
        ("a:p@ss@sip.carrier.example", StringFields(SIP, "a", "p@ss")),
        (
            "peer?udp://4940:s@sip.carrier.example~600",
            StringFields(SIP, "4940", "s", expires_s=600, transport="udp"),
        ),
        ("tls://4940:s@sip.carrier.example", StringFields(SIP, "4940", "s", transport="tls")),
        ("tcp://4940:s@sip.carrier.example", StringFields(SIP, "4940", "s", transport="tcp")),
        ("sips:4940:s@sip.carrier.example", StringFields(SIP, "4940", "s", transport="tls")),
        ("sip:4940:s@192.0.2.1;transport=TCP", StringFields("192.0.2.1", "4940", "s", transport="tcp")),
        (
            "4940@sip.carrier.example:s:auth@proxy.example:5080",
            StringFields(SIP, "4940", "s", "auth", "proxy.example:5080"),
        ),
        ("u:p@[2001:DB8::1]:5070", StringFields("[2001:db8::1]:5070", "u", "p")),
        (
            "sip:4940:s%40cret@sip.carrier.example;transport=udp",
            StringFields(SIP, "4940", "s@cret", transport="udp"),
        ),
        ("<sip:4940:s@192.0.2.1:5070;lr>", StringFields("192.0.2.1:5070", "4940", "s")),
        (
            "sip:1001:s@example.com;server=192.0.2.1:5060;transport=udp",
            StringFields("example.com", "1001", "s", outbound_proxy="192.0.2.1:5060", transport="udp"),
        ),
    ],
)
def test_a_string_is_taken_apart(text: str, fields: StringFields) -> None:
    assert parse_string(text) == fields


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no @"),
        ("4940:s3cret", "no @"),
        ("@sip.carrier.example", "no user name"),
        ("u:p@", "no server"),
        ("u:p@bad_host-.example", "no server"),
        ("u:p@host:99999", "no port"),
        ("u:p@host:", "no port"),
        ("u:p@[::1", "no IPv6 address"),
        ("a:b:c:d@host", "too many colons"),
        ("ws://u:p@host", "WS is not possible"),
        ("sip:u:p@host;transport=sctp", "SCTP is not possible"),
        ("u:p@host~soon", "no number"),
        ("u:p\x00@host", "one line"),
        ("u:" + "p" * 600 + "@host", "at most 512"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_that_holds_no_password(text: str, words: str) -> None:
    with pytest.raises(StringFault, match=words) as fault:
        parse_string(text)
    assert "p" * 9 not in str(fault.value)


def test_a_password_does_not_show_in_a_repr() -> None:
    assert "s3cret" not in repr(parse_string("u:s3cret@host"))


@pytest.mark.parametrize(
    "text", ["host/x", "a b", "<i>", "[1.2.3.4]", "-x", "x" * 300, "host;lr", "[fe80::1%eth0]"]
)
def test_no_server(text: str) -> None:
    with pytest.raises(StringFault):
        parse_server(text)
