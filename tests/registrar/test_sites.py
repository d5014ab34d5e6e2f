"""A site is quiet as a whole when phones that were due since its last sign of life were not heard."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import extension_create
from apps.registrar.models import Binding, PeerActivity, Probe
from apps.registrar.site import Site, site_of
from apps.registrar.sites import site_page, sites_of

pytestmark = pytest.mark.django_db(transaction=True)

OFFICE = "203.0.113.7"
MINUTE = dt.timedelta(minutes=1)
TEN_MINUTES, HOUR = 10 * MINUTE, 60 * MINUTE


@pytest.fixture
def phones(domain: Domain, actor: Actor) -> list[Peer]:
    return [extension_create(domain=domain, number=str(1001 + n), actor=actor).peer for n in range(4)]


def bind(peer: Peer, heard_ago: dt.timedelta, address: str = OFFICE, **facts: Any) -> Binding:
    assert peer.extension is not None
    heard = timezone.now() - heard_ago
    contact = f"sip:{peer.name}@192.168.1.9"
    return Binding.objects.create(
        aor=peer.extension.aor,
        binding_key=contact,
        contact=contact,
        peer=peer,
        extension=peer.extension,
        received_addr=address,
        received_port=5060,
        transport="UDP",
        call_id="a",
        cseq=1,
        registered_at=heard,
        refreshed_at=heard,
        **{"expires_at": timezone.now() + HOUR, **facts},
    )


def late_by(ago: dt.timedelta) -> dt.datetime:
    return timezone.now() - ago


def office() -> Site:
    return sites_of([OFFICE])[OFFICE]


def test_phones_on_time_are_a_site_that_is_well(phones: list[Peer]) -> None:
    for peer in phones:
        bind(peer, MINUTE, late_at=timezone.now() + MINUTE)
    site = office()
    assert (site.phones, site.online, site.overdue, site.is_down) == (4, 4, 0, False)


def test_phones_overdue_since_the_last_sign_of_life_are_a_site_that_is_down(phones: list[Peer]) -> None:
    bind(phones[0], 3 * TEN_MINUTES, late_at=late_by(2 * MINUTE))
    bind(phones[1], 2 * TEN_MINUTES, late_at=late_by(MINUTE))
    bind(phones[2], TEN_MINUTES)  # not due yet: it says nothing
    site = office()
    assert (site.phones, site.online, site.overdue, site.is_down) == (3, 1, 2, True)
    assert site.last_heard_at is not None
    assert abs(site.last_heard_at - late_by(TEN_MINUTES)) < MINUTE
    assert site.overdue_since is not None
    assert abs(site.overdue_since - late_by(2 * MINUTE)) < MINUTE


def test_one_phone_heard_since_means_the_site_is_well(phones: list[Peer]) -> None:
    bind(phones[0], HOUR, late_at=late_by(TEN_MINUTES))
    bind(phones[1], HOUR, late_at=late_by(TEN_MINUTES))
    bind(phones[2], MINUTE)
    assert not office().is_down


def test_an_answered_probe_is_a_sign_of_life(phones: list[Peer]) -> None:
    bind(phones[0], HOUR, late_at=late_by(TEN_MINUTES))
    bind(phones[1], HOUR, late_at=late_by(TEN_MINUTES))
    third = bind(phones[2], HOUR)
    Probe.objects.create(binding_id=third.binding_id, peer_id=phones[2].pk, answered_at=timezone.now())
    assert not office().is_down


def test_lost_probes_count_from_when_they_were_lost(phones: list[Peer]) -> None:
    for peer in phones[:2]:
        binding = bind(peer, TEN_MINUTES)
        Probe.objects.create(
            binding_id=binding.binding_id, peer_id=peer.pk, state="unreachable", state_since=late_by(MINUTE)
        )
    assert office().is_down


def test_a_phone_that_sends_but_is_not_reached_is_no_outage_of_its_site(phones: list[Peer]) -> None:
    for peer in phones[:2]:
        binding = bind(peer, MINUTE)
        Probe.objects.create(
            binding_id=binding.binding_id, peer_id=peer.pk, state="unreachable", state_since=late_by(HOUR)
        )
    assert not office().is_down


def test_expired_and_swept_phones_still_count(phones: list[Peer]) -> None:
    for peer in phones[:3]:
        PeerActivity.objects.create(
            peer=peer,
            registered_at=late_by(2 * HOUR),
            heard_at=late_by(HOUR),
            ended_at=late_by(TEN_MINUTES),
            end_reason="expired",
            received_addr=OFFICE,
        )
    site = office()
    assert (site.phones, site.online, site.overdue, site.is_down) == (3, 0, 3, True)


def test_phones_that_signed_off_are_not_overdue(phones: list[Peer]) -> None:
    for peer in phones[:3]:
        PeerActivity.objects.create(
            peer=peer,
            registered_at=late_by(2 * HOUR),
            heard_at=late_by(HOUR),
            ended_at=late_by(HOUR),
            end_reason="unregistered",
            received_addr=OFFICE,
        )
    assert not office().is_down


def test_a_phone_that_is_online_elsewhere_is_not_missed_here(phones: list[Peer]) -> None:
    for peer in phones[:2]:
        PeerActivity.objects.create(
            peer=peer,
            registered_at=late_by(2 * HOUR),
            heard_at=late_by(HOUR),
            ended_at=late_by(TEN_MINUTES),
            end_reason="expired",
            received_addr=OFFICE,
        )
        bind(peer, MINUTE, address="198.51.100.1")
    assert OFFICE not in sites_of([OFFICE])


def test_ipv6_phones_of_one_64_are_one_site(phones: list[Peer]) -> None:
    bind(phones[0], MINUTE, address="2001:db8:0:1::5")
    bind(phones[1], MINUTE, address="2001:db8:0:1::6")
    bind(phones[2], MINUTE, address="2001:db8:0:2::6")
    assert site_of("2001:db8:0:1::5") == "2001:db8:0:1::/64"
    assert sites_of(["2001:db8:0:1::5"])["2001:db8:0:1::/64"].phones == 2


def test_the_page_has_sites_of_several_phones_those_that_are_down_first(phones: list[Peer]) -> None:
    bind(phones[0], HOUR, address="198.51.100.1", late_at=late_by(TEN_MINUTES))
    bind(phones[1], HOUR, address="198.51.100.1", late_at=late_by(TEN_MINUTES))
    bind(phones[2], MINUTE)
    bind(phones[3], MINUTE)
    page = site_page(search="", place="", size=50)
    assert [site.address for site in page.sites] == ["198.51.100.1", OFFICE]
    assert (page.number, page.after) == (2, "")
    assert [site.address for site in site_page(search="203.", place="", size=50).sites] == [OFFICE]


def test_the_next_page_goes_on_after_the_last_site(phones: list[Peer]) -> None:
    for phone, address in zip(phones, ["198.51.100.1"] * 2 + ["198.51.100.2"] * 2, strict=False):
        bind(phone, MINUTE, address=address)
    first = site_page(search="", place="", size=1)
    second = site_page(search="", place=first.after, size=1)
    assert [page.sites[0].address for page in (first, second)] == ["198.51.100.1", "198.51.100.2"]
    assert second.after == ""
