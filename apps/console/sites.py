"""The Sites page: public addresses with the phones behind them, those that are silent as a whole first."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from apps.console.list_query import PAGE_SIZE, place_of, search_of
from apps.registrar.selectors import database_now
from apps.registrar.sites import site_page


@require_safe
@gzip_page
def index(request: HttpRequest) -> HttpResponse:
    search = search_of(request.GET)
    page = site_page(search=search, place=place_of(request.GET), size=PAGE_SIZE)
    context = {
        "section": "sites",
        "search": search,
        "page": page,
        "now": database_now(),
    }
    return render(request, "console/sites.html", context)
