"""Turns expired bindings into ledger events and tidies what time has passed by.

Nobody waits for it: an expired binding is offline for every reader already. Any number of workers may sweep at once;
the lock of each AOR makes an expiry one event.
"""

from typing import Final
from uuid import UUID

from apps.registrar import sql
from apps.registrar.bindings import end_event
from apps.registrar.outcomes import EndReason
from apps.registrar.store import Store

MOST_PER_SWEEP: Final = 500


async def sweep(store: Store) -> tuple[set[UUID], bool]:
    """One bounded sweep: the peers whose bindings ended, and whether there may be more."""
    aors = await store.aors_with_expired(MOST_PER_SWEEP)
    if not aors:
        return set(), False
    async with store.batch(aors=aors, claims=(), nonces=()) as batch:
        now = batch.snapshot.now
        for bindings in batch.snapshot.bindings.values():
            expired = [binding for binding in bindings if binding.expires_at <= now]
            batch.changes.deletes.extend(expired)
            batch.changes.events.extend(end_event(binding, EndReason.EXPIRED, now) for binding in expired)
    return batch.changes.changed_peers(), len(aors) >= MOST_PER_SWEEP // 2


async def tidy(store: Store) -> None:
    """Removes nonces nobody can use any more and heartbeats of workers long gone."""
    await store.execute(sql.DELETE_OLD_NONCES)
    await store.execute(sql.DELETE_OLD_HEARTBEATS)
