"""Trunks: list, one page each with the addresses they are trusted from."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.console.access import actor_of, admin_required
from apps.console.extension_queries import trunk_list
from apps.console.forms import TrunkCreateForm, TrustedAddressForm, posted
from apps.extensions.models import Domain, Peer, PeerKind, TrustedAddress
from apps.extensions.services import trunk_create, trusted_address_add, trusted_address_remove
from apps.registrar.services import peer_delete
from apps.trunks.selectors import uplink_state


@require_safe
@gzip_page
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "console/trunks/index.html", {"section": "trunks", "trunks": list(trunk_list())})


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
    return _trunk_page(request, _trunk(trunk_id), TrustedAddressForm())


@require_POST
@admin_required
def address_add(request: HttpRequest, trunk_id: UUID) -> HttpResponse:
    trunk, form = _trunk(trunk_id), TrustedAddressForm(request.POST)
    added = form.apply(lambda: trusted_address_add(trunk=trunk, actor=actor_of(request), **form.cleaned_data))
    if added is None:
        return _trunk_page(request, trunk, form)
    messages.success(request, f"{trunk.name} is trusted from {added.network}.")
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


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def delete(request: HttpRequest, trunk_id: UUID) -> HttpResponse:
    trunk = _trunk(trunk_id)
    if request.method == "POST":
        peer_delete(peer=trunk, actor=actor_of(request))
        messages.success(request, f"Trunk {trunk.name} is deleted.")
        return redirect("console:trunks")
    return render(request, "console/trunks/delete.html", {"section": "trunks", "trunk": trunk})


def _trunk(trunk_id: UUID) -> Peer:
    return get_object_or_404(trunk_list(), pk=trunk_id, kind=PeerKind.TRUNK)


def _trunk_page(request: HttpRequest, trunk: Peer, form: TrustedAddressForm) -> HttpResponse:
    context = {"section": "trunks", "trunk": trunk, "form": form, "uplink": uplink_state(trunk)}
    return render(request, "console/trunks/show.html", context)


def _domain() -> Domain:
    domain = Domain.objects.first()
    if domain is None:
        raise ValidationError("There is no SIP domain yet: set REGISTRAR_DOMAIN and start again.")
    return domain
