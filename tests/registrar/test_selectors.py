"""What the pages read: the day's curve."""

import datetime as dt

import pytest
from django.utils import timezone

from apps.extensions.models import Peer
from apps.extensions.services import NewPeer
from apps.registrar.models import Binding, RegistrationEvent
from apps.registrar.overview.sql import HISTORY_STEPS
from apps.registrar.selectors import online_history
from tests.overview import look_at_all

pytestmark = pytest.mark.django_db(transaction=True)


def registered(peer: Peer, at: dt.datetime, contact: str) -> None:
    Binding.objects.create(
        aor="sip:1001@example.com",
        binding_key=contact,
        contact=contact,
        peer=peer,
        extension=peer.extension,
        received_addr="203.0.113.7",
        received_port=5060,
        transport="UDP",
        call_id="a",
        cseq=1,
        registered_at=at,
        refreshed_at=at,
        expires_at=timezone.now() + dt.timedelta(hours=1),
    )
    RegistrationEvent.objects.create(
        at=at,
        last_at=at,
        event_id=RegistrationEvent.objects.count() + 1,
        event="registered",
        reason="registered",
        aor="sip:1001@example.com",
        peer_id=peer.pk,
    )


def test_the_days_curve_ends_with_what_is_online_now(extension_1001: NewPeer) -> None:
    now = timezone.now()
    registered(extension_1001.peer, now - dt.timedelta(hours=3), "sip:a@192.0.2.1")
    registered(extension_1001.peer, now, "sip:b@192.0.2.2")

    look_at_all()

    curve = online_history()

    assert len(curve) == HISTORY_STEPS
    assert (curve[0], curve[-8], curve[-1]) == (0, 1, 2)
