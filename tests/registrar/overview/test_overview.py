"""The overview follows what happens: at once where it is told, in time where time alone tells, and for sure."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from channels.db import database_sync_to_async
from django.db import connection
from django.utils import timezone

from apps.extensions.audit import Actor
from apps.extensions.models import Extension, Peer
from apps.extensions.services import NewPeer, extension_create
from apps.registrar import selectors
from apps.registrar.models import Binding, PeerActivity
from apps.registrar.models import RegistrationEvent as Event
from apps.registrar.overview.buckets import ALL, bucket_of, needs_attention, rank_of, state_of
from apps.registrar.overview.keeper import keep_overview
from apps.registrar.overview.listing import catch_up, counts
from apps.registrar.overview.models import Overview, OverviewCount, OverviewText
from apps.registrar.overview.models import OverviewProgress as Progress
from apps.registrar.services import extension_delete, extension_update
from apps.registrar.states import PeerState
from tests.registrar.conftest import Registrar
from tests.registrar.phone import Phone

pytestmark = pytest.mark.django_db(transaction=True)

ONLINE = bucket_of(PeerState.ONLINE, needs_attention=False)
OFFLINE = bucket_of(PeerState.OFFLINE, needs_attention=False)
NEVER = bucket_of(PeerState.NEVER_REGISTERED, needs_attention=False)
DISABLED = bucket_of(PeerState.DISABLED, needs_attention=False)
MINUTE = dt.timedelta(minutes=1)


def run(*, passing: int = 0, most: int = 500) -> int:
    """As a worker's round."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT registrar_overview_catch_up(%s, %s, '1 microsecond')", [most, passing])
        return int(cursor.fetchone()[0])


def buckets() -> dict[str, int]:
    return dict(Overview.objects.values_list("number", "bucket"))


def counted() -> dict[int, int]:
    """The kept counts, which are what counting finds."""
    kept = {bucket: peers for bucket, (peers, _) in counts().items() if peers}
    found: dict[int, int] = {}
    for bucket in Overview.objects.values_list("bucket", flat=True):
        found[bucket] = found.get(bucket, 0) + 1
    assert kept == found
    return kept


def bind(peer: Peer, **facts: Any) -> Binding:
    now = timezone.now()
    given: dict[str, Any] = {
        "contact": "sip:1001@192.0.2.1",
        "registered_at": now - 2 * MINUTE,
        "refreshed_at": now - MINUTE,
        "expires_at": now + 60 * MINUTE,
        **facts,
    }
    PeerActivity.objects.update_or_create(peer=peer, defaults={"registered_at": given["registered_at"]})
    return Binding.objects.create(
        aor="sip:1001@example.com",
        binding_key=given["contact"],
        peer=peer,
        extension=peer.extension,
        received_addr="203.0.113.7",
        received_port=5060,
        transport="UDP",
        call_id="a",
        cseq=1,
        **given,
    )


def tell(peer: Peer, number: int = 1, **facts: Any) -> None:
    """An event of the peer in the ledger."""
    at = facts.pop("at", timezone.now())
    given = {"at": at, "last_at": at, "event": "registered", "reason": "ok", **facts}
    Event.objects.create(event_id=number, aor="sip:1001@example.com", peer_id=peer.pk, **given)


@pytest.fixture
def peer(extension_1001: NewPeer) -> Peer:
    run()
    return extension_1001.peer


def test_a_new_extension_is_there_as_soon_as_somebody_looks(extension_1001: NewPeer) -> None:
    catch_up()
    assert buckets() == {"1001": NEVER}
    assert counted() == {NEVER: 1}


def test_what_the_directory_changes_is_seen(peer: Peer, actor: Actor) -> None:
    assert peer.extension is not None
    extension_update(extension=peer.extension, enabled=False, display_name="Zoë", actor=actor)
    catch_up()
    assert buckets() == {"1001": DISABLED}
    assert OverviewText.objects.get(peer=peer).text.endswith("zoë")


def test_a_deleted_extension_is_gone(peer: Peer, actor: Actor) -> None:
    extension_delete(extension=Extension.objects.get(), actor=actor)
    catch_up()
    assert (buckets(), counted(), OverviewText.objects.exists()) == ({}, {}, False)


async def test_a_registration_and_its_end_are_seen(registrar: Registrar, phone: Phone) -> None:
    steps = []
    for expires in (600, 0):
        await registrar.register(phone, expires=expires)
        await database_sync_to_async(run)()
        steps.append(await database_sync_to_async(buckets)())
    assert steps == [{"1001": ONLINE}, {"1001": OFFLINE}]
    assert await database_sync_to_async(counted)() == {OFFLINE: 1}


async def test_a_refresh_is_nothing_to_look_at(registrar: Registrar, phone: Phone) -> None:
    await registrar.register(phone, expires=600)
    await database_sync_to_async(run)()
    await database_sync_to_async(Progress.objects.update)(settled_until=timezone.now())
    await registrar.register(phone, expires=600)
    assert await database_sync_to_async(run)() == 0


def test_an_expiry_is_seen_without_any_event(peer: Peer) -> None:
    binding = bind(peer)
    tell(peer)
    run()
    assert buckets() == {"1001": ONLINE}
    Binding.objects.filter(binding_id=binding.binding_id).update(expires_at=timezone.now())
    Overview.objects.update(check_at=timezone.now())
    run()
    assert buckets() == {"1001": OFFLINE}


def test_the_next_look_is_a_minute_before_the_expiry_and_not_after_a_renewal_is_late(peer: Peer) -> None:
    binding = bind(peer)
    tell(peer)
    run()
    assert Overview.objects.get().check_at == binding.expires_at - MINUTE
    late_at = timezone.now() + 5 * MINUTE
    Binding.objects.update(late_at=late_at)
    tell(peer, 2)
    run()
    assert Overview.objects.get().check_at == late_at


def test_an_event_that_is_committed_late_is_seen(peer: Peer) -> None:
    Progress.objects.update(settled_until=timezone.now() - MINUTE)
    bind(peer)
    tell(peer, at=timezone.now() - MINUTE / 2)
    run()
    assert buckets() == {"1001": ONLINE}


def test_what_was_looked_at_is_not_looked_at_again(peer: Peer) -> None:
    bind(peer)
    tell(peer)
    assert (run(), run(), run()) == (1, 0, 0)


def test_an_event_that_is_committed_after_later_ones_is_seen(peer: Peer) -> None:
    bind(peer)
    tell(peer, at=timezone.now())
    run()
    tell(peer, 2, at=timezone.now() - MINUTE / 20)
    assert (run(), run()) == (1, 0)


def test_what_is_more_than_one_look_takes_is_looked_at_in_the_next(peer: Peer) -> None:
    bind(peer)
    for number in (1, 2, 3):
        tell(peer, number, at=timezone.now() - MINUTE / 30 / number)
    looks = []
    for _ in range(4):
        Overview.objects.all().delete()
        run(most=1)
        looks.append(Overview.objects.exists())
    assert looks == [True, True, True, False]


def test_a_refusal_that_counts_up_an_old_row_is_seen(peer: Peer) -> None:
    refused_at = timezone.now()
    PeerActivity.objects.create(peer=peer, refused_at=refused_at, refused_reason="wrong_password")
    begun = refused_at - MINUTE / 2
    Progress.objects.update(read_until=refused_at, settled_until=refused_at - MINUTE / 6)
    tell(peer, at=begun, last_at=refused_at, event="refused", reason="wrong_password", count=2)
    run()
    assert buckets() == {"1001": bucket_of(PeerState.REFUSED, needs_attention=True)}


def test_a_challenge_that_nobody_answered_is_seen_though_it_is_written_later(peer: Peer) -> None:
    asked_at = timezone.now() - MINUTE / 4
    PeerActivity.objects.create(peer=peer, unanswered_at=asked_at, unanswered_reason="challenge_unheard")
    tell(peer, at=asked_at, event="unanswered", reason="challenge_unheard")
    run()
    assert buckets() == {"1001": bucket_of(PeerState.NEVER_REGISTERED, needs_attention=True)}


def test_who_is_late_is_looked_at_again_soon_and_then_less_often(peer: Peer) -> None:
    bind(peer, late_at=timezone.now() - MINUTE / 2)
    tell(peer)
    run()
    assert buckets() == {"1001": bucket_of(PeerState.LATE, needs_attention=True)}
    check_at = Overview.objects.get().check_at
    assert check_at is not None
    assert check_at < timezone.now() + MINUTE / 5
    Binding.objects.update(late_at=timezone.now() - 10 * MINUTE)
    tell(peer, 2)
    run()
    check_at = Overview.objects.get().check_at
    assert check_at is not None
    assert check_at > timezone.now() + MINUTE / 2


def test_the_pass_finds_what_nobody_told(peer: Peer) -> None:
    bind(peer)
    stranger = UUID(int=7)
    Overview.objects.create(
        peer_id=stranger, bucket=ONLINE, number_length=1, number="7", name="7", contacts=1
    )
    OverviewCount.objects.update_or_create(bucket=ONLINE, defaults={"peers": 5, "contacts": 5})
    run(passing=100)
    assert buckets() == {"1001": ONLINE}
    assert counted() == {ONLINE: 1}


def test_the_pass_goes_on_where_it_was(peer: Peer, actor: Actor) -> None:
    for number in range(1002, 1010):
        extension_create(domain=peer.domain, number=str(number), actor=actor)
    run()
    for each in Peer.objects.all():
        PeerActivity.objects.create(peer=each, registered_at=timezone.now())
    seen = []
    for _ in range(4):
        run(passing=3)
        seen.append(list(buckets().values()).count(OFFLINE))
    assert seen == [3, 6, 9, 9]


def test_a_second_look_changes_no_count(peer: Peer) -> None:
    bind(peer)
    for number in (1, 2, 3):
        tell(peer, number)
        run(passing=10)
    assert counted() == {ONLINE: 1}
    assert counts()[ONLINE] == (1, 1)


async def test_a_worker_leaves_it_to_another_that_is_at_it(registrar: Registrar, peer: Peer) -> None:
    async with registrar.store.pool.connection() as one, registrar.store.pool.connection() as other:
        async with one.transaction():
            await one.execute("SELECT pg_advisory_xact_lock(x'6f76657276696577'::bigint)")
            assert await keep_overview(other, is_behind=True) is False
            await database_sync_to_async(catch_up)()  # a page waits a moment, and shows what there is
        await keep_overview(other, is_behind=True)


def test_counters_are_the_sums_of_the_buckets(peer: Peer, actor: Actor) -> None:
    bind(peer)
    extension_create(domain=peer.domain, number="1002", actor=actor)
    tell(peer)
    run()
    counters = selectors.counters()
    assert (counters.online, counters.never_registered, counters.total) == (1, 1, 2)


@pytest.mark.parametrize("bucket", ALL)
def test_a_bucket_has_the_rank_the_view_gives(
    bucket: int, peer: Peer, look: Callable[[PeerState, bool], int]
) -> None:
    assert bucket_of(state_of(bucket), needs_attention=needs_attention(bucket)) == bucket
    rank = look(state_of(bucket), needs_attention(bucket))
    assert rank == rank_of(bucket)


@pytest.fixture
def look() -> Callable[[PeerState, bool], int]:
    """The view's own words for the rank, of a state."""

    def ranked(state: PeerState, in_need: bool) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_viewdef('registrar_standing')")
            definition = cursor.fetchone()[0]
            case = definition[definition.index("CASE") : definition.index("AS state_rank")]
            live = state in {PeerState.ONLINE, PeerState.LATE, PeerState.UNREACHABLE}
            cursor.execute(
                f"SELECT {case} FROM (SELECT %s::text AS state, %s AS attention, %s AS is_live) AS judged",
                [state.value, "x" if in_need else "", live],
            )
            return int(cursor.fetchone()[0])

    return ranked
