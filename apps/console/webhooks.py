"""Settings, Webhooks: who is told what happens. For admins; a secret is shown once, in the answer that makes it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.console.access import actor_of, admin_required
from apps.console.forms import posted
from apps.console.webhook_forms import ReplayForm, WebhookForm
from apps.registrar.selectors import database_now
from apps.webhooks.feed import last_id
from apps.webhooks.models import Webhook
from apps.webhooks.services import (
    webhook_create,
    webhook_delete,
    webhook_ping,
    webhook_replay,
    webhook_secret_renew,
    webhook_update,
)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def index(request: HttpRequest) -> HttpResponse:
    form = WebhookForm(posted(request))
    made = form.apply(lambda: webhook_create(actor=actor_of(request), **form.cleaned_data))
    if made is not None:
        return _page(request, made[0], secret=made[1])
    context = {
        "section": "settings",
        "webhooks": list(Webhook.objects.all()),
        "form": form,
        "now": database_now(),
    }
    return render(request, "console/webhooks/index.html", context)


@admin_required
@require_safe
def show(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    return _page(request, get_object_or_404(Webhook, pk=webhook_id))


@require_POST
@admin_required
def edit(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    webhook, form = get_object_or_404(Webhook, pk=webhook_id), WebhookForm(request.POST)
    saved = form.apply(lambda: webhook_update(webhook=webhook, actor=actor_of(request), **form.cleaned_data))
    if saved is None:
        return _page(request, webhook, form=form)
    messages.success(request, f"{saved.name} is saved.")
    return redirect("console:webhook", webhook.pk)


@require_POST
@admin_required
def enable(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    return _switch(request, webhook_id, enabled=True)


@require_POST
@admin_required
def disable(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    return _switch(request, webhook_id, enabled=False)


@require_POST
@admin_required
def ping(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    webhook = get_object_or_404(Webhook, pk=webhook_id)
    return _page(request, webhook, answer=webhook_ping(webhook=webhook, actor=actor_of(request)))


@require_POST
@admin_required
def replay(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    webhook, form = get_object_or_404(Webhook, pk=webhook_id), ReplayForm(request.POST)
    done = form.apply(lambda: webhook_replay(webhook=webhook, after=form.after, actor=actor_of(request)))
    if done is None:
        return _page(request, webhook, replay_form=form)
    messages.success(request, f"{webhook.name} is told again what came after event {done.cursor}.")
    return redirect("console:webhook", webhook.pk)


@require_POST
@admin_required
def secret(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    webhook = get_object_or_404(Webhook, pk=webhook_id)
    return _page(request, webhook, secret=webhook_secret_renew(webhook=webhook, actor=actor_of(request)))


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def delete(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    webhook = get_object_or_404(Webhook, pk=webhook_id)
    if request.method != "POST":
        context = {"section": "settings", "webhook": webhook}
        return render(request, "console/webhooks/delete.html", context)
    webhook_delete(webhook=webhook, actor=actor_of(request))
    messages.success(request, f"{webhook.name} is deleted.")
    return redirect("console:webhooks")


def _switch(request: HttpRequest, webhook_id: UUID, *, enabled: bool) -> HttpResponse:
    webhook = get_object_or_404(Webhook, pk=webhook_id)
    webhook_update(webhook=webhook, actor=actor_of(request), enabled=enabled)
    messages.success(request, f"{webhook.name} is switched {'on' if enabled else 'off'}.")
    return redirect("console:webhook", webhook.pk)


def _page(request: HttpRequest, webhook: Webhook, **said: Any) -> HttpResponse:
    initial = {name: getattr(webhook, name) for name in WebhookForm.base_fields}
    context = {
        "section": "settings",
        "webhook": webhook,
        "attempts": list(webhook.attempts.all()),
        "waiting": max(0, last_id() - webhook.cursor),
        "form": WebhookForm(initial=initial),
        "replay_form": ReplayForm(),
        "now": database_now(),
        **said,
    }
    return render(request, "console/webhooks/show.html", context)
