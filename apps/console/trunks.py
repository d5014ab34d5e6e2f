"""Trunks: list, one page each with what is known of it, the addresses and names it is trusted by, and its settings."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.console.access import actor_of, admin_required
from apps.console.extension_queries import trunk_list
from apps.console.forms import posted
from apps.console.trunk_forms import TrunkCreateForm, TrunkEditForm, TrustedAddressForm
from apps.console.trunk_page import trunk_named, trunk_page
from apps.extensions.models import Domain, Peer, TrustedAddress, TrustedHost
from apps.extensions.services import trunk_create, trusted_address_remove
from apps.registrar.selectors import database_now
from apps.registrar.services import peer_delete, peer_update
from apps.trunks.servers import is_host_name
from apps.trunks.services import (
    trunk_settings_update,
    trusted_address_add,
    trusted_host_add,
    trusted_host_remove,
)


@require_safe
@gzip_page
def index(request: HttpRequest) -> HttpResponse:
    context = {"section": "trunks", "trunks": list(trunk_list()), "now": database_now()}
    return render(request, "console/trunks/index.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def create(request: HttpRequest) -> HttpResponse:
    form = TrunkCreateForm(posted(request))
    trunk = form.apply(
        lambda: trunk_create(domain=_domain(), name=form.cleaned_data["name"], actor=actor_of(request))
    )
    if trunk:
        return redirect("console:trunk", trunk.pk)
    return render(request, "console/trunks/create.html", {"section": "trunks", "form": form})


@require_safe
@gzip_page
def show(request: HttpRequest, trunk_id: UUID) -> HttpResponse:
    return trunk_page(request, trunk_named(trunk_id))


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def edit(request: HttpRequest, trunk_id: UUID) -> HttpResponse:
    trunk = trunk_named(trunk_id)
    form = TrunkEditForm(posted(request), initial=_settings(trunk))
    if form.apply(lambda: _save(trunk, request, dict(form.cleaned_data))):
        messages.success(request, f"{trunk.name} is saved.")
        return redirect("console:trunk", trunk.pk)
    context = {"section": "trunks", "trunk": trunk, "form": form}
    return render(request, "console/trunks/edit.html", context)


@require_POST
@admin_required
def address_add(request: HttpRequest, trunk_id: UUID) -> HttpResponse:
    trunk, form = trunk_named(trunk_id), TrustedAddressForm(request.POST)
    added = form.apply(lambda: _trust(trunk, request, form))
    if added is None:
        return trunk_page(request, trunk, address_form=form)
    messages.success(request, f"{trunk.name} is trusted from {added}.")
    return redirect("console:trunk", trunk.pk)


@require_POST
@admin_required
def address_remove(request: HttpRequest, trunk_id: UUID, address_id: UUID) -> HttpResponse:
    address = get_object_or_404(
        TrustedAddress.objects.select_related("peer"), pk=address_id, peer_id=trunk_id
    )
    network = address.network
    trusted_address_remove(address=address, actor=actor_of(request))
    messages.success(request, f"{network} is no longer trusted.")
    return redirect("console:trunk", trunk_id)


@require_POST
@admin_required
def host_remove(request: HttpRequest, trunk_id: UUID, host_id: UUID) -> HttpResponse:
    host = get_object_or_404(TrustedHost.objects.select_related("peer"), pk=host_id, peer_id=trunk_id)
    trusted_host_remove(host=host, actor=actor_of(request))
    messages.success(request, f"{host.name} is no longer trusted.")
    return redirect("console:trunk", trunk_id)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def delete(request: HttpRequest, trunk_id: UUID) -> HttpResponse:
    trunk = trunk_named(trunk_id)
    if request.method == "POST":
        peer_delete(peer=trunk, actor=actor_of(request))
        messages.success(request, f"Trunk {trunk.name} is deleted.")
        return redirect("console:trunks")
    return render(request, "console/trunks/delete.html", {"section": "trunks", "trunk": trunk})


def _trust(trunk: Peer, request: HttpRequest, form: TrustedAddressForm) -> TrustedAddress | TrustedHost:
    if is_host_name(form.cleaned_data["network"]):
        return trusted_host_add(trunk=trunk, actor=actor_of(request), **form.as_host())
    return trusted_address_add(trunk=trunk, actor=actor_of(request), **form.cleaned_data)


@transaction.atomic
def _save(trunk: Peer, request: HttpRequest, fields: dict[str, object]) -> Peer:
    actor = actor_of(request)
    peer_update(peer=trunk, actor=actor, enabled=fields.pop("enabled"))
    trunk_settings_update(trunk=trunk, actor=actor, **fields)
    return trunk


def _settings(trunk: Peer) -> dict[str, object]:
    names = [name for name in TrunkEditForm.base_fields if name != "enabled"]
    return {"enabled": trunk.enabled, **{name: getattr(trunk.trunk_settings, name) for name in names}}


def _domain() -> Domain:
    domain = Domain.objects.first()
    if domain is None:
        raise ValidationError("There is no SIP domain yet: set REGISTRAR_DOMAIN and start again.")
    return domain
