"""A browser page's socket, and facts to write into the database as the SIP workers do."""

import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Peer
from apps.extensions.services import extension_create
from apps.registrar.models import Binding, PeerActivity
from tests.overview import look_at_all
from tests.patience import PATIENCE_S

ORIGIN = (b"origin", b"http://localhost")
HOST = (b"host", b"localhost")


@pytest.fixture
def peer(domain: Domain, actor: Actor) -> Peer:
    return extension_create(domain=domain, number="1001", display_name="Ann Lee", actor=actor).peer


@pytest.fixture
def add_binding() -> Callable[..., Binding]:
    def add(peer: Peer, **facts: Any) -> Binding:
        now = timezone.now()
        given = {
            "contact": "sip:1001@192.168.1.20:5060",
            "received_addr": "203.0.113.7",
            "received_port": 5062,
            "user_agent": "Yealink SIP-T46S 66.86.0.15",
            "registered_at": now - dt.timedelta(hours=2),
            "refreshed_at": now - dt.timedelta(minutes=1),
            "expires_at": now + dt.timedelta(days=1, minutes=30),
            **facts,
        }
        PeerActivity.objects.update_or_create(
            peer=peer, defaults={"registered_at": given["registered_at"], "user_agent": given["user_agent"]}
        )
        binding = Binding.objects.create(
            aor="sip:1001@example.com",
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


def notify(*peer_ids: UUID, channel: str = "registrations_changed") -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify(%s, %s)", [channel, json.dumps([peer_id.hex for peer_id in peer_ids])]
        )


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def socket_of(client: Client, *headers: tuple[bytes, bytes]) -> WebsocketCommunicator:
    from registrar_admin.asgi import application

    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    sent = [HOST, *(headers or (ORIGIN,))]
    if cookie is not None:
        sent.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie.value}".encode()))
    return WebsocketCommunicator(application, "/ws/registrations/", headers=sent)


@asynccontextmanager
async def open_page(client: Client, watch: dict[str, str], view: str = "row") -> AsyncIterator["Page"]:
    """A page that shows these peers in these versions and is up to date when the body begins."""
    socket = socket_of(client)
    connected, _ = await socket.connect(timeout=PATIENCE_S)
    assert connected
    page = Page(socket)
    shown = {"search": "", "state": "", "order": "attention", "place": "", "size": 50}
    await page.say({"watch": watch, "as": view, "list": shown if view == "row" else None})
    try:
        yield page
    finally:
        await socket.disconnect()


class Page:
    def __init__(self, socket: WebsocketCommunicator) -> None:
        self.socket = socket

    async def say(self, message: dict[str, Any]) -> None:
        await self.socket.send_to(text_data=json.dumps(message))

    async def heard(
        self, wanted: Callable[[dict[str, Any]], Any], timeout_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """The next message that is wanted; each update before it is acknowledged as the page does."""
        while True:
            message: dict[str, Any] = json.loads(await self.socket.receive_from(timeout=timeout_s))
            if "n" in message:
                await self.say({"seen": message["n"]})
            if wanted(message):
                return message


@database_sync_to_async
def in_database(work: Callable[[], Any]) -> Any:
    return work()
