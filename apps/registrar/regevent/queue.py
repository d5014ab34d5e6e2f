"""Which NOTIFYs a transaction causes: full state to who subscribed, partial state to who hears of a change. Pure.

Must not send: the rows leave with the transaction, sender.py does the rest. Takes the bindings as they are after it.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from apps.registrar.bindings import ChangeSet, StoredBinding
from apps.registrar.outcomes import EndReason
from apps.registrar.regevent.notify import build_notify, make_branch
from apps.registrar.regevent.reginfo import ContactChange, contact_changes, full_state, partial_state
from apps.registrar.regevent.values import EndOfSubscription, Notification, Subscribed, Subscription, Taken

# RFC 3680 §4.10: no more often than this to one subscriber, unless he asks.
NOTIFY_EVERY: Final = dt.timedelta(seconds=5)

# A peer that may not register any more is not told of registrations either.
PEER_ENDS: Final[dict[str, EndOfSubscription]] = {
    EndReason.DISABLED: EndOfSubscription.REJECTED,
    EndReason.DELETED: EndOfSubscription.NORESOURCE,
}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why NOTIFYs are due: what changed, whom a SUBSCRIBE or the time made due, the peers that may hear no more, and
    the AORs that are no more."""

    changes: Mapping[str, Sequence[ContactChange]] = field(default_factory=dict)
    told: Sequence[Subscribed] = ()
    ended_peers: Mapping[UUID, EndOfSubscription] = field(default_factory=dict)
    ended_aors: Collection[str] = ()

    def __bool__(self) -> bool:
        return bool(self.changes or self.told or self.ended_peers or self.ended_aors)


def cause_of(
    changes: ChangeSet,
    told: Iterable[Subscribed] = (),
    ended_peers: Mapping[UUID, EndOfSubscription] | None = None,
    ended_aors: Collection[str] = (),
) -> Cause:
    """What a change set and SUBSCRIBEs cause; false where it is nothing, as with every refresh."""
    last = {one.subscription.subscription_id: one for one in told}
    return Cause(contact_changes(changes), tuple(last.values()), ended_peers or {}, ended_aors)


def notifications(
    cause: Cause,
    taken: Sequence[Taken],
    bindings: Mapping[str, Sequence[StoredBinding]],
    now: dt.datetime,
    key: bytes,
    new_id: Callable[[], UUID],
) -> list[Notification]:
    """One NOTIFY at most for each subscription; `taken` are the stored ones concerned, as TAKE_SUBSCRIPTIONS
    reads them; `bindings` those of their AORs after the change."""
    writer = _Writer(cause, bindings, now, key, new_id)
    waiting = {one.subscription.subscription_id: one.waiting_since for one in taken}
    written = [writer.told(one, waiting.get(one.subscription.subscription_id)) for one in cause.told]
    told = {one.subscription.subscription_id for one in cause.told}
    return written + [writer.changed(one) for one in taken if one.subscription.subscription_id not in told]


@dataclass(frozen=True, slots=True)
class _Writer:
    cause: Cause
    bindings: Mapping[str, Sequence[StoredBinding]]
    now: dt.datetime
    key: bytes
    new_id: Callable[[], UUID]

    def told(self, one: Subscribed, waiting_since: dt.datetime | None) -> Notification:
        """At once, and everything (RFC 6665 §4.2.1.2)."""
        return self._notification(
            one.subscription, one.end, self.now, full=True, replaces=waiting_since is not None
        )

    def changed(self, one: Taken) -> Notification:
        """When the last is NOTIFY_EVERY ago; everything if it takes the place of one that was never sent."""
        subscription, waiting_since = one.subscription, one.waiting_since
        end = self.cause.ended_peers.get(subscription.peer_id)
        if subscription.aor in self.cause.ended_aors:
            end = EndOfSubscription.NORESOURCE
        if end is None and subscription.expires_at <= self.now:
            end = EndOfSubscription.TIMEOUT
        at = max(self.now, subscription.notified_at + NOTIFY_EVERY) if end is None else self.now
        if waiting_since is not None:
            at = min(at, max(self.now, waiting_since))
        replaces = waiting_since is not None
        return self._notification(
            subscription, end, at, full=replaces or not self._changes(subscription), replaces=replaces
        )

    def _notification(
        self,
        before: Subscription,
        end: EndOfSubscription | None,
        at: dt.datetime,
        *,
        full: bool,
        replaces: bool,
    ) -> Notification:
        # The one it replaces was never sent: its version is still to be told, its CSeq may stay a gap.
        version = before.version - 1 if replaces else before.version
        subscription = replace(before, cseq=before.cseq + 1, version=version + 1, notified_at=at)
        branch = make_branch(self.key, self.new_id(), subscription.way.host)
        body = self._body(subscription, version, full=full)
        data = build_notify(subscription, branch, end, body, self.now)
        return Notification(subscription, end, branch, data, at)

    def _body(self, subscription: Subscription, version: int, *, full: bool) -> bytes:
        live = [row for row in self.bindings.get(subscription.aor, ()) if row.expires_at > self.now]
        document = full_state if full else partial_state
        return document(subscription.aor, live, self._changes(subscription), version, self.now)

    def _changes(self, subscription: Subscription) -> Sequence[ContactChange]:
        return self.cause.changes.get(subscription.aor, ())
