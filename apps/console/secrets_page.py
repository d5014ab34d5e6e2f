"""The answer that shows new passwords, once: rendered straight from the POST, kept by nobody on the way."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.console.handover import handover_card
from apps.extensions.services import NewPeer
from apps.registrar import selectors


def handover_page(request: HttpRequest, new: Sequence[NewPeer], title: str) -> HttpResponse:
    rows = {row.peer.pk: row for row in selectors.rows_of([item.peer.pk for item in new])}
    cards = [(handover_card(item), rows[item.peer.pk]) for item in new if item.peer.pk in rows]
    context = {
        "section": "extensions",
        "title": title,
        "cards": cards,
        "extension": new[0].peer.extension,
    }
    response = render(request, "console/extensions/handover.html", context)
    response["Cache-Control"] = "no-store"
    return response
