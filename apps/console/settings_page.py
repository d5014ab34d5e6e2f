"""Settings: one's own account, the SIP domain, and whom the registrar does not answer."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.services import user_password_change
from apps.calls.selectors import call_processes
from apps.console.access import actor_of, admin_required, signed_in_user
from apps.console.forms import BlockedSourceForm, DomainForm, OwnPasswordForm
from apps.extensions.models import BlockedSource, Domain
from apps.extensions.services import domain_update, source_block, source_unblock
from apps.registrar.selectors import database_now, sip_workers


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return _page(request)


@sensitive_post_parameters()
@require_POST
def password(request: HttpRequest) -> HttpResponse:
    """One's own password; every other session of this account ends."""
    user = signed_in_user(request)
    form = OwnPasswordForm(user, request.POST)
    if not form.is_valid():
        return _page(request, password_form=form)
    new_password = form.cleaned_data["new_password1"]
    user_password_change(user=user, password=new_password, actor=actor_of(request))
    update_session_auth_hash(request, user)
    messages.success(request, "Your password is changed. You are signed out everywhere else.")
    return redirect("console:settings")


@require_POST
@admin_required
def domain(request: HttpRequest) -> HttpResponse:
    served, form = Domain.objects.first(), DomainForm(request.POST)
    if served is None:
        return redirect("console:settings")
    saved = form.apply(lambda: domain_update(domain=served, actor=actor_of(request), **form.cleaned_data))
    if saved is None:
        return _page(request, domain_form=form)
    messages.success(request, f"{saved.name} is saved.")
    return redirect("console:settings")


@require_POST
@admin_required
def blocked_source_add(request: HttpRequest) -> HttpResponse:
    form = BlockedSourceForm(request.POST, auto_id="blocked_%s")
    source = form.apply(lambda: source_block(actor=actor_of(request), **form.cleaned_data))
    if source is None:
        return _page(request, blocked_form=form)
    messages.success(request, f"Nothing from {source.network} is answered any more.")
    return redirect("console:settings")


@require_POST
@admin_required
def blocked_source_remove(request: HttpRequest, source_id: UUID) -> HttpResponse:
    source = get_object_or_404(BlockedSource, pk=source_id)
    network = source.network
    source_unblock(source=source, actor=actor_of(request))
    messages.success(request, f"{network} is no longer blocked.")
    return redirect("console:settings")


def _page(
    request: HttpRequest,
    password_form: OwnPasswordForm | None = None,
    domain_form: DomainForm | None = None,
    blocked_form: BlockedSourceForm | None = None,
) -> HttpResponse:
    served = Domain.objects.first()
    context = {
        "section": "settings",
        "domain": served,
        "password_form": password_form or OwnPasswordForm(signed_in_user(request)),
        "domain_form": domain_form or _domain_form(served),
        "workers": sip_workers(),
        "call_processes": call_processes(),
        "now": database_now(),
        "blocked_sources": list(BlockedSource.objects.all()),
        "blocked_form": blocked_form or BlockedSourceForm(auto_id="blocked_%s"),
    }
    return render(request, "console/settings.html", context)


def _domain_form(served: Domain | None) -> DomainForm:
    return DomainForm(initial={name: getattr(served, name) for name in DomainForm.base_fields if served})
