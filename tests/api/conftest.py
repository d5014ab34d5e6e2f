"""Clients of the API in each role, and a live registration without a phone."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.accounts.services import api_token_create
from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Extension, Peer
from apps.extensions.services import extension_create, trunk_create
from apps.registrar.models import Binding

Register = Callable[..., Binding]


def client_of(user: User, *scopes: str) -> APIClient:
    _, clear = api_token_create(
        user=user, name=f"{user.username} {scopes}", scopes=scopes, actor=Actor.of_command("test")
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {clear}")
    return client


@pytest.fixture
def api(admin: User) -> APIClient:
    """An admin's client with both scopes."""
    return client_of(admin, "read", "write")


@pytest.fixture
def reader(supervisor: User) -> APIClient:
    return client_of(supervisor, "read")


@pytest.fixture
def nobody() -> APIClient:
    return APIClient()


@pytest.fixture
def extension(domain: Domain, actor: Actor) -> Extension:
    new = extension_create(
        domain=domain, number="1001", display_name="Ada", password="k8-Fuchsbau-71", actor=actor
    )
    assert new.peer.extension is not None
    return new.peer.extension


@pytest.fixture
def peer(extension: Extension) -> Peer:
    return extension.peers.get()


@pytest.fixture
def trunk(domain: Domain, actor: Actor) -> Peer:
    return trunk_create(domain=domain, name="carrier", actor=actor)


@pytest.fixture
def register(db: None) -> Register:
    """Makes a binding as the SIP worker would have committed it."""

    def make(peer: Peer, *, ago_s: int = 10, expires_s: int = 3600, **fields: object) -> Binding:
        at = timezone.now() - dt.timedelta(seconds=ago_s)
        contact = f"sip:{peer.name}@192.0.2.{Binding.objects.count() + 1}:5060"
        facts: dict[str, object] = {
            "aor": f"sip:{peer.name}@{peer.domain.name}",
            "binding_key": contact,
            "contact": contact,
            "received_addr": "203.0.113.9",
            "received_port": 40001,
            "transport": "UDP",
            "call_id": "call-1",
            "cseq": 2,
            "user_agent": "Phone/1",
            "registered_at": at,
            "refreshed_at": at,
            "expires_at": at + dt.timedelta(seconds=expires_s),
        }
        return Binding.objects.create(peer=peer, extension=peer.extension, **(facts | fields))

    return make
