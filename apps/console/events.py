"""The Events page: what happened, newest first."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from apps.console.event_queries import event_page, kind_filter, kinds_named
from apps.console.list_query import search_of
from apps.registrar import selectors


@require_safe
@gzip_page
def index(request: HttpRequest) -> HttpResponse:
    search, before = search_of(request.GET), request.GET.get("before", "")
    kind, in_text = request.GET.get("events", ""), "text" in request.GET
    context = {
        "section": "events",
        "search": search,
        "before": before,
        "page": event_page(search=search, before=before, kinds=kinds_named(kind), in_text=in_text),
        **kind_filter(kind),
        "now": selectors.database_now(),
    }
    return render(request, "console/events.html", context)
