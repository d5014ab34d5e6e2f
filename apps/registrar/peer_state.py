"""Which state a peer is in, and what about it needs attention: annotations that PostgreSQL computes at each read.

`attention` is the code of a finding that a row can rest on (apps.diagnosis tells it in full), "" when nothing is wrong.
Must not page, search or count: that is selectors.py.
"""

import datetime as dt
from typing import Any, Final

from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Count,
    DateTimeField,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Greatest, Now

from apps.extensions.models import Peer
from apps.registrar.models import Binding, Probe, ProbeState, Stranger
from apps.registrar.states import PeerState

# So many changes of address in an hour are no roaming.
MOVES_TOO_MANY: Final = 6
MOVES_COUNT_FOR: Final = dt.timedelta(hours=1)
STRANGERS_COUNT_FOR: Final = dt.timedelta(hours=1)
NEW_NETWORK_COUNTS_FOR: Final = dt.timedelta(hours=24)
# Who tries more names than this from one address looks for any name: a scanner, not a typing error.
NAMES_OF_A_TYPIST: Final = 3

# Why a stranger was refused -> the finding about the peer it seems to mean.
STRANGER_FINDINGS: Final = {
    "unknown_user": "typo_user",
    "not_our_domain": "wrong_domain",
    "wrong_realm": "wrong_realm",
    "malformed": "malformed",
    "blocked_source": "blocked_source",
}


def with_state(peers: QuerySet[Peer]) -> QuerySet[Peer]:
    """Annotated with state, state_rank, attention, online_since, first_expires_at, last_expiry, received_addr,
    refused_since_success."""
    own = Binding.objects.filter(peer_id=OuterRef("pk"))
    live = own.filter(expires_at__gt=Now())
    probed_in_vain = Probe.objects.filter(binding_id=OuterRef("binding_id"), state=ProbeState.UNREACHABLE)
    on_time = Q(late_at__isnull=True) | Q(late_at__gt=Now())
    facts = peers.annotate(
        is_live=Exists(live),
        is_well=Exists(live.filter(on_time).exclude(Exists(probed_in_vain))),
        is_unreachable=Exists(live.filter(Exists(probed_in_vain))),
        online_since=_one(live, Min("registered_at")),
        first_expires_at=_one(live, Min("expires_at")),
        last_refresh=_one(live, Max("refreshed_at")),
        last_expiry=_one(own.filter(expires_at__lte=Now()), Max("expires_at")),
        received_addr=F("activity__received_addr"),
        stranger=_stranger(),
    ).annotate(refused_since_success=_refused_since_success())
    return facts.annotate(state=_state()).annotate(attention=_attention()).annotate(state_rank=_state_rank())


NEEDS_ATTENTION: Final = ~Q(attention="")


def _one(bindings: QuerySet[Binding], aggregate: Max | Min) -> Subquery:
    values = bindings.order_by().values("peer_id").annotate(one=aggregate).values("one")
    return Subquery(values, output_field=DateTimeField())


def _stranger() -> Subquery:
    """Why somebody who seems to mean the peer was refused last, "" for nobody."""
    same_place = Stranger.objects.filter(received_addr=OuterRef("received_addr")).order_by()
    names = same_place.values("received_addr").annotate(names=Count("username", distinct=True))
    meaning_it = Stranger.objects.filter(
        meant_peer_id=OuterRef("pk"), last_at__gt=Now() - STRANGERS_COUNT_FOR
    ).annotate(names=Subquery(names.values("names")))
    reasons = meaning_it.filter(names__lte=NAMES_OF_A_TYPIST).order_by("-last_at").values("reason")
    return Subquery(reasons[:1], output_field=CharField())


def _refused_since_success() -> Case:
    success = Greatest(F("activity__registered_at"), F("last_refresh"))
    return Case(
        When(activity__refused_at__isnull=True, then=Value(False)),
        When(activity__registered_at__isnull=True, then=Value(True)),
        When(activity__refused_at__gt=success, then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )


def _state() -> Case:
    return Case(
        When(Q(enabled=False) | Q(extension__enabled=False), then=Value(PeerState.DISABLED.value)),
        When(is_well=True, then=Value(PeerState.ONLINE.value)),
        When(is_live=True, is_unreachable=True, then=Value(PeerState.UNREACHABLE.value)),
        When(is_live=True, then=Value(PeerState.LATE.value)),
        When(refused_since_success=True, then=Value(PeerState.REFUSED.value)),
        When(activity__registered_at__isnull=False, then=Value(PeerState.OFFLINE.value)),
        default=Value(PeerState.NEVER_REGISTERED.value),
        output_field=CharField(),
    )


def _attention() -> Case:
    """In the order of the verdict (apps/diagnosis/explain.py); what only a phone that is off can tell comes after."""
    codes: list[When] = [
        When(state=PeerState.DISABLED, then=Value("")),
        When(stranger="blocked_source", then=Value("blocked_source")),
        When(_refused_last(), then=F("activity__refused_reason")),
        When(_unanswered_last(), then=F("activity__unanswered_reason")),
        When(state=PeerState.UNREACHABLE, then=Value("unreachable")),
        When(state=PeerState.LATE, then=Value("renewal_late")),
        When(_is_moving(), then=Value("address_changing")),
        When(
            is_live=True,
            activity__new_network_at__gt=Now() - NEW_NETWORK_COUNTS_FOR,
            then=Value("unexpected_place"),
        ),
        *(
            When(is_live=False, stranger=reason, then=Value(finding))
            for reason, finding in STRANGER_FINDINGS.items()
        ),
    ]
    return Case(*codes, default=Value(""), output_field=CharField())


def _refused_last() -> Q:
    unanswered_before = Q(activity__unanswered_at__isnull=True) | Q(
        activity__unanswered_at__lte=F("activity__refused_at")
    )
    return Q(refused_since_success=True) & (Q(is_live=True) | unanswered_before)


def _unanswered_last() -> Q:
    """A challenge that came to nothing; of a phone that is online it says nothing, for anybody can ask for one."""
    success = Greatest(F("activity__registered_at"), F("activity__heard_at"))
    since_success = Q(activity__registered_at__isnull=True) | Q(activity__unanswered_at__gt=success)
    return Q(is_live=False, activity__unanswered_at__isnull=False) & since_success


def _is_moving() -> Q:
    return Q(
        is_live=True,
        activity__moves__gte=MOVES_TOO_MANY,
        activity__moves_since__gt=Now() - MOVES_COUNT_FOR,
    )


def _state_rank() -> Case:
    """Attention first, the state that is worse before; then offline, never registered, online, disabled."""
    ranks: list[Any] = [
        When(Q(state=PeerState.REFUSED), then=Value("0")),
        When(NEEDS_ATTENTION & Q(is_live=False), then=Value("1")),
        When(NEEDS_ATTENTION, then=Value("2")),
        When(state=PeerState.OFFLINE, then=Value("3")),
        When(state=PeerState.NEVER_REGISTERED, then=Value("4")),
        When(state=PeerState.ONLINE, then=Value("5")),
    ]
    return Case(*ranks, default=Value("6"), output_field=CharField())
