"""Extensions: list, one page each, create, edit, switch off and on, delete.

Must not write: what a form holds goes to the services. A password is shown in the answer that made it, never again.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.console.access import actor_of, admin_required
from apps.console.event_queries import kind_filter, kinds_named
from apps.console.extension_queries import (
    extensions_of,
    next_device_name,
    next_free_number,
    rows_by_extension,
)
from apps.console.extension_state import ExtensionLine, extension_line, extension_sentence
from apps.console.forms import ExtensionCreateForm, ExtensionEditForm, TraceForm, posted
from apps.console.list_query import PAGE_SIZE, counted, place_of, search_of
from apps.console.secrets_page import handover_page
from apps.console.timeline_strip import strip
from apps.console.verdict import verdict_of
from apps.diagnosis.history import SPANS, history_of
from apps.extensions.audit import Actor
from apps.extensions.models import Domain, Extension
from apps.extensions.services import NewPeer, extension_create, peer_create
from apps.registrar import selectors
from apps.registrar.overview.listing import extension_list_page
from apps.registrar.regevent.selectors import subscriptions_of_extension
from apps.registrar.services import extension_delete, extension_update
from apps.registrar.trace.selectors import trace_statuses

RECENT_EVENTS: Final = 25
SPAN_WORDS: Final = (("24h", "24 hours"), ("7d", "7 days"))


@require_safe
@gzip_page
def index(request: HttpRequest) -> HttpResponse:
    search = search_of(request.GET)
    page = extension_list_page(search=search, place=place_of(request.GET), size=PAGE_SIZE)
    number = counted(Extension.objects.all())
    context = {
        "section": "extensions",
        "page": page,
        "number": number,
        "lines": _lines(extensions_of(page.ids)),
        "search": search,
        "is_first_use": number == "0" and not search,
    }
    return render(request, "console/extensions/index.html", context)


@require_safe
@gzip_page
def show(request: HttpRequest, extension_id: UUID) -> HttpResponse:
    extension = _extension(extension_id)
    rows = rows_by_extension([extension])[extension.pk]
    kind, span = request.GET.get("events", ""), request.GET.get("span", "")
    span = span if span in SPANS else "24h"
    history = history_of([row.peer for row in rows], SPANS[span])
    context = {
        "section": "extensions",
        "extension": extension,
        "rows": rows,
        "sentence": extension_sentence(extension, rows),
        "verdict": verdict_of(extension),
        "span": span,
        "spans": SPAN_WORDS,
        "history": history,
        "strip": strip(history.bands, history.moments, history.start, history.now),
        **kind_filter(kind),
        "events": selectors.recent_events(
            extension_id=extension.pk, kinds=kinds_named(kind), limit=RECENT_EVENTS
        ),
        "subscriptions": list(subscriptions_of_extension(extension).order_by("aor", "subscription_id")),
        "traces": trace_statuses([row.peer.pk for row in rows]),
        "trace_form": TraceForm(),
        "now": history.now,
    }
    return render(request, "console/extensions/show.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def create(request: HttpRequest) -> HttpResponse:
    domain = Domain.objects.first()
    if request.method != "POST":
        form = ExtensionCreateForm(initial={"number": next_free_number(domain)})
        return _create_page(request, form)
    form = ExtensionCreateForm(request.POST)
    new = form.apply(lambda: _create(form, domain, actor_of(request)))
    if new is None:
        return _create_page(request, form)
    return handover_page(request, new, title=f"Extension {new[0].peer.extension} is ready")


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def edit(request: HttpRequest, extension_id: UUID) -> HttpResponse:
    extension = _extension(extension_id)
    form = ExtensionEditForm(posted(request), initial={"display_name": extension.display_name})
    saved = form.apply(
        lambda: extension_update(
            extension=extension, actor=actor_of(request), display_name=form.cleaned_data["display_name"]
        )
    )
    if saved:
        return redirect("console:extension", extension.pk)
    context = {"section": "extensions", "extension": extension, "form": form}
    return render(request, "console/extensions/edit.html", context)


@require_POST
@admin_required
def enable(request: HttpRequest, extension_id: UUID) -> HttpResponse:
    return _switch(request, extension_id, enabled=True)


@require_POST
@admin_required
def disable(request: HttpRequest, extension_id: UUID) -> HttpResponse:
    return _switch(request, extension_id, enabled=False)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def delete(request: HttpRequest, extension_id: UUID) -> HttpResponse:
    extension = _extension(extension_id)
    if request.method == "POST":
        number = extension.number
        extension_delete(extension=extension, actor=actor_of(request))
        messages.success(request, f"Extension {number} is deleted.")
        return redirect("console:extensions")
    bindings = selectors.bindings_of_extension(extension)
    context = {"section": "extensions", "extension": extension, "bindings": bindings}
    return render(request, "console/extensions/delete.html", context)


def _lines(extensions: Iterable[Extension]) -> list[ExtensionLine]:
    page = list(extensions)
    rows = rows_by_extension(page)
    return [extension_line(extension, rows[extension.pk]) for extension in page]


def _extension(extension_id: UUID) -> Extension:
    return get_object_or_404(Extension.objects.select_related("domain"), pk=extension_id)


def _create_page(request: HttpRequest, form: ExtensionCreateForm) -> HttpResponse:
    return render(request, "console/extensions/create.html", {"section": "extensions", "form": form})


@transaction.atomic
def _create(form: ExtensionCreateForm, domain: Domain | None, actor: Actor) -> list[NewPeer]:
    """The extension and its devices, all or none."""
    if domain is None:
        raise ValidationError("There is no SIP domain yet: set REGISTRAR_DOMAIN and start again.")
    cleaned, password = form.cleaned_data, form.chosen_password
    new = [
        extension_create(
            domain=domain,
            number=cleaned["number"],
            display_name=cleaned["display_name"],
            password=password,
            actor=actor,
        )
    ]
    extension = new[0].peer.extension
    for _ in range((cleaned["devices"] or 1) - 1):
        assert extension is not None
        name = next_device_name(extension)
        new.append(peer_create(extension=extension, name=name, password=password, actor=actor))
    return new


def _switch(request: HttpRequest, extension_id: UUID, *, enabled: bool) -> HttpResponse:
    extension = extension_update(extension=_extension(extension_id), actor=actor_of(request), enabled=enabled)
    word = "enabled" if enabled else "disabled: its phones are signed off and refused"
    messages.success(request, f"Extension {extension.number} is {word}.")
    return redirect("console:extension", extension.pk)
