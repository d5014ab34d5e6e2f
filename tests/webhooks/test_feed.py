"""The feed: every event of the ledger once, in one order, whenever it was committed; and every change of state."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from apps.extensions.audit import Actor
from apps.extensions.models import Peer
from apps.registrar.services import peer_delete, peer_update
from apps.webhooks import feed, sql
from apps.webhooks.models import FeedEvent, FeedProgress, StateChange
from tests.webhooks.conftest import NO_REST, Connection, event_of, fed, write

Connect = Callable[[], Connection]


def test_what_is_committed_late_is_told_though_a_later_one_was_told_before(
    peer: Peer, connect: Connect
) -> None:
    early, late = connect(), connect()
    write(early, event_of(peer, reason="written first"))
    write(late, event_of(peer, reason="written second"))

    late.commit()
    first = fed()
    early.commit()
    second = fed(after=first[-1]["id"])

    assert [event["reason"] for event in first] == ["written second"]
    assert [event["reason"] for event in second] == ["written first"]
    assert first[0]["event_id"] > second[0]["event_id"]
    assert fed(after=second[-1]["id"]) == []


def test_a_transaction_without_end_holds_nobody_up(peer: Peer, connect: Connect) -> None:
    endless, worker = connect(), connect()
    write(endless, event_of(peer, reason="never committed"))
    for number in range(3):
        write(worker, event_of(peer, reason=str(number)))
        worker.commit()
        assert [event["reason"] for event in fed()] == [str(n) for n in range(number + 1)]
    endless.rollback()

    assert len(fed()) == 3


def test_a_feeder_that_dies_before_its_commit_loses_nothing(peer: Peer, connect: Connect) -> None:
    worker = connect()
    write(worker, event_of(peer))
    worker.commit()

    with transaction.atomic():
        feed.feed_update(NO_REST)
        assert FeedEvent.objects.count() == 1
        transaction.set_rollback(True)

    assert FeedEvent.objects.count() == 0
    assert len(fed()) == 1


def test_an_event_says_what_the_ledger_does(peer: Peer, connect: Connect) -> None:
    worker = connect()
    write(worker, event_of(peer, "refused", reason="wrong_password", count=4))
    worker.commit()

    (event,) = fed()

    assert list(event)[:3] == ["id", "type", "at"]
    assert event["at"].endswith("Z")
    told = {"type": "refused", "reason": "wrong_password", "count": 4, "received_addr": "203.0.113.9"}
    assert told.items() <= event.items()
    assert (event["peer"], event["extension"], event["domain"]) == ("1001", "1001", "example.com")


def test_who_is_deleted_is_told_under_its_address(peer: Peer, connect: Connect, actor: Actor) -> None:
    worker = connect()
    write(worker, event_of(peer, "deactivated", reason="deleted"))
    worker.commit()
    peer_delete(peer=peer, actor=actor)

    (event,) = fed(domain="example.com", extension="1001")

    assert (event["aor"], event["peer"]) == ("sip:1001@example.com", None)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, 2),
        ({"types": ("expired",)}, 1),
        ({"domain": "example.org"}, 0),
        ({"extension": "1001"}, 2),
        ({"extension": "100"}, 0),
    ],
)
def test_filters(peer: Peer, connect: Connect, wanted: dict[str, Any], found: int) -> None:
    worker = connect()
    write(worker, event_of(peer), event_of(peer, "expired"))
    worker.commit()

    assert len(fed(**wanted)) == found


def test_a_restored_dump_counts_transactions_anew_and_goes_on(peer: Peer, connect: Connect) -> None:
    worker = connect()
    write(worker, event_of(peer, reason="told before the dump"))
    worker.commit()
    told = fed()[-1]["id"]
    write(worker, event_of(peer, reason="not told before the dump"))
    # The numbers of another cluster are far ahead of this one's.
    worker.execute("UPDATE registrar_registrationevent SET tx = '900000000000'")
    worker.commit()
    FeedProgress.objects.update(snapshot="900000000001:900000000001:")

    feed.feed_update(NO_REST)

    assert [event["reason"] for event in fed(after=told)] == ["not told before the dump"]


def test_a_change_of_state_is_told_once_with_both_states(
    peer: Peer, actor: Actor, transactional_db: None
) -> None:
    fed()
    overview_update()
    fed()
    peer_update(peer=peer, actor=actor, enabled=False)
    overview_update()
    overview_update()

    (event,) = fed(types=("state_changed",))

    assert (event["old_state"], event["state"], event["peer"]) == ("never_registered", "disabled", "1001")
    assert StateChange.objects.count() == 0


def test_nothing_is_gathered_while_nobody_reads(peer: Peer, actor: Actor, transactional_db: None) -> None:
    overview_update()
    peer_update(peer=peer, actor=actor, enabled=False)
    overview_update()

    assert StateChange.objects.count() == 0


def test_what_is_older_than_a_week_goes(peer: Peer, connect: Connect) -> None:
    worker = connect()
    write(worker, event_of(peer), event_of(peer))
    worker.commit()
    first, second = (event["id"] for event in fed())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE webhooks_feedevent SET at = at - interval '8 days' WHERE id = %s", [first])

    feed.forget_old()

    assert [event["id"] for event in fed()] == [second]


def test_the_ledger_is_read_by_the_index_of_transactions(peer: Peer, connect: Connect) -> None:
    worker = connect()
    worker.execute(
        """INSERT INTO registrar_registrationevent (at, last_at, event, reason, aor, contact, user_agent, count)
        SELECT now(), now(), 'registered', 'ok', 'sip:1@example.com', '', '', 1 FROM generate_series(1, 5000)"""
    )
    worker.commit()
    worker.execute("ANALYZE registrar_registrationevent")
    worker.commit()
    feed.feed_update(NO_REST)
    row = worker.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()
    assert row is not None

    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + sql.FEED, {"begun": row[0], "under_way": [row[0]]})
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "_tx_idx" in plan


def overview_update() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT registrar_overview_catch_up(1000, 0, '0')")
