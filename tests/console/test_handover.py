"""The hand-over card: every transport the server listens on, each with its own values, string and code."""

import re
from dataclasses import replace

import pytest
from django.conf import LazySettings
from django.test import Client

from apps.console.handover import handover_card
from apps.extensions.models import Domain
from apps.extensions.services import NewPeer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def listening(settings: LazySettings) -> None:
    settings.SIP_PUBLIC_HOST, settings.SIP_PORT, settings.SIPS_PORT = "pbx.example.com", 5060, None
    settings.SIP_WEBSOCKET_URL = "ws://pbx.example.com:8000/sip"


def lines(new: NewPeer) -> dict[str, str]:
    """What the card says where, per transport."""
    cards = handover_card(new).transports
    password = new.registration_string.password
    return {
        card.label: card.line.value.replace(password, "PW") if card.line else card.where[0].value
        for card in cards
    }


def test_each_transport_the_server_listens_on_is_offered_udp_first(ann: NewPeer) -> None:
    assert list(lines(ann).items()) == [
        ("UDP", "1001:PW@pbx.example.com:5060"),
        ("TCP", "tcp://1001:PW@pbx.example.com:5060"),
        ("WS", "ws://pbx.example.com:8000/sip"),
    ]


def test_tls_and_wss_are_offered_where_they_are(ann: NewPeer, settings: LazySettings) -> None:
    settings.SIPS_PORT, settings.SIP_WEBSOCKET_URL = 5061, "wss://pbx.example.com/sip"
    assert lines(ann)["TLS"] == "tls://1001:PW@pbx.example.com:5061"
    assert lines(ann)["WSS"] == "wss://pbx.example.com/sip"
    assert list(lines(ann)) == ["UDP", "TCP", "TLS", "WSS"]


def test_an_ipv6_server_stands_in_brackets_wherever_a_port_follows(
    ann: NewPeer, settings: LazySettings
) -> None:
    settings.SIPS_PORT = 5061
    new = replace(ann, registration_string=replace(ann.registration_string, server="2001:db8::5"))
    assert list(lines(new).values())[:3] == [
        "1001:PW@[2001:db8::5]:5060",
        "tcp://1001:PW@[2001:db8::5]:5060",
        "tls://1001:PW@[2001:db8::5]:5061",
    ]
    for card in handover_card(new).transports[:3]:
        for snippet in card.snippets:
            assert not re.search(r"(?<!\[)2001:db8::5", snippet.text), snippet.text
    assert ";server=[2001:db8::5]:5060;transport=udp" in new.registration_string.qr_text


def test_string_code_and_snippets_say_the_chosen_transport(ann: NewPeer, settings: LazySettings) -> None:
    settings.SIPS_PORT = 5061
    udp, tcp, tls, ws = ann.registration_string.each_transport()
    assert [way.qr_text.rpartition(";")[2] for way in (udp, tcp, tls)] == [
        "transport=udp",
        "transport=tcp",
        "transport=tls",
    ]
    cards = handover_card(ann).transports
    assert len({card.qr_path for card in cards}) == 4
    assert cards[3].qr_path == ""
    pjsip = {snippet.key: snippet.text for snippet in cards[2].snippets}["pjsip"]
    assert "outbound_proxy=sip:pbx.example.com:5061\\;transport=tls\\;lr" in pjsip
    assert "Transport        TLS" in cards[2].snippets[0].text
    assert [snippet.key for snippet in cards[3].snippets] == ["sipjs", "jssip"]
    assert all(ws.url in snippet.text for snippet in cards[3].snippets)


def test_the_page_offers_them_without_a_script_and_the_default_is_chosen(
    as_admin: Client, domain: Domain
) -> None:
    page = as_admin.post("/extensions/new/", {"number": "1001"}).content.decode()
    assert re.findall(r'<input type="radio" [^>]*value="(\w+)"( checked)?', page) == [
        ("udp", " checked"),
        ("tcp", ""),
        ("ws", ""),
    ]
    assert len(re.findall(r'id="([^"]+)"', page)) == len(set(re.findall(r'id="([^"]+)"', page)))
    for copied in re.findall(r'data-copy="([^"]+)"', page):
        assert f'id="{copied}"' in page


def test_a_quote_in_a_password_stays_inside_its_string(as_admin: Client, domain: Domain) -> None:
    sent = {"number": "1001", "password_choice": "own", "password": 'a"b\\c</pre>9zZ'}
    page = as_admin.post("/extensions/new/", sent).content.decode()
    assert "password: &quot;a\\&quot;b\\\\c&lt;/pre&gt;9zZ&quot;" in page


def test_the_answer_of_the_api_lists_them_too(ann: NewPeer, settings: LazySettings) -> None:
    settings.SIPS_PORT = 5061
    shown = ann.registration_string.as_dict()
    password = ann.registration_string.password
    assert (shown["transport"], shown["server"], shown["port"]) == ("UDP", "pbx.example.com", 5060)
    assert shown["transports"] == [
        {
            "transport": transport,
            "server": "pbx.example.com",
            "port": port,
            "url": None,
            "registration_string": f"{scheme}1001:{password}@pbx.example.com:{port}",
        }
        for transport, port, scheme in (("UDP", 5060, ""), ("TCP", 5060, "tcp://"), ("TLS", 5061, "tls://"))
    ] + [
        {
            "transport": "WS",
            "server": None,
            "port": None,
            "url": "ws://pbx.example.com:8000/sip",
            "registration_string": None,
        }
    ]
