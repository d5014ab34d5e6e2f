"""Turns expired bindings into ledger events and tidies what time has passed by.

Nobody waits for it: an expired binding is offline for every reader already. Any number of workers may sweep at once;
the lock of each AOR makes an expiry one event.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from apps.registrar import sql
from apps.registrar.bindings import Event, StoredBinding, end_events
from apps.registrar.outcomes import EndReason
from apps.registrar.regevent.sql import END_FLOWS as END_SUBSCRIPTIONS_OF_FLOWS
from apps.registrar.sightings.flush import tidy_strangers
from apps.registrar.store import Store

MOST_PER_SWEEP: Final = 500
# Several missed heartbeats: a worker that only was slow must not lose its phones.
WORKER_GOOD_FOR: Final = timedelta(seconds=10)


async def sweep(store: Store) -> tuple[set[UUID], bool]:
    """One bounded sweep: the peers whose bindings ended, and whether there may be more."""
    some_put_off = await store.put_off_due(MOST_PER_SWEEP) >= MOST_PER_SWEEP
    aors = await store.aors_with_expired(MOST_PER_SWEEP)
    if not aors:
        return set(), some_put_off
    async with store.batch(aors=aors, claims=(), nonces=()) as batch:
        now = batch.snapshot.now
        for bindings in batch.snapshot.bindings.values():
            expired = [binding for binding in bindings if binding.expires_at <= now]
            batch.changes.deletes.extend(expired)
            for binding in expired:
                batch.changes.events += end_events(binding, EndReason.EXPIRED, now)
    return batch.changes.changed_peers(), some_put_off or len(aors) >= MOST_PER_SWEEP // 2


async def end_flows(store: Store, flows: Iterable[str]) -> set[UUID]:
    """Ends the subscriptions and bindings of connections that are gone, the latter in one transaction: the peers
    concerned.

    One that came over another connection meanwhile stays: it is looked at again under its AOR's lock.
    """
    closed = frozenset(flows)
    if closed:
        await store.execute(END_SUBSCRIPTIONS_OF_FLOWS, {"flows": list(closed)})
    aors = await store.aors_of_flows(closed)
    if not aors:
        return set()
    async with store.batch(aors=aors, claims=(), nonces=()) as batch:
        now = batch.snapshot.now
        for bindings in batch.snapshot.bindings.values():
            ended = [binding for binding in bindings if binding.flow in closed]
            batch.changes.deletes.extend(ended)
            for binding in ended:
                batch.changes.events += _flow_end(binding, now)
    return batch.changes.changed_peers()


async def end_flows_of_dead_workers(store: Store) -> set[UUID]:
    """As end_flows, for connections whose worker no longer beats; at most MOST_PER_SWEEP of them."""
    return await end_flows(store, await store.flows_of_dead_workers(WORKER_GOOD_FOR, MOST_PER_SWEEP))


async def tidy(store: Store) -> None:
    """Removes nonces nobody can use any more, passwords nobody need recognise, heartbeats of workers long gone and
    strangers unseen for longest."""
    await store.execute(sql.DELETE_OLD_NONCES)
    await store.execute(sql.DELETE_OLD_CREDENTIALS)
    await store.execute(sql.DELETE_OLD_HEARTBEATS)
    await tidy_strangers(store)


def _flow_end(binding: StoredBinding, now: datetime) -> tuple[Event, ...]:
    """One that had expired already did not end by its connection."""
    return end_events(binding, EndReason.FLOW_CLOSED if binding.expires_at > now else EndReason.EXPIRED, now)
