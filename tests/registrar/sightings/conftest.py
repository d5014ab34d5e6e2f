"""More extensions, and what was written down."""

from collections.abc import Awaitable, Callable

import pytest
from asgiref.sync import sync_to_async

from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import NewPeer, extension_create
from tests.registrar.conftest import PASSWORD

MakeExtension = Callable[..., Awaitable[Peer]]


@pytest.fixture
def make_extension(extension_1001: NewPeer, actor: Actor) -> MakeExtension:
    @sync_to_async
    def make(number: str, username: str | None = None) -> Peer:
        domain = Domain.objects.get()
        new = extension_create(
            domain=domain, number=number, username=username, password=PASSWORD, actor=actor
        )
        return new.peer

    return make
