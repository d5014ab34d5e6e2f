"""The one LISTEN connection: shared, restored after a loss, one teller where processes share a channel layer."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.db import connection
from django.test import Client

from apps.accounts.models import User
from apps.extensions.models import Peer
from apps.live import listener
from apps.live.listener import GROUP, ChangeListener, change_listener, merged
from apps.registrar.models import Binding
from tests.live.conftest import in_database, notify, open_page, signed_in

LISTENERS = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%%' AND datname = current_database()"


def listening_processes() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(LISTENERS)
        return [row[0] for row in cursor.fetchall()]


def end_listening_processes() -> None:
    for pid in listening_processes():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])


def notify_each(peer_ids: list[UUID]) -> None:
    for peer_id in peer_ids:
        notify(peer_id)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not await in_database(condition):  # noqa: ASYNC110 - the database has no event for it
            await asyncio.sleep(0.02)


def test_payloads_are_merged() -> None:
    first, second = uuid4(), uuid4()
    assert merged([json.dumps([first.hex]), json.dumps([second.hex, first.hex])]) == frozenset(
        (first, second)
    )
    assert merged([json.dumps([first.hex]), "*"]) is None
    assert merged(["nonsense"]) is None


@pytest.mark.django_db(transaction=True)
async def test_two_pages_share_one_connection_and_the_last_one_ends_it(admin: User, peer: Peer) -> None:
    client = await in_database(lambda: signed_in(admin))
    watch = {str(peer.pk): "00000000"}
    async with open_page(client, watch) as first, open_page(client, dict(watch)) as second:
        await first.heard(lambda message: "rows" in message)
        await second.heard(lambda message: "rows" in message)
        await until(lambda: len(listening_processes()) == 1)
        assert change_listener().is_listening
    await until(lambda: not listening_processes())
    assert not change_listener().is_listening


@pytest.mark.django_db(transaction=True)
async def test_after_a_lost_connection_the_page_catches_up_with_what_it_missed(
    admin: User, peer: Peer, add_binding: Callable[..., Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "FIRST_DELAY_S", 0.5)
    client: Client = await in_database(lambda: signed_in(admin))
    async with open_page(client, {str(peer.pk): "00000000"}) as page:
        await page.heard(lambda message: "rows" in message)
        await until(lambda: bool(listening_processes()))
        await in_database(end_listening_processes)
        await until(lambda: not listening_processes())
        await in_database(lambda: add_binding(peer))  # no NOTIFY at all: it fell into the gap
        message = await page.heard(lambda message: "rows" in message)
    assert 'data-state="online"' in message["rows"][f"peer-{peer.pk}"]


class SharedLayer:
    """A channel layer that reaches other processes, as far as the listener can tell."""

    def __init__(self) -> None:
        self.told: list[list[str] | None] = []

    async def group_send(self, group: str, message: dict[str, list[str] | None]) -> None:
        assert group == GROUP
        self.told.append(message["peer_ids"])


@pytest.mark.django_db(transaction=True)
async def test_with_a_shared_layer_one_process_tells_and_the_next_takes_over(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = SharedLayer()
    monkeypatch.setattr(listener, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(listener, "STAND_BY_S", 0.05)
    first, second = ChangeListener(), ChangeListener()
    first.join()
    await first.wait_until_listening(5)
    second.join()
    await second.wait_until_listening(5)
    await until(lambda: layer.told == [None])
    await in_database(lambda: notify(peer.pk))
    await until(lambda: len(layer.told) == 2)
    assert layer.told[1] == [peer.pk.hex]
    await first.leave()
    await until(lambda: len(layer.told) == 3)  # the second now holds the lock and says: everything
    assert layer.told[2] is None
    await in_database(lambda: notify(peer.pk))
    await until(lambda: len(layer.told) == 4)
    await second.leave()


@pytest.mark.django_db(transaction=True)
async def test_changes_of_a_moment_are_told_together(peer: Peer) -> None:
    layer = get_channel_layer()
    assert isinstance(layer, InMemoryChannelLayer)
    channel = await layer.new_channel()
    await layer.group_add(GROUP, channel)
    heard = ChangeListener()
    heard.join()
    assert (await layer.receive(channel))["peer_ids"] is None
    others = [uuid4() for _ in range(5)]
    await in_database(lambda: notify_each(others))
    message = await layer.receive(channel)
    assert {UUID(peer_id) for peer_id in message["peer_ids"]} == set(others)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            pytest.fail(f"told again: {await layer.receive(channel)}")
    await heard.leave()
    await layer.group_discard(GROUP, channel)
