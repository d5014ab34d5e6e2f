"""What others write to dial a registered contact, and what a hostile contact cannot make of it."""

import pytest

from apps.routing.dialing import DialStrings, Registered, dial_strings

AOR = "sip:6001@example.com"


def strings(
    contact: str, *, transport: str = "UDP", host: str = "203.0.113.9", path: str = ""
) -> DialStrings:
    return dial_strings(Registered(contact, host, 40001, transport, (path,) if path else ()), AOR)


def test_each_product_gets_the_address_the_packets_come_from_in_its_own_words() -> None:
    assert strings("sip:6001@10.0.0.5:5060;ob") == DialStrings(
        pjsip="PJSIP/6001/sip:6001@203.0.113.9:40001;ob;transport=udp",
        sip="SIP/6001@203.0.113.9:40001",
        sofia="sofia/internal/sip:6001@203.0.113.9:40001;ob;transport=udp",
        uri="sip:6001@203.0.113.9:40001;ob;transport=udp",
    )


def test_chan_sip_is_told_the_transport_before_the_host() -> None:
    assert strings("sip:6001@10.0.0.5", transport="TCP").sip == "SIP/6001::::tcp@203.0.113.9:40001"
    assert strings("sip:6001@10.0.0.5", host="2001:db8::9").sip == "SIP/6001@[2001:db8::9]:40001"


def test_behind_a_proxy_freeswitch_takes_fs_path_and_asterisk_cannot_be_told() -> None:
    behind = strings("sip:6001@10.0.0.5:5060", path="<sip:edge.example.com;lr;ob>")
    assert behind == DialStrings(
        pjsip=None,
        sip=None,
        sofia="sofia/internal/sip:6001@10.0.0.5:5060;fs_path=sip%3Aedge.example.com%3Blr%3Bob",
        uri="sip:6001@10.0.0.5:5060",
    )
    two = Registered("sip:6001@10.0.0.5", "203.0.113.9", 40001, "UDP", ("<sip:a;lr>", "<sip:b;lr>"))
    assert dial_strings(two, AOR).sofia is None


@pytest.mark.parametrize(
    "contact",
    [
        "sip:6001&SIP@10.0.0.5",
        "sip:6001,30,g@10.0.0.5",
        "sip:6001@10.0.0.5;x=1&Local/9@evil",
        "sip:6001$(id)@10.0.0.5",
        "sip:'6001'@10.0.0.5",
        "tel:+4930",
    ],
)
def test_a_contact_that_would_be_read_as_more_than_one_word_is_no_dial_string(contact: str) -> None:
    told = strings(contact)
    assert (told.pjsip, told.sip, told.sofia) == (None, None, None)


@pytest.mark.parametrize("user", ["a/b", "a;b", "a%3Ab", "a?b"])
def test_what_separates_the_parts_of_a_chan_sip_string_is_not_put_into_one(user: str) -> None:
    assert strings(f"sip:{user}@10.0.0.5").sip is None
