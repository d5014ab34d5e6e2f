"""Trunks with their trusted addresses; the ledger; settings."""

import datetime as dt
import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from apps.extensions.models import Domain, Peer, TrustedAddress
from apps.extensions.services import NewPeer
from apps.registrar.models import RegistrationEvent, WorkerHeartbeat

pytestmark = pytest.mark.django_db
Happen = Callable[..., RegistrationEvent]
# What the form of the domain always sends.
DOMAIN = {
    "digest_order": "strongest_first",
    "call_mode": "proxy",
    "min_expires_s": 30,
    "default_expires_s": 600,
    "max_expires_s": 900,
    "expires_spread_percent": 0,
}


def test_a_trunk_is_created_and_trusted_from_an_address(as_admin: Client, domain: Domain) -> None:
    answer = as_admin.post("/trunks/new/", {"name": "carrier-south"})
    trunk = Peer.objects.get(name="carrier-south")
    assert answer.headers["Location"] == f"/trunks/{trunk.pk}/"
    sent = {"network": "198.51.100.8", "port": "5060", "transport": "udp"}
    page = as_admin.post(f"/trunks/{trunk.pk}/addresses/", sent, follow=True).content.decode()
    assert "198.51.100.8/32" in page
    address = TrustedAddress.objects.get(peer=trunk)
    as_admin.post(f"/trunks/{trunk.pk}/addresses/{address.pk}/remove/")
    assert not TrustedAddress.objects.filter(peer=trunk).exists()


def test_c118_a_wide_network_is_refused_until_confirmed(as_admin: Client, trunk: Peer) -> None:
    address, sent = f"/trunks/{trunk.pk}/addresses/", {"network": "10.0.0.0/8", "transport": "any"}
    page = as_admin.post(address, sent).content.decode()
    assert re.search(r'id="id_network_error">10.0.0.0/8 trusts 16,777,216 addresses', page)
    assert 'name="wide_confirmed"' in page
    assert as_admin.post(address, {**sent, "wide_confirmed": "on"}).status_code == 302
    assert trunk.trusted_addresses.filter(network="10.0.0.0/8").exists()


@pytest.mark.parametrize("network", ["300.1.1.1", "203.0.113.7/28", "carrier example", ""])
def test_what_is_no_network_is_refused_beside_the_field(network: str, as_admin: Client, trunk: Peer) -> None:
    page = as_admin.post(f"/trunks/{trunk.pk}/addresses/", {"network": network, "transport": "any"})
    assert 'id="id_network_error"' in page.content.decode()


def test_an_address_of_another_trunk_is_not_found(as_admin: Client, trunk: Peer, domain: Domain) -> None:
    as_admin.post("/trunks/new/", {"name": "other"})
    other = Peer.objects.get(name="other")
    address = trunk.trusted_addresses.get()
    assert as_admin.post(f"/trunks/{other.pk}/addresses/{address.pk}/remove/").status_code == 404


def test_a_device_has_no_trunk_page(as_admin: Client, ann: NewPeer) -> None:
    assert as_admin.get(f"/trunks/{ann.peer.pk}/").status_code == 404


def test_deleting_a_trunk_asks_first(as_admin: Client, trunk: Peer) -> None:
    address = f"/trunks/{trunk.pk}/delete/"
    assert "Delete trunk carrier-north?" in as_admin.get(address).content.decode()
    as_admin.post(address)
    assert not Peer.objects.filter(pk=trunk.pk).exists()


def event_numbers(page: str) -> list[int]:
    return [int(port) for port in re.findall(r"203\.0\.113\.7:(\d+)", page)]


def test_events_come_newest_first_a_page_at_a_time_without_gap_or_repeat(
    as_admin: Client, ann: NewPeer, happen: Happen
) -> None:
    now = timezone.now()
    for number in range(1, 121):
        at = now - dt.timedelta(seconds=number // 3)  # three of the same moment
        happen(ann.peer, number, at=at, received_addr="203.0.113.7", received_port=number)
    seen: list[int] = []
    address = "/events/"
    while address:
        page = as_admin.get(address).content.decode()
        seen += event_numbers(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        address = f"/events/{older[1].replace('&amp;', '&')}" if older else ""
    assert sorted(seen) == list(range(1, 121))
    assert seen[:2] == [2, 1]


def test_events_are_found_by_extension_and_peer(as_admin: Client, ann: NewPeer, happen: Happen) -> None:
    happen(ann.peer, 1, event="refused", reason="wrong_password", count=14)
    page = as_admin.get("/events/?q=1001").content.decode()
    assert "Refused: wrong password" in page
    assert "× 14" in page
    assert "Nothing matches" in as_admin.get("/events/?q=2002").content.decode()


@pytest.mark.parametrize(
    "before", ["x", "2026-01-01~1", "~", "2026-01-01T00:00:00+00:00~99999999999999999999"]
)
def test_a_wrong_cursor_means_the_newest(before: str, as_admin: Client, ann: NewPeer, happen: Happen) -> None:
    happen(ann.peer, 1)
    assert "Registered" in as_admin.get("/events/", {"before": before}).content.decode()


def test_a_deleted_peers_history_stays(as_admin: Client, ann: NewPeer, happen: Happen) -> None:
    happen(ann.peer, 1)
    as_admin.post(f"/extensions/{ann.peer.extension_id}/delete/")
    assert "sip:1001@example.com" in as_admin.get("/events/").content.decode()


def test_settings_save_the_domain_or_say_what_is_wrong(as_admin: Client, domain: Domain) -> None:
    sent = {**DOMAIN, "digest_order": "md5_first"}
    assert as_admin.post("/settings/domain/", sent).status_code == 302
    domain.refresh_from_db()
    assert (domain.digest_order, domain.max_expires_s, domain.expires_spread_percent) == ("md5_first", 900, 0)
    wrong = as_admin.post("/settings/domain/", {**sent, "min_expires_s": 1000})
    assert "must rise in that order" in wrong.content.decode()
    too_wide = as_admin.post("/settings/domain/", {**sent, "expires_spread_percent": 51})
    assert "less than or equal to 50" in too_wide.content.decode()


def test_settings_explain_and_save_how_the_domain_registers(as_admin: Client, domain: Domain) -> None:
    page = as_admin.get("/settings/").content.decode()
    for explained in (
        "423",
        "CSeq",
        "RFC 5626",
        "loopback",
        "where calls go",
        "told in every answer",
        "come together again",
    ):
        assert explained in page
    sent = {
        **DOMAIN,
        "digest_order": "md5_only",
        "raise_brief": "on",
        "strict_cseq": "on",
        "any_contact": "on",
        "call_mode": "redirect",
        "edge_proxies": "192.0.2.10, ::ffff:198.51.100.0/124\n192.0.2.10",
        "service_routes": " <sip:p1.example.com;lr> \n\n<sip:p2.example.com;lr>",
    }
    assert as_admin.post("/settings/domain/", sent).status_code == 302
    domain.refresh_from_db()
    assert (domain.raise_brief, domain.strict_cseq, domain.outbound, domain.any_contact) == (
        True,
        True,
        False,
        True,
    )
    assert domain.edge_proxies == "192.0.2.10/32\n198.51.100.0/28"
    assert domain.call_mode == "redirect"
    assert domain.service_routes == "<sip:p1.example.com;lr>\n<sip:p2.example.com;lr>"


def test_settings_say_what_each_worker_turned_away(as_supervisor: Client, domain: Domain) -> None:
    assert "No worker of the SIP server is running" in as_supervisor.get("/settings/").content.decode()
    now = timezone.now()
    WorkerHeartbeat.objects.create(
        id="host:1:a",
        bind="0.0.0.0:5060",
        started_at=now - dt.timedelta(hours=2),
        seen_at=now,
        turned_away=4711,
        overloaded_at=now - dt.timedelta(minutes=5),
    )

    page = as_supervisor.get("/settings/").content.decode()

    for said in ("0.0.0.0:5060", "4711", "5 min ago"):
        assert said in page


@pytest.mark.parametrize(
    ("field", "typed", "problem"),
    [
        ("edge_proxies", "192.0.2.1/28", "192.0.2.1/28 is not an address or network"),
        ("edge_proxies", "proxy.example.com", "is not an address or network"),
        ("edge_proxies", "\n".join(f"192.0.2.{number}" for number in range(40)), "at most 32"),
        ("service_routes", "sip:p1.example.com;lr", "is not a route"),
        ("service_routes", "<sip:p1.example.com>", "is not a route"),
        ("service_routes", "<sip:p1;lr>, <sip:p2;lr>", "is not a route"),
    ],
)
def test_settings_say_what_is_no_network_or_route(
    field: str, typed: str, problem: str, as_admin: Client, domain: Domain
) -> None:
    sent = {**DOMAIN, "digest_order": "md5_first"}
    page = as_admin.post("/settings/domain/", {**sent, field: typed}).content.decode()
    assert problem in page
    assert f'id="id_{field}_error"' in page
    domain.refresh_from_db()
    assert getattr(domain, field) == ""


def test_a_supervisor_changes_their_own_password(as_supervisor: Client) -> None:
    new = "another long sentence"
    sent = {"old_password": "correct horse battery", "new_password1": new, "new_password2": new}
    assert as_supervisor.post("/settings/password/", sent).status_code == 302
    assert as_supervisor.get("/").status_code == 200
    assert as_supervisor.post("/settings/password/", sent).status_code == 200
