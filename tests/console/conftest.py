"""Browsers of each role, and facts as the SIP workers write them."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import NewPeer, extension_create, trunk_create, trusted_address_add
from apps.registrar.models import Binding, PeerActivity, RegistrationEvent
from tests.overview import look_at_all

BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def as_admin(admin: User) -> Client:
    client = Client()
    client.force_login(admin, backend=BACKEND)
    return client


@pytest.fixture
def as_supervisor(supervisor: User) -> Client:
    client = Client()
    client.force_login(supervisor, backend=BACKEND)
    return client


@pytest.fixture
def ann(domain: Domain, actor: Actor) -> NewPeer:
    return extension_create(domain=domain, number="1001", display_name="Ann Lee", actor=actor)


@pytest.fixture
def trunk(domain: Domain, actor: Actor) -> Peer:
    trunk = trunk_create(domain=domain, name="carrier-north", actor=actor)
    trusted_address_add(trunk=trunk, network="203.0.113.64/28", actor=actor)
    return trunk


@pytest.fixture
def register() -> Callable[..., Binding]:
    def add(peer: Peer, **facts: Any) -> Binding:
        now = timezone.now()
        given: dict[str, Any] = {
            "contact": f"sip:{peer.name}@192.168.1.20:5060",
            "received_addr": "203.0.113.7",
            "received_port": 5062,
            "user_agent": "Yealink SIP-T46S 66.86.0.15",
            "registered_at": now - dt.timedelta(hours=2),
            "refreshed_at": now - dt.timedelta(minutes=1),
            "expires_at": now + dt.timedelta(minutes=30),
            **facts,
        }
        assert peer.extension is not None
        PeerActivity.objects.update_or_create(
            peer=peer, defaults={"registered_at": given["registered_at"], "user_agent": given["user_agent"]}
        )
        binding = Binding.objects.create(
            aor=peer.extension.aor,
            binding_key=given["contact"],
            peer=peer,
            extension=peer.extension,
            transport="UDP",
            call_id="a",
            cseq=1,
            **given,
        )
        look_at_all()
        return binding

    return add


@pytest.fixture
def happen() -> Callable[..., RegistrationEvent]:
    def add(peer: Peer, number: int, **facts: Any) -> RegistrationEvent:
        assert peer.extension is not None
        at = facts.pop("at", timezone.now())
        given: dict[str, Any] = {"event": "registered", "reason": "ok", "last_at": at, **facts}
        return RegistrationEvent.objects.create(
            at=at,
            event_id=number,
            aor=peer.extension.aor,
            peer_id=peer.pk,
            extension_id=peer.extension_id,
            **given,
        )

    return add
