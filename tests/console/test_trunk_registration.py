"""A trunk's page: our registration with its carrier."""

import datetime as dt

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.extensions.models import Peer
from apps.trunks.models import TrunkProbe, TrunkRegistration, TrunkRegistrationState
from apps.trunks.uplink.selectors import uplink_state
from apps.trunks.uplink.services import registration_set, trunk_keys

PASSWORD = "k8-Fuchsbau-71"
STRING = f"register => 4940:{PASSWORD}@sip.carrier.example"


def address(name: str, trunk: Peer) -> str:
    return reverse(f"console:{name}", args=[trunk.pk])


@pytest.fixture
def registration(trunk: Peer, actor: Actor) -> TrunkRegistration:
    return registration_set(trunk=trunk, actor=actor, registration_string=STRING)


def stands(registration: TrunkRegistration, state: str, **facts: object) -> None:
    TrunkRegistrationState.objects.update_or_create(
        registration=registration,
        defaults={"version": registration.version, "state": state, "since": timezone.now(), **facts},
    )


def test_a_registration_is_set_from_its_string_and_never_shows_the_password(
    as_admin: Client, trunk: Peer
) -> None:
    page = address("trunk_registration", trunk)
    sent = {"registration_string": STRING, "expires_s": "600", "enabled": "on", "username": "overruled"}
    answer = as_admin.post(page, sent, follow=True)
    kept = TrunkRegistration.objects.get()
    assert (kept.registrar, kept.username, kept.expires_s) == ("sip.carrier.example", "4940", 600)
    assert "Waiting for the call process" in answer.content.decode()
    for shown in (answer, as_admin.get(page), as_admin.post(page, sent | {"expires_s": "1"})):
        assert PASSWORD not in shown.content.decode()


def test_a_string_that_cannot_be_read_is_said_beside_its_field(as_admin: Client, trunk: Peer) -> None:
    sent = {"registration_string": "sctp://4940:x@sip.carrier.example", "expires_s": "600"}
    text = as_admin.post(address("trunk_registration", trunk), sent).content.decode()
    assert "Registering over SCTP is not possible" in text
    assert not TrunkRegistration.objects.exists()


def test_a_change_without_a_password_keeps_it(
    as_admin: Client, trunk: Peer, registration: TrunkRegistration
) -> None:
    sent = {"registrar": "192.0.2.9", "username": "4941", "expires_s": "3600", "enabled": "on"}
    as_admin.post(address("trunk_registration", trunk), sent)
    kept = TrunkRegistration.objects.get()
    assert (kept.registrar, kept.username) == ("192.0.2.9", "4941")
    assert trunk_keys().open(kept.sealed_password, trunk.pk) == PASSWORD


def test_it_is_switched_off_and_on_tried_again_and_removed(
    as_admin: Client, trunk: Peer, registration: TrunkRegistration
) -> None:
    as_admin.post(address("trunk_registration_switch", trunk))
    off = TrunkRegistration.objects.get()
    assert not off.enabled
    assert "Switched off" in as_admin.get(address("trunk", trunk)).content.decode()
    as_admin.post(address("trunk_registration_switch", trunk), {"on": "1"})
    as_admin.post(address("trunk_registration_retry", trunk))
    on = TrunkRegistration.objects.get()
    assert on.enabled
    assert on.version > off.version
    as_admin.post(address("trunk_registration_remove", trunk))
    assert not TrunkRegistration.objects.exists()
    assert "We do not register with this carrier" in as_admin.get(address("trunk", trunk)).content.decode()


def test_how_it_stands_is_told_in_words_with_the_fix(
    as_supervisor: Client, trunk: Peer, registration: TrunkRegistration
) -> None:
    hour = timezone.now() + dt.timedelta(hours=1)
    stands(
        registration,
        "refused",
        reason="forbidden",
        status=403,
        phrase="<b>Forbidden",
        server="192.0.2.1:5060",
        next_attempt_at=hour,
    )
    text = as_supervisor.get(address("trunk", trunk)).content.decode()
    assert "Refused" in text
    assert (
        "403 &lt;b&gt;Forbidden: user name or password is wrong, or this address is not allowed there" in text
    )
    assert "Tried again in" in text
    assert "Switch off" not in text
    stands(registration, "registered", reason="", status=200, registered_until=hour, next_attempt_at=hour)
    text = as_supervisor.get(address("trunk", trunk)).content.decode()
    assert 'data-uplink="registered"' in text
    assert "Renewed in" in text


def test_what_probes_say_of_the_servers_is_shown(as_supervisor: Client, trunk: Peer) -> None:
    now = timezone.now()
    TrunkProbe.objects.create(
        trunk=trunk,
        host="192.0.2.1",
        port=5060,
        state="reachable",
        since=now,
        answered_at=now,
        status=200,
        rtt_avg_ms=17.6,
    )
    TrunkProbe.objects.create(trunk=trunk, host="2001:db8::1", port=5060, state="unreachable", since=now)
    text = as_supervisor.get(address("trunk", trunk)).content.decode()
    assert "18 ms" in text
    assert "[2001:db8::1]:5060" in text
    assert "Unreachable" in text


def test_a_page_is_another_version_when_something_changed_and_not_by_time_alone(
    trunk: Peer, registration: TrunkRegistration
) -> None:
    first = uplink_state(trunk).version
    assert uplink_state(trunk).version == first
    stands(registration, "registered", registered_until=timezone.now() + dt.timedelta(hours=1))
    assert uplink_state(trunk).version != first
