"""Who was refused without being anybody: unknown user names, wrong domains and realms, blocked sources."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from apps.console.list_query import PAGE_SIZE, counted, place_of, search_of
from apps.extensions.models import Peer
from apps.registrar.models import Stranger
from apps.registrar.outcomes import REFUSALS
from apps.registrar.selectors import database_now

PLACE: Final = re.compile(r"[0-9]{1,18}")
OTHER_WORDS: Final = {
    "wrong_realm": "wrong realm",
    "malformed": "cannot be read",
    "blocked_source": "source blocked, no answer",
    "call_challenged": "call without a password",
    "call_not_trusted": "call from an address no trunk is trusted from",
}


@dataclass(frozen=True, slots=True)
class StrangerLine:
    """`meant`: the SIP peer it seems to mean, where there is one."""

    stranger: Stranger
    meant: Peer | None

    @property
    def words(self) -> str:
        reason = self.stranger.reason
        return OTHER_WORDS.get(reason) or (REFUSALS[reason].words if reason in REFUSALS else reason)


@dataclass(frozen=True, slots=True)
class StrangerPage:
    lines: list[StrangerLine]
    after: str
    before: str = ""


@require_safe
@gzip_page
def index(request: HttpRequest) -> HttpResponse:
    search = search_of(request.GET)
    page = _page(_matching(search), place_of(request.GET))
    context = {
        "section": "events",
        "search": search,
        "page": page,
        "number": counted(Stranger.objects.all()),
        "lines": page.lines,
        "now": database_now(),
    }
    return render(request, "console/strangers.html", context)


def _page(found: QuerySet[Stranger], place: str) -> StrangerPage:
    """The newest first. A place is the id of the row it follows; one that is gone means the newest."""
    before = Stranger.objects.filter(pk=int(place)).first() if PLACE.fullmatch(place) else None
    if before is not None:
        found = found.filter(Q(last_at__lt=before.last_at) | Q(last_at=before.last_at, pk__lt=before.pk))
    shown = list(found[: PAGE_SIZE + 1])
    after = str(shown[PAGE_SIZE - 1].pk) if len(shown) > PAGE_SIZE else ""
    return StrangerPage(_lines(shown[:PAGE_SIZE]), after)


def _matching(search: str) -> QuerySet[Stranger]:
    found = Stranger.objects.order_by("-last_at", "-pk")
    for word in search.split()[:5]:
        text = Q(username__icontains=word) | Q(domain__icontains=word) | Q(user_agent__icontains=word)
        found = found.filter(text | Q(received_addr__startswith=word))
    return found


def _lines(strangers: Iterable[Stranger]) -> list[StrangerLine]:
    shown = list(strangers)
    ids = {stranger.meant_peer_id for stranger in shown if stranger.meant_peer_id}
    meant = Peer.objects.select_related("extension").in_bulk(list(ids))
    return [
        StrangerLine(stranger, meant.get(stranger.meant_peer_id) if stranger.meant_peer_id else None)
        for stranger in shown
    ]
