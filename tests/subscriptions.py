"""Rows of RegSubscription as the SIP workers write them, for the doors that show them."""

import datetime as dt
import uuid
from typing import Any

from django.utils import timezone

from apps.extensions.models import Peer
from apps.registrar.regevent.models import PendingNotify, RegSubscription


def subscription(peer: Peer, aor: str, **fields: Any) -> RegSubscription:
    """A live one, whose first NOTIFY is answered."""
    now = timezone.now()
    facts: dict[str, Any] = {
        "call_id": "dialog-1",
        "local_tag": "ours",
        "remote_tag": "theirs",
        "local_uri": aor,
        "remote_uri": f"sip:{peer.name}@example.com",
        "target": f"sip:{peer.name}@192.0.2.1:5060",
        "sent_by": "192.0.2.9:5060",
        "remote_cseq": 1,
        "cseq": 1,
        "version": 1,
        "expires_at": now + dt.timedelta(seconds=600),
        "notified_at": now,
        "host": "203.0.113.9",
        "port": 5062,
        "transport": "UDP",
    }
    return RegSubscription.objects.create(
        subscription_id=uuid.uuid4(), aor=aor, peer_id=peer.pk, **(facts | fields)
    )


def pending(row: RegSubscription, attempts: int) -> PendingNotify:
    """Its last NOTIFY, sent so often and not answered yet."""
    now = timezone.now()
    return PendingNotify.objects.create(
        branch=f"z9hG4bK{row.subscription_id.hex}",
        subscription_id=row.subscription_id,
        cseq=row.cseq,
        data=b"NOTIFY",
        host=row.host,
        port=row.port,
        transport=row.transport,
        next_at=now,
        give_up_at=now + dt.timedelta(seconds=32),
        attempts=attempts,
    )
