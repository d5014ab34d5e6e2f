"""Switching a peer's trace on and off: one transaction each, with its audit row. The SIP workers look soon."""

import datetime as dt
from typing import Final

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from apps.extensions.audit import Actor, record
from apps.extensions.models import Peer
from apps.extensions.notices import notify_directory_changed
from apps.registrar.selectors import database_now
from apps.registrar.trace import sql
from apps.registrar.trace.models import Trace, TracedMessage

SHORTEST_MIN: Final = 5
LONGEST_MIN: Final = 24 * 60
DEFAULT_MIN: Final = 30
MOST_TRACES: Final = 20


@transaction.atomic
def trace_start(*, peer: Peer, actor: Actor, minutes: int = DEFAULT_MIN) -> Trace:
    """Records the peer's messages for so long. What an earlier trace brought goes; one that is on goes on until then.

    Raises ValidationError on `minutes`, or when MOST_TRACES other peers are traced.
    """
    if not SHORTEST_MIN <= minutes <= LONGEST_MIN:
        raise ValidationError({"minutes": f"Give {SHORTEST_MIN} to {LONGEST_MIN} minutes."})
    with connection.cursor() as cursor:
        cursor.execute(sql.LOCK_TRACES)
    now = database_now()
    running = Trace.objects.filter(until__gt=now)
    until = now + dt.timedelta(minutes=minutes)
    record(actor, "trace_start", peer, {"minutes": minutes})
    notify_directory_changed([peer.pk])
    if running.filter(pk=peer.pk).update(until=until):
        return Trace.objects.get(pk=peer.pk)
    if running.count() >= MOST_TRACES:
        problem = f"{MOST_TRACES} SIP peers are traced already. Stop one of them first."
        raise ValidationError(ValidationError(problem, code="too_many_traces"))
    TracedMessage.objects.filter(trace_id=peer.pk).delete()
    facts = {"started_by": actor.name, "started_at": now, "until": until}
    trace, _ = Trace.objects.update_or_create(peer=peer, defaults=facts)
    return trace


@transaction.atomic
def trace_stop(*, peer: Peer, actor: Actor) -> bool:
    """Ends the peer's trace now; False if none was on. What it brought stays for a day."""
    now = database_now()
    if not Trace.objects.filter(pk=peer.pk, until__gt=now).update(until=now):
        return False
    record(actor, "trace_stop", peer)
    notify_directory_changed([peer.pk])
    return True
