"""The state of a peer and what about it needs attention, computed at the read."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.extensions.models import Peer
from apps.extensions.services import NewPeer
from apps.registrar import selectors
from apps.registrar.models import Binding, PeerActivity, Probe, Stranger
from apps.registrar.states import PeerState
from tests.overview import look_at_all

pytestmark = pytest.mark.django_db(transaction=True)

AGO = dt.timedelta(minutes=1)


@pytest.fixture
def peer(extension_1001: NewPeer) -> Peer:
    return extension_1001.peer


@pytest.fixture
def bind(peer: Peer) -> Callable[..., Binding]:
    def add(**facts: Any) -> Binding:
        now = timezone.now()
        contact = f"sip:1001@192.0.2.1:{5060 + Binding.objects.count()}"
        given: dict[str, Any] = {
            "aor": "sip:1001@example.com",
            "binding_key": contact,
            "contact": contact,
            "peer": peer,
            "extension": peer.extension,
            "received_addr": "203.0.113.7",
            "received_port": 5060,
            "transport": "UDP",
            "call_id": "a",
            "cseq": 1,
            "registered_at": now - AGO,
            "refreshed_at": now - AGO,
            "expires_at": now + AGO,
            **facts,
        }
        PeerActivity.objects.update_or_create(peer=peer, defaults={"registered_at": given["registered_at"]})
        return Binding.objects.create(**given)

    return add


def shown() -> tuple[PeerState, str]:
    [peer] = selectors.peers_with_state()
    [row] = selectors.registration_rows([peer])
    look_at_all()
    counters = selectors.counters()
    assert counters.total == 1
    assert bool(counters.attention) == row.needs_attention
    in_need = selectors.registration_page(state="attention").rows
    assert [each.peer for each in in_need] == ([peer] if row.needs_attention else [])
    return row.state, row.attention


def activity(peer: Peer, **facts: Any) -> None:
    PeerActivity.objects.update_or_create(peer=peer, defaults=facts)


def test_nothing_known_is_never_registered_and_needs_no_attention(peer: Peer) -> None:
    assert shown() == (PeerState.NEVER_REGISTERED, "")


def test_a_contact_on_time_is_online(bind: Callable[..., Binding]) -> None:
    bind(late_at=timezone.now() + AGO / 2)
    assert shown() == (PeerState.ONLINE, "")


def test_an_overdue_renewal_is_late_before_it_expires(bind: Callable[..., Binding]) -> None:
    bind(late_at=timezone.now() - AGO / 2)
    assert shown() == (PeerState.LATE, "renewal_late")


def test_one_contact_on_time_makes_the_peer_online(bind: Callable[..., Binding]) -> None:
    bind(late_at=timezone.now() - AGO / 2)
    bind()
    assert shown() == (PeerState.ONLINE, "")


def test_lost_probes_make_it_unreachable(peer: Peer, bind: Callable[..., Binding]) -> None:
    binding = bind()
    Probe.objects.create(binding_id=binding.binding_id, peer_id=peer.pk, state="unreachable")
    assert shown() == (PeerState.UNREACHABLE, "unreachable")


def test_a_lagging_phone_is_online(peer: Peer, bind: Callable[..., Binding]) -> None:
    binding = bind()
    Probe.objects.create(binding_id=binding.binding_id, peer_id=peer.pk, state="lagging")
    assert shown() == (PeerState.ONLINE, "")


def test_a_refusal_since_the_success_says_its_reason(peer: Peer, bind: Callable[..., Binding]) -> None:
    bind()
    activity(peer, refused_at=timezone.now(), refused_reason="old_password")
    assert shown() == (PeerState.ONLINE, "old_password")


def test_an_unanswered_challenge_counts_for_a_phone_that_is_off(peer: Peer) -> None:
    activity(peer, unanswered_at=timezone.now(), unanswered_reason="challenge_unheard")
    assert shown() == (PeerState.NEVER_REGISTERED, "challenge_unheard")


def test_an_unanswered_challenge_says_nothing_of_a_phone_that_is_online(
    peer: Peer, bind: Callable[..., Binding]
) -> None:
    bind()
    activity(peer, unanswered_at=timezone.now(), unanswered_reason="challenge_ignored")
    assert shown() == (PeerState.ONLINE, "")


def test_the_later_of_refusal_and_silence_is_said(peer: Peer) -> None:
    activity(peer, refused_at=timezone.now() - AGO, refused_reason="wrong_password")
    activity(peer, unanswered_at=timezone.now(), unanswered_reason="challenge_unheard")
    assert shown() == (PeerState.REFUSED, "challenge_unheard")


def test_an_address_that_keeps_changing_needs_attention(peer: Peer, bind: Callable[..., Binding]) -> None:
    bind()
    activity(peer, moves=6, moves_since=timezone.now() - AGO)
    assert shown() == (PeerState.ONLINE, "address_changing")
    activity(peer, moves_since=timezone.now() - dt.timedelta(hours=2))
    assert shown() == (PeerState.ONLINE, "")


def test_a_place_never_seen_before_needs_attention_for_a_day(
    peer: Peer, bind: Callable[..., Binding]
) -> None:
    bind()
    activity(peer, new_network_at=timezone.now() - AGO)
    assert shown() == (PeerState.ONLINE, "unexpected_place")
    activity(peer, new_network_at=timezone.now() - dt.timedelta(hours=25))
    assert shown() == (PeerState.ONLINE, "")


def stranger(peer: Peer, reason: str, username: str = "1010") -> None:
    now = timezone.now()
    Stranger.objects.create(
        reason=reason,
        domain="example.com",
        username=username,
        received_addr="203.0.113.9",
        received_port=5060,
        first_at=now,
        last_at=now,
        meant_peer_id=peer.pk,
    )


def test_somebody_who_seems_to_mean_a_phone_that_is_off(peer: Peer, bind: Callable[..., Binding]) -> None:
    stranger(peer, "unknown_user")
    assert shown() == (PeerState.NEVER_REGISTERED, "typo_user")
    bind()
    assert shown() == (PeerState.ONLINE, "")


def test_who_tries_many_names_is_no_typist(peer: Peer) -> None:
    for number in range(1010, 1014):
        stranger(peer, "unknown_user", str(number))
    assert shown() == (PeerState.NEVER_REGISTERED, "")


def test_a_blocked_source_is_said_of_a_phone_that_is_still_registered(
    peer: Peer, bind: Callable[..., Binding]
) -> None:
    bind()
    stranger(peer, "blocked_source", "1001")
    assert shown() == (PeerState.ONLINE, "blocked_source")


def test_a_disabled_phone_needs_no_attention(peer: Peer) -> None:
    activity(peer, refused_at=timezone.now(), refused_reason="disabled")
    Peer.objects.filter(pk=peer.pk).update(enabled=False)
    assert shown() == (PeerState.DISABLED, "")


def test_a_probe_of_another_binding_says_nothing(peer: Peer, bind: Callable[..., Binding]) -> None:
    bind()
    Probe.objects.create(binding_id=uuid4(), peer_id=peer.pk, state="unreachable")
    assert shown() == (PeerState.ONLINE, "")
