"""The first page: every SIP peer and where it is now; export and dropping of what was selected.

Must not write: dropping is apps.registrar.services.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_safe

from apps.console.access import actor_of, admin_required
from apps.console.csv_export import registrations_csv
from apps.console.list_query import PAGE_SIZE, list_query
from apps.console.sparkline import Sparkline, sparkline
from apps.extensions.models import Extension
from apps.registrar import selectors
from apps.registrar.models import Binding
from apps.registrar.overview.listing import catch_up
from apps.registrar.services import bindings_drop
from apps.registrar.states import PeerState

MOST_SELECTED: Final = 900  # below the number of fields Django reads from a form


@dataclass(frozen=True, slots=True)
class Heading:
    """A column; `order` is what a click on it asks for, `sorted` is aria-sort's word for how it stands."""

    label: str
    order: str = ""
    sorted: str = ""


COLUMNS: Final = (
    ("State", "attention"),
    ("Extension", "extension"),
    ("Peer and phone", "peer"),
    ("Address", "address"),
    ("Registered", "registered"),
    ("Expires", "expires"),
    ("Signal", ""),
)


@require_safe
@gzip_page
def registrations(request: HttpRequest) -> HttpResponse:
    query = list_query(request.GET)
    catch_up()
    page = selectors.registration_page(
        search=query.search, state=query.state, order=query.order, place=query.place, size=PAGE_SIZE
    )
    counters = selectors.counters()
    context = {
        "section": "registrations",
        "search": query.search,
        "page": page.listed,
        "rows": page.rows,
        "query": query,
        "counters": counters,
        "filters": _filters(counters),
        "headings": [_heading(label, order, query.order) for label, order in COLUMNS],
        "history": _history(counters),
        "page_size": PAGE_SIZE,
        "is_first_use": not counters.total and not Extension.objects.exists(),
    }
    return render(request, "console/registrations/index.html", context)


@require_safe
async def export(request: HttpRequest) -> StreamingHttpResponse:
    """The selected peers, or without a selection all that match the filter, as CSV."""
    query, chosen = list_query(request.GET), _selected(request)
    rows: AsyncIterator[str] = registrations_csv(query, chosen)
    response = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="registrations.csv"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def drop(request: HttpRequest) -> HttpResponseBase:
    """GET names what would be dropped and asks; POST drops."""
    bindings = _selected_bindings(request)
    if request.method != "POST":
        return render(
            request, "console/registrations/drop.html", {"section": "registrations", "bindings": bindings}
        )
    dropped = bindings_drop(bindings=bindings, actor=actor_of(request))
    messages.success(request, f"{dropped} binding{'' if dropped == 1 else 's'} dropped.")
    return redirect("console:registrations")


def _selected(request: HttpRequest) -> list[UUID]:
    return _uuids(request, "peer")


def _uuids(request: HttpRequest, name: str) -> list[UUID]:
    parameters = request.POST if request.method == "POST" else request.GET
    found = []
    for text in parameters.getlist(name)[:MOST_SELECTED]:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _selected_bindings(request: HttpRequest) -> list[Binding]:
    """Bindings named one by one (the confirmation, the extension page), or all of the selected peers."""
    live = selectors.live_bindings()
    if binding_ids := _uuids(request, "binding"):
        return selectors.ringing_order(live.filter(binding_id__in=binding_ids))
    return selectors.ringing_order(live.filter(peer_id__in=_selected(request)))


def _filters(counters: selectors.Counters) -> list[tuple[str, str, int]]:
    """(state of the filter, words, count) of the counter strip."""
    shown = [
        (PeerState.ONLINE.value, "Online", counters.online),
        ("attention", "Needs attention", counters.attention),
        (PeerState.OFFLINE.value, "Offline", counters.offline),
        (PeerState.NEVER_REGISTERED.value, "Never registered", counters.never_registered),
    ]
    if counters.disabled:
        shown.append((PeerState.DISABLED.value, "Disabled", counters.disabled))
    return shown


def _heading(label: str, order: str, current: str) -> Heading:
    if current == order:
        return Heading(label, f"-{order}", "ascending")
    return Heading(label, order, "descending" if current == f"-{order}" else "")


def _history(counters: selectors.Counters) -> Sparkline | None:
    return sparkline(selectors.online_history()) if counters.total else None
