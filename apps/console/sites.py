"""The Sites page: public addresses with the phones behind them, those that are silent as a whole first."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from apps.console.list_query import PAGE_SIZE, search_of
from apps.registrar.selectors import database_now
from apps.registrar.sites import site_page

MOST_DIGITS: Final = 4


@require_safe
@gzip_page
def index(request: HttpRequest) -> HttpResponse:
    search, number = search_of(request.GET), _number(request.GET.get("page", ""))
    sites, total = site_page(search=search, start=(number - 1) * PAGE_SIZE, size=PAGE_SIZE)
    context = {
        "section": "sites",
        "search": search,
        "sites": sites,
        "total": total,
        "previous": number - 1,
        "next": number + 1 if number * PAGE_SIZE < total else 0,
        "now": database_now(),
    }
    return render(request, "console/sites.html", context)


def _number(text: str) -> int:
    """From an address: whatever is no number of a page means the first."""
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else 1
