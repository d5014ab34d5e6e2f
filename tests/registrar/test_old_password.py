"""The password from before the last change: recognised for 30 days, never accepted."""

import datetime as dt

import pytest
from asgiref.sync import sync_to_async
from django.db.models import F
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.extensions.models import Credential
from apps.extensions.services import NewPeer, credential_rotate
from apps.registrar.models import Binding, PeerActivity, RegistrationEvent
from apps.registrar.store import MOST_RETIRED
from apps.registrar.sweeper import tidy
from tests.registrar.conftest import PASSWORD, Registrar
from tests.registrar.phone import Phone

pytestmark = pytest.mark.django_db(transaction=True)

NEW_PASSWORD = "Zw4nzig-Ziegen"


@sync_to_async
def rotate(new: NewPeer, actor: Actor, password: str = NEW_PASSWORD, overlap_s: int = 0) -> None:
    credential_rotate(peer=new.peer, actor=actor, password=password, overlap=dt.timedelta(seconds=overlap_s))


async def reasons() -> list[str]:
    return [event.reason async for event in RegistrationEvent.objects.order_by("event_id")]


async def refused_as(registrar: Registrar, password: str) -> str:
    """The one reason in the ledger after an attempt with this password."""
    reply = await registrar.register(Phone("1001", password))
    assert reply.status == 401
    assert not await Binding.objects.aexists()
    (reason,) = await reasons()
    await RegistrationEvent.objects.all().adelete()
    return reason


async def test_the_password_from_before_the_change_is_refused_as_such(
    registrar: Registrar, extension_1001: NewPeer, actor: Actor
) -> None:
    await rotate(extension_1001, actor)

    assert await refused_as(registrar, PASSWORD) == "old_password"
    assert await refused_as(registrar, "something else") == "wrong_password"
    activity = await PeerActivity.objects.aget()
    assert activity.refused_reason == "wrong_password"
    assert (await registrar.register(Phone("1001", NEW_PASSWORD))).status == 200


async def test_on_the_wire_an_old_password_is_refused_like_any(
    registrar: Registrar, extension_1001: NewPeer, actor: Actor
) -> None:
    await rotate(extension_1001, actor)
    answers = []
    for password in (PASSWORD, "something else"):
        phone = Phone("1001", password, call_id="same")
        challenge = await registrar.send(phone, phone.register(branch="z9hG4bKsame"))
        assert challenge is not None
        phone.read_challenge(challenge)
        answers.append(await registrar.send(phone, phone.register(branch="z9hG4bKagain")))
    assert answers[0] == answers[1]


async def test_during_an_overlap_both_passwords_are_good(
    registrar: Registrar, extension_1001: NewPeer, actor: Actor
) -> None:
    await rotate(extension_1001, actor, overlap_s=3600)

    for password in (PASSWORD, NEW_PASSWORD):
        assert (await registrar.register(Phone("1001", password))).status == 200


async def test_after_30_days_it_is_a_wrong_password_and_is_tidied_away(
    registrar: Registrar, extension_1001: NewPeer, actor: Actor
) -> None:
    await rotate(extension_1001, actor)
    retired = Credential.objects.filter(valid_until__isnull=False)
    await retired.aupdate(valid_until=timezone.now() - dt.timedelta(days=29))
    await tidy(registrar.store)
    assert await refused_as(registrar, PASSWORD) == "old_password"

    await retired.aupdate(valid_until=F("valid_until") - dt.timedelta(days=2))

    assert await refused_as(registrar, PASSWORD) == "wrong_password"
    await tidy(registrar.store)
    assert await Credential.objects.acount() == 1


async def test_the_last_few_passwords_are_recognised_and_no_more(
    registrar: Registrar, extension_1001: NewPeer, actor: Actor
) -> None:
    passwords = [PASSWORD, *(f"{NEW_PASSWORD}-{number}" for number in range(MOST_RETIRED + 1))]
    for password in passwords[1:]:
        await rotate(extension_1001, actor, password)

    found = [await refused_as(registrar, password) for password in passwords[:-1]]

    assert found == ["wrong_password"] + ["old_password"] * MOST_RETIRED
