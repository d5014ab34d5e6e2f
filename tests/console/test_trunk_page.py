"""The page of one trunk: what is known of it, its addresses and names, its numbers, its settings."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer, ResolvedName, TrunkNumber, TrunkSettings, TrunkSighting
from apps.extensions.services import NewPeer, trunk_create, trusted_address_add
from apps.registrar.models import Binding, Stranger
from apps.trunks.models import TrunkCallsRefused
from apps.trunks.services import trunk_numbers_put, trunk_settings_update, trusted_host_add

pytestmark = pytest.mark.django_db

SETTINGS = {
    "enabled": "on",
    "call_mode": "redirect",
    "server": "sip.carrier.example:5080",
    "transport": "tls",
    "inbound_strip": "5",
    "inbound_add": "",
    "outbound_prefixes": "0 +",
    "outbound_strip": "0",
    "outbound_add": "",
    "priority": "10",
}


def page_of(client: Client, trunk: Peer, query: str = "") -> str:
    return unescape(client.get(f"/trunks/{trunk.pk}/{query}").content.decode())


def refused_call(host: str, reason: str = "call_not_trusted", count: int = 12) -> None:
    now = timezone.now()
    Stranger.objects.create(
        reason=reason,
        domain="",
        username="",
        received_addr=host,
        received_port=5062,
        count=count,
        first_at=now,
        last_at=now,
    )


def verdict(page: str) -> str:
    found = re.search(r'data-verdict="(\w+)"', page)
    return found.group(1) if found else ""


def test_a_trunk_without_an_address_says_so(as_supervisor: Client, domain: Domain, actor: Actor) -> None:
    trunk = trunk_create(domain=domain, name="north", actor=actor)
    assert verdict(page_of(as_supervisor, trunk)) == "trusted_from_nowhere"


def test_what_was_heard_last_is_said(as_supervisor: Client, trunk: Peer) -> None:
    assert verdict(page_of(as_supervisor, trunk)) == "never_heard"
    TrunkSighting.objects.create(
        peer=trunk,
        at=timezone.now(),
        received_addr="203.0.113.65",
        received_port=5060,
        transport="UDP",
        method="INVITE",
    )
    page = page_of(as_supervisor, trunk)
    assert verdict(page) == "heard"
    assert "Last packet: INVITE from 203.0.113.65:5060 UDP" in page


def test_calls_that_the_carrier_refuses_are_said_and_its_words_are_only_text(
    as_supervisor: Client, trunk: Peer
) -> None:
    now = timezone.now()
    phrase = "<script>alert(1)</script>"
    TrunkCallsRefused.objects.create(trunk=trunk, since=now, last_at=now, count=2, status=403, phrase=phrase)
    page = as_supervisor.get(f"/trunks/{trunk.pk}/").content.decode()
    assert verdict(page) == "calls_refused"
    assert "The carrier refuses the calls that go out: 403 &lt;script&gt;alert(1)&lt;/script&gt;." in page
    assert phrase not in page


def test_a_refused_neighbour_is_said_with_a_button_that_fills_the_form(
    as_admin: Client, as_supervisor: Client, trunk: Peer
) -> None:
    refused_call("203.0.113.90")
    refused_call("203.0.113.91", "call_challenged", 3)
    refused_call("198.51.100.1")
    page = page_of(as_admin, trunk)
    assert "Calls from 203.0.113.90 are refused" in page
    assert "Call from 203.0.113.90 port 5062: refused (403) <b>× 12</b>" in page
    assert "asked for a password (407) <b>× 3</b>" in page
    assert "198.51.100.1" not in page
    assert f'href="/trunks/{trunk.pk}/?add=203.0.113.90#add-address"' in page
    assert "?add=" not in page_of(as_supervisor, trunk)
    assert 'value="203.0.113.90"' in page_of(as_admin, trunk, "?add=203.0.113.90")


def test_a_refused_address_that_is_trusted_by_now_is_no_finding(
    as_admin: Client, trunk: Peer, actor: Actor
) -> None:
    refused_call("203.0.113.90")
    trusted_address_add(trunk=trunk, network="203.0.113.90", actor=actor)
    assert "are refused" not in page_of(as_admin, trunk)


def test_a_refused_call_from_another_port_says_so(as_admin: Client, trunk: Peer, actor: Actor) -> None:
    trusted_address_add(trunk=trunk, network="203.0.113.90", port=5060, transport="udp", actor=actor)
    refused_call("203.0.113.90")
    page = page_of(as_admin, trunk)
    assert "Calls from 203.0.113.90 are refused: the address is in the list, but for another port" in page


def test_an_address_that_carries_a_phone_is_trusted_only_after_a_second_word(
    as_admin: Client, trunk: Peer, ann: NewPeer, register: Callable[..., Binding]
) -> None:
    register(ann.peer)
    place, sent = f"/trunks/{trunk.pk}/addresses/", {"network": "203.0.113.7", "transport": "any"}
    page = unescape(as_admin.post(place, sent).content.decode())
    assert "1001 is registered from 203.0.113.7: calls from there would count as the trunk's" in page
    assert 'name="conflicts_confirmed"' in page
    assert not trunk.trusted_addresses.filter(network="203.0.113.7/32").exists()
    assert as_admin.post(place, {**sent, "conflicts_confirmed": "on"}).status_code == 302
    assert verdict(page_of(as_admin, trunk)) == "phones"


def test_two_trunks_with_one_address_are_said_on_both_pages(
    as_admin: Client, trunk: Peer, domain: Domain, actor: Actor
) -> None:
    south = trunk_create(domain=domain, name="south", actor=actor)
    trusted_address_add(trunk=south, network="203.0.113.64/28", actor=actor)
    for one in (trunk, south):
        page = page_of(as_admin, one)
        assert verdict(page) == "same_address"
        assert "as long as both are, neither is" in page


def test_a_host_name_is_added_in_the_same_field_and_shown_with_its_addresses(
    as_admin: Client, trunk: Peer
) -> None:
    place = f"/trunks/{trunk.pk}/addresses/"
    as_admin.post(place, {"network": "SIP.carrier.example", "transport": "udp", "port": "5060"})
    host = trunk.trusted_hosts.get()
    assert (host.name, host.port, host.transport) == ("sip.carrier.example", 5060, "udp")
    assert "Not asked yet" in page_of(as_admin, trunk)
    now = timezone.now()
    ResolvedName.objects.create(name=host.name, addresses=["192.0.2.5"], resolved_at=now, tried_at=now)
    assert "192.0.2.5, asked" in page_of(as_admin, trunk)
    again = as_admin.post(place, {"network": "sip.carrier.example", "transport": "udp", "port": "5060"})
    assert "This trunk trusts this name already." in again.content.decode()
    as_admin.post(f"/trunks/{trunk.pk}/hosts/{host.pk}/remove/")
    assert not trunk.trusted_hosts.exists()


def test_a_name_that_leads_nowhere_is_the_verdict(as_admin: Client, trunk: Peer, actor: Actor) -> None:
    trusted_host_add(trunk=trunk, name="sip.carrier.example", actor=actor)
    ResolvedName.objects.create(
        name="sip.carrier.example", tried_at=timezone.now(), problem="Name or service not known"
    )
    page = page_of(as_admin, trunk)
    assert verdict(page) == "name_unresolved"
    assert "Leads nowhere: Name or service not known" in page


def test_settings_are_saved_and_a_wrong_one_stands_beside_its_field(as_admin: Client, trunk: Peer) -> None:
    place = f"/trunks/{trunk.pk}/edit/"
    assert as_admin.post(place, SETTINGS).status_code == 302
    settings = TrunkSettings.objects.get(peer=trunk)
    assert (settings.server, settings.transport, settings.call_mode, settings.outbound_prefixes) == (
        "sip.carrier.example:5080",
        "tls",
        "redirect",
        "0 +",
    )
    page = as_admin.post(place, {**SETTINGS, "enabled": "", "server": "sip:carrier"}).content.decode()
    assert 'id="id_server_error"' in page
    trunk.refresh_from_db()
    assert trunk.enabled
    as_admin.post(place, {**SETTINGS, "enabled": ""})
    assert verdict(page_of(as_admin, trunk)) == "disabled"


def test_numbers_are_pasted_and_removed(as_admin: Client, trunk: Peer, ann: NewPeer) -> None:
    place = f"/trunks/{trunk.pk}/numbers/"
    page = as_admin.post(place, {"numbers": "+49 30 5550, 1001\n+49 30 5551, 1999"}).content.decode()
    assert "Line 2: There is no extension 1999" in unescape(page)
    assert not TrunkNumber.objects.exists()
    as_admin.post(place, {"numbers": "number;extension\n+49 30 5550; 1001"})
    number = TrunkNumber.objects.get()
    assert number.number == "+49305550"
    as_admin.post(f"{place}{number.pk}/remove/")
    assert not TrunkNumber.objects.exists()


def test_another_trunks_number_and_name_are_not_found(
    as_admin: Client, trunk: Peer, ann: NewPeer, domain: Domain, actor: Actor
) -> None:
    other = trunk_create(domain=domain, name="other", actor=actor)
    [number] = trunk_numbers_put(trunk=trunk, numbers=[("+4930555", "1001")], actor=actor)
    host = trusted_host_add(trunk=trunk, name="a.example", actor=actor)
    assert as_admin.post(f"/trunks/{other.pk}/numbers/{number.pk}/remove/").status_code == 404
    assert as_admin.post(f"/trunks/{other.pk}/hosts/{host.pk}/remove/").status_code == 404


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?called=%2B49305550", "rings <a href"),
        ("?called=%2B49301001", "by the rule"),
        ("?called=%2B49301999", "becomes <b>1999</b>, and there is no such extension (404)"),
        ("?called=49", "49 leads nowhere (404)"),
        ("?dialled=0 30 123", "goes out as <b>+4930123</b>"),
        ("?dialled=1001", "1001 does not go out here"),
        ("?called=<script>alert(1)</script>", "leads nowhere"),
    ],
)
def test_a_number_is_tried(
    query: str, says: str, as_supervisor: Client, trunk: Peer, ann: NewPeer, actor: Actor
) -> None:
    trunk_settings_update(
        trunk=trunk,
        actor=actor,
        server="192.0.2.1",
        inbound_strip=5,
        outbound_prefixes="0",
        outbound_strip=1,
        outbound_add="+49",
    )
    trunk_numbers_put(trunk=trunk, numbers=[("+49305550", "1001")], actor=actor)
    answer = as_supervisor.get(f"/trunks/{trunk.pk}/{query}").content.decode()
    assert says in unescape(answer)
    assert "<script>alert" not in answer


def test_refused_calls_are_named_among_the_unknown_attempts(as_supervisor: Client, db: None) -> None:
    refused_call("192.0.2.17")
    assert (
        "Call from an address no trunk is trusted from"
        in as_supervisor.get("/events/strangers/").content.decode()
    )
