"""SUBSCRIBE through the whole processor: authentication, refusals, repeats, and what people do meanwhile."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings

from apps.extensions.audit import Actor
from apps.extensions.services import NewPeer
from apps.registrar import services
from apps.registrar.models import RegistrationEvent
from apps.registrar.regevent.models import PendingNotify, RegSubscription
from apps.registrar.regevent.notify import notify_key
from apps.registrar.regevent.store import NotifyQueue
from apps.registrar.store import Store
from tests.registrar.conftest import Registrar, url_of_test_database
from tests.registrar.phone import Phone, Reply
from tests.registrar.regevent.subscriptions import ReadNotify, read_notify

AOR = "sip:1001@example.com"


class Notifier(Registrar):
    async def subscribe(self, phone: Phone, *headers: str, **kwargs: object) -> Reply:
        wanted = {"method": "SUBSCRIBE", "headers": headers or ["Event: reg"], "request_uri": AOR, **kwargs}
        return await self.register(phone, **wanted)

    @sync_to_async
    def queued(self) -> list[ReadNotify]:
        """Those not sent yet, in order; they are forgotten, as if sent and answered."""
        rows = list(PendingNotify.objects.order_by("cseq"))
        PendingNotify.objects.all().delete()
        return [read_notify(bytes(row.data)) for row in rows]

    @sync_to_async
    def subscriptions(self) -> int:
        return RegSubscription.objects.count()


@pytest.fixture
async def notifier(transactional_db: None) -> AsyncIterator[Notifier]:
    store = Store(url_of_test_database(), NotifyQueue(notify_key(settings.SECRET_KEY), uuid4))
    await store.open()
    yield Notifier(store)
    await store.close()


def in_dialog(reply: Reply) -> dict[str, str]:
    (contact,) = reply.contacts
    return {"to": reply.values("To")[0], "request_uri": contact.strip("<>")}


async def test_c111_a_subscribe_is_challenged_answered_and_repeated_like_a_register(
    notifier: Notifier, phone: Phone
) -> None:
    challenge = await notifier.send(phone, phone.register(method="SUBSCRIBE", headers=["Event: reg"]))
    assert challenge is not None
    assert challenge.status == 401
    phone.read_challenge(challenge)
    data = phone.register(method="SUBSCRIBE", headers=["Event: reg"], request_uri=AOR, expires=600)
    first = await notifier.send(phone, data)
    again = await notifier.send(phone, data)
    assert first is not None
    assert again == first
    assert (first.status, first.values("Expires")) == (200, ["600"])
    assert await notifier.subscriptions() == 1
    (notify,) = await notifier.queued()
    assert notify.document == ("full", 0)
    assert notify.reginfo[0].attrib["state"] == "init"


async def test_c111_what_is_no_subscription_of_ones_own_registrations_is_refused(
    notifier: Notifier, phone: Phone
) -> None:
    other_event = await notifier.send(
        phone, phone.register(method="SUBSCRIBE", headers=["Event: presence"], request_uri=AOR)
    )
    assert other_event is not None
    assert (other_event.status, other_event.values("Allow-Events")) == (489, ["reg"])
    options = await notifier.send(phone, phone.register([], method="OPTIONS"))
    assert options is not None
    assert options.values("Allow-Events") == ["reg"]
    somebody = {"request_uri": "sip:1002@example.com", "to": "<sip:1002@example.com>"}
    refused = await notifier.subscribe(phone, **somebody)
    elsewhere = await notifier.send(
        phone, phone.register(method="SUBSCRIBE", headers=["Event: reg"], request_uri="sip:1001@example.org")
    )
    assert elsewhere is not None
    assert (refused.status, elsewhere.status) == (403, 404)
    assert await notifier.subscriptions() == 0
    assert await notifier.queued() == []


async def test_c111_bindings_that_come_and_go_are_told_and_refreshes_are_not(
    notifier: Notifier, phone: Phone
) -> None:
    subscriber = Phone("1001", phone.password, source=("203.0.113.8", 5060))
    begun = await notifier.subscribe(subscriber)
    await notifier.queued()
    await notifier.register(phone, expires=600)
    (told,) = await notifier.queued()
    assert told.document == ("partial", 1)
    assert told.contacts == [(phone.contact.strip("<>"), "active", "registered")]
    await notifier.register(phone, expires=600)
    assert await notifier.queued() == []
    refreshed = await notifier.subscribe(subscriber, **in_dialog(begun))
    assert refreshed.status == 200
    (everything,) = await notifier.queued()
    assert everything.document == ("full", 2)
    await notifier.register(phone, expires=0)
    (gone,) = await notifier.queued()
    assert gone.document == ("partial", 3)
    assert gone.reginfo[0].attrib["state"] == "terminated"
    ended = await notifier.subscribe(subscriber, **in_dialog(begun), expires=0)
    assert ended.status == 200
    (last,) = await notifier.queued()
    assert last.state == "terminated;reason=timeout"
    assert await notifier.subscriptions() == 0
    unknown = await notifier.subscribe(subscriber, **in_dialog(begun))
    assert unknown.status == 481


async def test_c111_a_fetch_is_told_once_and_stores_nothing(notifier: Notifier, phone: Phone) -> None:
    await notifier.register(phone, expires=600)
    fetched = await notifier.subscribe(Phone("1001", phone.password), expires=0)
    assert (fetched.status, fetched.values("Expires")) == (200, ["0"])
    (notify,) = await notifier.queued()
    assert notify.state == "terminated;reason=timeout"
    assert len(notify.contacts) == 1
    assert await notifier.subscriptions() == 0


async def test_c111_a_disabled_extension_hears_of_it_and_then_no_more(
    notifier: Notifier, phone: Phone, extension_1001: NewPeer, actor: Actor
) -> None:
    await notifier.subscribe(phone)
    await notifier.queued()
    extension = await sync_to_async(lambda: extension_1001.peer.extension)()
    assert extension is not None
    await sync_to_async(services.extension_update)(extension=extension, actor=actor, enabled=False)
    (last,) = await notifier.queued()
    assert last.state == "terminated;reason=rejected"
    assert await notifier.subscriptions() == 0


async def test_c111_a_wrong_password_subscribes_nobody(notifier: Notifier, phone: Phone) -> None:
    stranger = Phone("1001", "guessed")
    refused = await notifier.subscribe(stranger)
    assert refused.status == 401
    assert await notifier.subscriptions() == 0
    assert await sync_to_async(RegistrationEvent.objects.filter(reason="wrong_password").count)() == 1
