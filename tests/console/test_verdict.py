"""The verdict, the timeline, the events and the sites, as the pages say them."""

import datetime as dt
import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from apps.console.event_words import WORDS
from apps.console.verdict import ROW_WORDS
from apps.diagnosis.rules.names import CODES
from apps.extensions.audit import Actor
from apps.extensions.models import Peer
from apps.extensions.services import NewPeer, peer_create
from apps.registrar.models import Binding, PeerActivity, Probe, RegistrationEvent, Stranger
from apps.registrar.outcomes import REFUSALS, EventKind, UnansweredReason

pytestmark = pytest.mark.django_db
Register = Callable[..., Binding]
MINUTE = dt.timedelta(minutes=1)


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def page_of(client: Client, peer: Peer, query: str = "") -> str:
    return client.get(f"/extensions/{peer.extension_id}/{query}").content.decode()


def happened(peer: Peer, event: str, reason: str, ago: dt.timedelta, **facts: object) -> None:
    at = timezone.now() - ago
    RegistrationEvent.objects.create(
        at=at,
        last_at=at,
        event_id=RegistrationEvent.objects.count() + 1,
        event=event,
        reason=reason,
        aor="sip:1001@example.com",
        peer_id=peer.pk,
        extension_id=peer.extension_id,
        **facts,
    )


def test_the_page_of_a_phone_that_is_well_says_so(as_admin: Client, ann: NewPeer, register: Register) -> None:
    binding = register(ann.peer)
    Probe.objects.create(
        binding_id=binding.binding_id,
        peer_id=ann.peer.pk,
        state="reachable",
        answered_at=timezone.now(),
        rtt_ms=18,
        rtt_avg_ms=18,
    )
    page = page_of(as_admin, ann.peer)
    assert 'data-verdict="fine"' in page
    assert "the registrar is not the reason" in text_of(page)
    assert "Answered a probe after 18 ms" in text_of(page)


def test_the_page_of_a_refused_phone_says_why_with_evidence_and_offers_the_fix(
    as_admin: Client, ann: NewPeer
) -> None:
    PeerActivity.objects.create(
        peer=ann.peer, refused_at=timezone.now(), refused_reason="old_password", received_addr="203.0.113.9"
    )
    happened(ann.peer, "refused", "old_password", MINUTE, received_addr="203.0.113.9", received_port=5060)
    page = page_of(as_admin, ann.peer)
    assert 'data-verdict="old_password"' in page
    assert "203.0.113.9:5060" in text_of(page)
    assert f'href="/devices/{ann.peer.pk}/password/">New password</a>' in page


def test_a_supervisor_reads_the_verdict_and_is_offered_no_change(as_supervisor: Client, ann: NewPeer) -> None:
    PeerActivity.objects.create(peer=ann.peer, refused_at=timezone.now(), refused_reason="wrong_password")
    page = page_of(as_supervisor, ann.peer)
    assert 'data-verdict="wrong_password"' in page
    assert f"/devices/{ann.peer.pk}/password/" not in page


def test_an_extension_rings_where_one_of_its_devices_is_well(
    as_admin: Client, ann: NewPeer, actor: Actor, register: Register
) -> None:
    register(ann.peer)
    assert ann.peer.extension is not None
    second = peer_create(extension=ann.peer.extension, name="1001-soft", actor=actor).peer
    PeerActivity.objects.create(peer=second, refused_at=timezone.now(), refused_reason="wrong_password")
    page = page_of(as_admin, ann.peer)
    assert 'data-verdict="fine"' in page
    assert 'data-finding="wrong_password"' in page
    assert re.search(r"<b>1001-soft</b> The password in the phone", page)


def test_the_timeline_says_the_same_in_a_table(as_admin: Client, ann: NewPeer, register: Register) -> None:
    Peer.objects.update(created_at=timezone.now() - dt.timedelta(days=2))
    binding = register(ann.peer, registered_at=timezone.now() - 120 * MINUTE)
    happened(ann.peer, "registered", "registered", 120 * MINUTE, binding_id=binding.binding_id)
    page = page_of(as_admin, ann.peer)
    assert page.count('<rect class="band offline"') == 1
    assert page.count('<rect class="band online"') == 1
    assert page.count('<a class="mark registered"') == 1
    table = text_of(page.partition('id="timeline-table"')[2].partition("</table>")[0])
    assert re.search(r"now Online 2 h .* Offline 2[12] h", table)


def test_the_timeline_of_a_week_reaches_further_back(as_admin: Client, ann: NewPeer) -> None:
    Peer.objects.update(created_at=timezone.now() - dt.timedelta(days=30))
    happened(ann.peer, "unregistered", "unregistered", dt.timedelta(days=3), binding_id=ann.peer.pk)
    assert '<rect class="band online"' not in page_of(as_admin, ann.peer)
    assert '<rect class="band online"' in page_of(as_admin, ann.peer, "?span=7d")


def test_events_are_filtered_by_kind(as_admin: Client, ann: NewPeer) -> None:
    happened(ann.peer, "registered", "registered", MINUTE)
    happened(ann.peer, "unanswered", "challenge_unheard", MINUTE)
    page = page_of(as_admin, ann.peer, "?events=refused")
    ledger = text_of(page.partition('class="ledger"')[2].partition("</ol>")[0])
    assert "Did not sign in" in ledger
    assert "Registered" not in ledger
    everywhere = text_of(as_admin.get("/events/?events=registered").content.decode())
    assert "Did not sign in" not in everywhere


def test_hostile_text_of_a_phone_stays_text(as_admin: Client, ann: NewPeer, register: Register) -> None:
    hostile = "<script>alert(1)</script>{{ 7 }}{0}%s"
    register(ann.peer, user_agent=hostile)
    happened(ann.peer, "registered", "registered", MINUTE, user_agent=hostile)
    page = page_of(as_admin, ann.peer)
    assert "<script>alert" not in page


def late(peer: Peer, register: Register) -> None:
    register(
        peer,
        late_at=timezone.now() - MINUTE,
        refreshed_at=timezone.now() - 30 * MINUTE,
        received_addr="198.51.100.20",
    )
    PeerActivity.objects.filter(peer=peer).update(heard_at=timezone.now() - 120 * MINUTE)


def test_a_silent_site_is_said_in_its_rows_and_on_its_page(
    as_admin: Client, ann: NewPeer, actor: Actor, register: Register
) -> None:
    assert ann.peer.extension is not None
    second = peer_create(extension=ann.peer.extension, name="1001-soft", actor=actor).peer
    late(ann.peer, register)
    assert "whole site is silent" not in text_of(as_admin.get("/").content.decode())
    late(second, register)
    assert text_of(as_admin.get("/").content.decode()).count("whole site is silent") == 2
    sites = text_of(as_admin.get("/sites/").content.decode())
    assert re.search(r"198\.51\.100\.20 Silent 2 phones overdue for 1 min 2 0", sites)
    assert 'data-verdict="site_down"' in page_of(as_admin, ann.peer)


def test_each_code_that_a_row_may_have_has_words() -> None:
    codes = {*REFUSALS, *UnansweredReason, *CODES.values()}
    codes |= {"unreachable", "renewal_late", "address_changing", "unexpected_place", "blocked_source"}
    assert codes - set(ROW_WORDS) == set()


def test_each_kind_of_event_has_words() -> None:
    assert set(EventKind) - set(WORDS) == set()


def test_who_is_nobody_is_listed_with_whom_it_seems_to_mean(as_supervisor: Client, ann: NewPeer) -> None:
    now = timezone.now()
    for username, meant in (("1010", ann.peer.pk), ("<b>nobody</b>", None)):
        Stranger.objects.create(
            reason="unknown_user",
            domain="example.com",
            username=username,
            received_addr="203.0.113.50",
            received_port=5060,
            count=14,
            first_at=now - MINUTE,
            last_at=now,
            meant_peer_id=meant,
        )
    page = as_supervisor.get("/events/strangers/").content.decode()
    assert "<b>nobody" not in page
    assert re.search(r"1010 example.com Unknown user name × 14.* Seems to mean 1001", text_of(page))
    assert "1010" not in as_supervisor.get("/events/strangers/?q=nobody").content.decode()


def test_a_row_says_how_quickly_its_phone_answers(as_admin: Client, ann: NewPeer, register: Register) -> None:
    binding = register(ann.peer)
    probe = Probe.objects.create(
        binding_id=binding.binding_id, peer_id=ann.peer.pk, state="lagging", rtt_avg_ms=812.4
    )
    assert "812 ms slow" in text_of(as_admin.get("/").content.decode())
    assert "812 ms slow" in text_of(page_of(as_admin, ann.peer))
    probe.delete()
    assert " ms" not in text_of(as_admin.get("/").content.decode())


@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 5000, "\u0663", "99999"])
def test_a_page_of_sites_that_cannot_be_is_the_first(as_admin: Client, page: str) -> None:
    assert as_admin.get("/sites/", {"page": page}).status_code == 200
