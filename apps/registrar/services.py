"""What the doors do to registrations: drop bindings, and switch phones off together with their bindings.

Each is one transaction with its audit row, its ledger events and its NOTIFY. Takes the locks the SIP workers take,
so that no REGISTER decided before the change is committed after it.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from apps.extensions import services as directory
from apps.extensions.audit import Actor, record
from apps.extensions.models import Credential, Extension, Peer
from apps.extensions.notices import REGISTRATIONS_CHANGED, payloads
from apps.registrar import sql
from apps.registrar.bindings import ChangeSet, StoredBinding, end_events
from apps.registrar.models import Binding
from apps.registrar.outcomes import EndReason
from apps.registrar.regevent.notify import notify_key
from apps.registrar.regevent.queue import PEER_ENDS, cause_of
from apps.registrar.regevent.sql import AORS_OF_SUBSCRIBERS, watcher_lock
from apps.registrar.regevent.store import NotifyQueue
from apps.registrar.regevent.values import EndOfSubscription
from apps.registrar.selectors import database_now
from apps.sip.uri import aor_of


@transaction.atomic
def extension_update(*, extension: Extension, actor: Actor, **fields: Any) -> Extension:
    """As extensions.services; a disabled extension's bindings end at once (C99)."""
    if fields.get("enabled") is False:
        _bindings_end(list(extension.peers.all()), EndReason.DISABLED)
    return directory.extension_update(extension=extension, actor=actor, **fields)


@transaction.atomic
def extension_delete(*, extension: Extension, actor: Actor) -> None:
    peers = list(extension.peers.all())
    _bindings_end(peers, EndReason.DELETED, ended_aors=_aors(peers))
    directory.extension_delete(extension=extension, actor=actor)


@transaction.atomic
def peer_update(*, peer: Peer, actor: Actor, **fields: Any) -> Peer:
    """As extensions.services; a disabled peer's bindings end at once, and so does what a peer may watch no more."""
    if fields.get("enabled") is False:
        _bindings_end([peer], EndReason.DISABLED)
    elif fields.get("may_watch") is False and peer.may_watch:
        _subscriptions_end(peer)
    return directory.peer_update(peer=peer, actor=actor, **fields)


@transaction.atomic
def peer_delete(*, peer: Peer, actor: Actor) -> None:
    own = {aor_of(peer.name, peer.domain.name)} - ({peer.extension.aor} if peer.extension else set())
    _bindings_end([peer], EndReason.DELETED, ended_aors=own)
    directory.peer_delete(peer=peer, actor=actor)


def binding_drop(*, binding: Binding, actor: Actor) -> None:
    bindings_drop(bindings=[binding], actor=actor)


@transaction.atomic
def bindings_drop(*, bindings: Iterable[Binding], actor: Actor) -> int:
    """Ends these bindings; how many of them were still there. The phone may register again."""
    wanted = {binding.binding_id: binding for binding in bindings}
    ended = _end(
        aors={binding.aor for binding in wanted.values()},
        peer_ids={binding.peer_id for binding in wanted.values()},
        reason=EndReason.DROPPED,
        chosen=lambda row: row.binding_id in wanted,
    )
    for row in ended:
        record(actor, "registration_drop", wanted[row.binding_id].peer, {"contact": row.contact})
    return len(ended)


def _bindings_end(peers: Sequence[Peer], reason: EndReason, ended_aors: Collection[str] = ()) -> None:
    """Ends all bindings of the peers, under every AOR they may have registered, and their subscriptions; those of
    others too to the AORs that are no more."""
    peer_ids = {peer.pk for peer in peers}
    _end(
        aors=_aors(peers),
        peer_ids=peer_ids,
        reason=reason,
        chosen=lambda row: True,
        ended_peers=dict.fromkeys(peer_ids, PEER_ENDS[reason]),
        ended_aors=ended_aors,
    )


def _subscriptions_end(peer: Peer) -> None:
    """All of them; the subscriber is told to ask again (RFC 6665 §4.1.3), and may then have its own."""
    ended = {peer.pk: EndOfSubscription.DEACTIVATED}
    with connection.cursor() as cursor:
        _lock(cursor, set(), ended)
        _queue().write_in_django(cursor, cause_of(ChangeSet(), ended_peers=ended), database_now())


def _aors(peers: Iterable[Peer]) -> set[str]:
    """Every AOR the peers may register."""
    users = {(peer.name, peer.domain.name) for peer in peers}
    users |= {(peer.extension.number, peer.domain.name) for peer in peers if peer.extension is not None}
    return {aor_of(user, domain) for user, domain in users}


def _lock(cursor: CursorWrapper, aors: set[str], subscribers: Collection[UUID]) -> None:
    """Locks the AORs and all that the subscribers watch; until commit they can watch nothing else."""

    def watched() -> set[str]:
        if not subscribers:
            return set()
        cursor.execute(AORS_OF_SUBSCRIBERS, {"peer_ids": list(subscribers)})
        return {row[0] for row in cursor.fetchall()}

    names = Credential.objects.filter(peer__in=subscribers).values_list("domain_id", "username")
    held: set[str] = set()
    wanted = aors | {watcher_lock(*name) for name in names} | watched()
    # More than once only if a SUBSCRIBE came between the reading and the lock.
    while missing := wanted - held:
        cursor.execute(sql.LOCK_AORS, {"keys": sql.lock_keys(missing)})
        held |= missing
        wanted = watched()


def _queue() -> NotifyQueue:
    return NotifyQueue(notify_key(settings.SECRET_KEY), uuid4)


def _end(
    *,
    aors: set[str],
    peer_ids: set[UUID],
    reason: EndReason,
    chosen: Callable[[StoredBinding], bool],
    ended_peers: Mapping[UUID, EndOfSubscription] | None = None,
    ended_aors: Collection[str] = (),
) -> list[StoredBinding]:
    with connection.cursor() as cursor:
        _lock(cursor, aors, ended_peers or {})
        cursor.execute(sql.BINDINGS_OF_PEERS, {"peer_ids": list(peer_ids)})
        found = [StoredBinding(*row) for row in cursor.fetchall()]
        ended = [row for row in found if chosen(row)]
        now = database_now()
        changes = _end_all(ended, reason, now)
        for statement, params in sql.write_statements(changes):
            cursor.execute(statement, params)
        _queue().write_in_django(cursor, cause_of(changes, (), ended_peers, ended_aors), now)
        for payload in payloads({row.peer_id for row in ended}):
            cursor.execute(sql.NOTIFY, {"channel": REGISTRATIONS_CHANGED, "payload": payload})
    return ended


def _end_all(ended: list[StoredBinding], reason: EndReason, now: dt.datetime) -> ChangeSet:
    """One that had expired already did not end by us."""
    changes = ChangeSet(deletes=ended)
    for row in ended:
        changes.events += end_events(row, reason if row.expires_at > now else EndReason.EXPIRED, now)
    return changes
