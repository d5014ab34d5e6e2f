"""SUBSCRIBE to other people's registrations: who may, and when it is over (RFC 3680 §6)."""

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction

from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, Extension, Peer
from apps.extensions.services import NewPeer, extension_create, peer_create
from apps.registrar import services
from apps.registrar.regevent.store import Asked
from apps.registrar.sql import lock_keys
from tests.registrar.conftest import PASSWORD
from tests.registrar.phone import Phone, Reply
from tests.registrar.regevent.test_wire import Notifier, in_dialog, notifier

__all__ = ["notifier"]


def extension_of(new: NewPeer) -> Extension:
    assert new.peer.extension is not None
    return new.peer.extension


@pytest.fixture
def board(extension_1001: NewPeer, actor: Actor) -> Peer:
    """An attendant console of its own."""
    board = extension_create(
        domain=extension_1001.peer.domain, number="1009", password=PASSWORD, actor=actor
    ).peer
    return services.peer_update(peer=board, actor=actor, may_watch=True)


@pytest.fixture
def console(board: Peer) -> Phone:
    return Phone("1009", PASSWORD, source=("203.0.113.9", 5060))


async def watch(notifier: Notifier, console: Phone, number: str = "1001", **more: object) -> Reply:
    aor = f"sip:{number}@example.com"
    return await notifier.subscribe(console, **{"request_uri": aor, "to": f"<{aor}>", **more})


async def test_c111_a_peer_that_may_watch_is_told_of_other_extensions(
    notifier: Notifier, phone: Phone, console: Phone
) -> None:
    begun = await watch(notifier, console)
    assert begun.status == 200
    (first,) = await notifier.queued()
    assert first.reginfo[0].attrib == {
        "aor": "sip:1001@example.com",
        "id": first.reginfo[0].attrib["id"],
        "state": "init",
    }
    await notifier.register(phone, expires=600)
    (told,) = await notifier.queued()
    assert told.contacts == [(phone.contact.strip("<>"), "active", "registered")]
    assert (await notifier.subscribe(console, **in_dialog(begun))).status == 200


async def test_c111_the_flag_opens_its_own_domain_and_what_is_served_there(
    notifier: Notifier, console: Phone, extension_1001: NewPeer, actor: Actor
) -> None:
    await sync_to_async(peer_create)(extension=extension_of(extension_1001), name="1001-desk", actor=actor)
    assert (await watch(notifier, console, "1001-desk")).status == 200
    assert (await watch(notifier, console, "1002")).status == 404
    elsewhere = await notifier.subscribe(console, to="<sip:1001@example.org>")
    assert elsewhere.status == 404
    assert await notifier.subscriptions() == 1


async def test_c111_who_watches_may_not_register_as_others(notifier: Notifier, console: Phone) -> None:
    refused = await notifier.register(console, to="<sip:1001@example.com>")
    assert refused.status == 403


async def test_c111_switching_it_off_ends_what_was_watched_at_once(
    notifier: Notifier, phone: Phone, console: Phone, board: Peer, actor: Actor
) -> None:
    begun = await watch(notifier, console)
    await notifier.queued()
    await sync_to_async(services.peer_update)(peer=board, actor=actor, may_watch=False)
    (last,) = await notifier.queued()
    assert last.state == "terminated;reason=deactivated"
    assert await notifier.subscriptions() == 0
    await notifier.register(phone, expires=600)
    assert await notifier.queued() == []
    assert (await watch(notifier, console)).status == 403
    assert (await notifier.subscribe(console, **in_dialog(begun))).status == 403
    own = await notifier.subscribe(console, request_uri="sip:1009@example.com")
    assert own.status == 200
    changes = await sync_to_async(
        lambda: list(AuditEntry.objects.filter(action="peer_update").values_list("changes", flat=True))
    )()
    assert changes == [{"may_watch": [True, False]}, {"may_watch": [False, True]}]


async def test_c111_a_watched_extension_that_is_deleted_is_no_resource(
    notifier: Notifier, console: Phone, extension_1001: NewPeer, actor: Actor
) -> None:
    await watch(notifier, console)
    await notifier.queued()
    await sync_to_async(services.extension_delete)(extension=extension_of(extension_1001), actor=actor)
    (last,) = await notifier.queued()
    assert last.state == "terminated;reason=noresource"
    assert await notifier.subscriptions() == 0


async def test_c111_a_disabled_watcher_hears_no_more(
    notifier: Notifier, console: Phone, board: Peer, actor: Actor
) -> None:
    await watch(notifier, console)
    await notifier.queued()
    await sync_to_async(services.peer_update)(peer=board, actor=actor, enabled=False)
    (last,) = await notifier.queued()
    assert last.state == "terminated;reason=rejected"
    assert await notifier.subscriptions() == 0


async def test_c111_switching_off_waits_for_a_subscribe_under_way(
    notifier: Notifier, console: Phone, board: Peer, actor: Actor
) -> None:
    asked = Asked("sip:1001@example.com", board.domain_id, "1001", "1009")
    keys = {"keys": lock_keys([asked.lock_name])}
    is_free = "SELECT pg_try_advisory_xact_lock(key) FROM unnest(%(keys)s::bigint[]) AS key"

    async def free() -> bool:
        async with notifier.store.pool.connection() as connection:
            return bool((await (await connection.execute(is_free, keys)).fetchall())[0][0])

    @sync_to_async
    def switch_off() -> bool:
        with transaction.atomic():
            services.peer_update(peer=board, actor=actor, may_watch=False)
            return async_to_sync(free)()

    async with notifier.store.batch(aors=[asked.aor], claims=[], nonces=[], asked=[asked]):
        assert not await free()
    assert await free()
    assert not await switch_off()
