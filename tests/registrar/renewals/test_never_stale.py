"""What was changed and committed elsewhere holds for the very next renewal (C99)."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings

from apps.extensions import services as directory
from apps.extensions.audit import Actor
from apps.extensions.ha1s import COLUMNS, Ha1Keys
from apps.extensions.models import Credential, DigestOrder, Domain, Extension, Peer
from apps.extensions.services import NewPeer
from apps.registrar import services
from apps.registrar.models import Binding
from apps.registrar.renewals.memory import Memory
from apps.sip.digest import Algorithm, ha1
from tests.registrar.conftest import PASSWORD, Registrar
from tests.registrar.phone import Phone
from tests.registrar.renewals.conftest import Quick, aged

pytestmark = pytest.mark.django_db(transaction=True)

KEY, OTHER_KEY = bytes(range(32)), bytes(range(32, 64))
ACTOR = Actor.of_command("test")
Change = Callable[[], Any]

# Each with what the next renewal is answered; None: nothing at all. What ends the binding by itself is done behind the
# services' backs, too: the short way must not rest on that.
CHANGES: dict[str, tuple[Change, int | None]] = {
    "another password": (lambda: directory.credential_rotate(peer=Peer.objects.get(), actor=ACTOR), 401),
    "password retired": (lambda: Credential.objects.update(valid_until=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)), 401),
    "password deleted": (lambda: Credential.objects.all().delete(), 401),
    "another user name": (lambda: Credential.objects.update(username="other"), 401),
    "peer disabled": (lambda: services.peer_update(peer=Peer.objects.get(), actor=ACTOR, enabled=False), 401),
    "peer disabled, bound": (lambda: Peer.objects.update(enabled=False), 401),
    "extension disabled": (
        lambda: services.extension_update(extension=Extension.objects.get(), actor=ACTOR, enabled=False), 401,
    ),
    "extension disabled, bound": (lambda: Extension.objects.update(enabled=False), 401),
    "peer deleted": (lambda: services.peer_delete(peer=Peer.objects.get(), actor=ACTOR), 401),
    "extension deleted": (
        lambda: services.extension_delete(extension=Extension.objects.get(), actor=ACTOR), 401,
    ),
    "renumbered": (lambda: (Extension.objects.update(number="1002"), Peer.objects.update(name="desk")), 403),
    "source blocked": (lambda: directory.source_block(network="203.0.113.0/24", actor=ACTOR), None),
    "domain deleted": (lambda: Domain.objects.update(name="example.org"), 404),
    "realm": (lambda: Domain.objects.update(realm="example.org"), 401),
    "algorithms": (lambda: Domain.objects.update(digest_order=DigestOrder.MD5_ONLY), 401),
}  # fmt: skip


@pytest.mark.parametrize("is_remembered", [False, True], ids=["read", "remembered"])
@pytest.mark.parametrize("change", CHANGES)
async def test_c99_after_a_change_the_next_renewal_is_judged_anew(
    quick: Quick, phone: Phone, change: str, is_remembered: bool
) -> None:
    await quick.renewed(phone)
    if is_remembered:
        await quick.renewed(phone)
        assert quick.counting.unread > 0
    else:
        quick.counting.lane.memory = Memory()
    before = await Binding.objects.all().values_list("refresh_count", flat=True).afirst()
    apply, status = CHANGES[change]

    await sync_to_async(apply)()
    data = phone.register()
    taken = quick.taken
    reply = await quick.send(phone, data)

    assert (reply.status if reply else None) == status
    assert quick.taken == taken
    assert await Binding.objects.all().values_list("refresh_count", flat=True).afirst() in {before, None}


POLICIES: dict[str, object] = {
    "min_expires_s": 90,
    "default_expires_s": 1800,
    "max_expires_s": 1800,
    "raise_brief": True,
    "strict_cseq": True,
    "outbound": False,
    "any_contact": True,
    "edge_proxies": "198.51.100.0/24",
    "service_routes": "<sip:p1.example.com;lr>",
    "digest_order": DigestOrder.MD5_FIRST,
}


async def test_after_any_change_of_the_domain_the_next_renewal_is_read_in_full(
    quick: Quick, phone: Phone
) -> None:
    for name, value in POLICIES.items():
        await quick.renewed(phone)
        taken = quick.taken
        await sync_to_async(directory.domain_update)(
            domain=await Domain.objects.aget(), actor=ACTOR, **{name: value}
        )

        reply = await quick.register(phone)

        assert (reply.status, quick.taken) == (200, taken), name
        routes = ["<sip:p1.example.com;lr>"] if (await Domain.objects.aget()).service_routes else []
        assert reply.values("Service-Route") == routes
    assert {name for name in POLICIES if not hasattr(Domain, name)} == set()


async def test_c63_the_limits_of_the_peer_are_those_of_now(quick: Quick, phone: Phone) -> None:
    await quick.renewed(phone, expires=600)
    granted = []

    for most in (1200, 300, 500, None):
        await Peer.objects.aupdate(max_expires_s=most)
        reply = await quick.register(phone, expires=600)
        granted.append(reply.contacts[0].partition("expires=")[2])
    await Peer.objects.aupdate(min_expires_s=900)
    brief = await quick.register(phone, expires=600)

    assert granted == ["600", "300", "500", "600"]
    assert (brief.status, brief.values("Min-Expires")) == (423, ["900"])


async def test_an_old_password_during_its_overlap_takes_the_ordinary_way_and_the_new_one_the_short(
    quick: Quick, phone: Phone, extension_1001: NewPeer
) -> None:
    await quick.renewed(phone)
    await sync_to_async(directory.credential_rotate)(
        peer=extension_1001.peer, password="k8-Fuchsbau-71", overlap=dt.timedelta(days=1), actor=ACTOR
    )
    taken = quick.taken

    old = await quick.register(phone)
    taken_with_old = quick.taken
    phone.password = "k8-Fuchsbau-71"
    new = await quick.register(phone)

    assert (old.status, new.status) == (200, 200)
    assert (taken_with_old, quick.taken) == (taken, taken + 1)


async def test_a_dropped_or_expired_binding_is_no_renewal(
    quick: Quick, phone: Phone, registrar: Registrar
) -> None:
    await quick.renewed(phone)
    dropped = await Binding.objects.aget()
    await sync_to_async(services.binding_drop)(binding=dropped, actor=ACTOR)
    taken = quick.taken

    again = await quick.register(phone)
    await aged(dt.timedelta(hours=2))
    expired = await quick.register(phone)

    assert (again.status, expired.status, quick.taken) == (200, 200, taken)
    assert (await Binding.objects.aget()).refresh_count == 0


@pytest.fixture
def sealed(settings: LazySettings) -> None:
    settings.CREDENTIAL_KEYS = (KEY,)


@pytest.mark.parametrize("algorithm", [Algorithm.MD5, Algorithm.SHA256])
async def test_c98_sealed_hashes_are_opened_for_a_renewal(
    sealed: None, quick: Quick, phone: Phone, algorithm: Algorithm
) -> None:
    phone.algorithm = algorithm

    reply = await quick.renewed(phone)

    assert reply.status == 200
    phone.password = "not it at all"
    assert (await quick.register(phone)).status == 401


async def test_c98_without_its_key_a_renewal_gets_503_as_everybody(
    sealed: None, quick: Quick, phone: Phone
) -> None:
    await quick.renewed(phone)
    taken = quick.taken
    quick.store.ha1_keys = Ha1Keys([OTHER_KEY])

    reply = await quick.register(phone)

    assert (reply.status, quick.taken) == (503, taken)


async def test_a_hash_in_clear_beside_the_key_lets_a_renewal_in(
    sealed: None, quick: Quick, phone: Phone
) -> None:
    clear = {column: ha1(each, "1001", "example.com", PASSWORD) for each, column in COLUMNS.items()}
    await Credential.objects.aupdate(**clear)

    assert (await quick.renewed(phone)).status == 200
