"""Devices of an extension: add one, new password, settings, remove."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from apps.console.access import actor_of, admin_required
from apps.console.extension_queries import next_device_name
from apps.console.forms import DeviceCreateForm, DeviceEditForm, RotateForm, posted
from apps.console.secrets_page import handover_page
from apps.extensions.models import Credential, Extension, Peer, PeerKind
from apps.extensions.services import credential_rotate, peer_create
from apps.registrar.services import peer_delete, peer_update

EDITED = (
    "enabled",
    "max_contacts",
    "when_full",
    "min_expires_s",
    "max_expires_s",
    "qualify",
    "qualify_interval_s",
    "accepts_no_qop",
)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def create(request: HttpRequest, extension_id: UUID) -> HttpResponse:
    extension = get_object_or_404(Extension.objects.select_related("domain"), pk=extension_id)
    form = DeviceCreateForm(posted(request), initial={"name": next_device_name(extension)})
    new = form.apply(
        lambda: peer_create(
            extension=extension,
            name=form.cleaned_data["name"],
            password=form.chosen_password,
            actor=actor_of(request),
        )
    )
    if new:
        return handover_page(request, [new], title=f"{new.peer.name} is ready")
    context = {"section": "extensions", "extension": extension, "form": form}
    return render(request, "console/extensions/device_create.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def rotate(request: HttpRequest, peer_id: UUID) -> HttpResponse:
    """A new password. The form names the one it replaces, so a form sent twice replaces it once."""
    peer = _device(peer_id)
    current = _current_credential(peer)
    form = RotateForm(posted(request), initial={"credential": current.pk if current else None})
    if form.is_valid():
        if current is not None and form.cleaned_data["credential"] != current.pk:
            messages.warning(request, "The password has been changed meanwhile. Nothing was changed again.")
            return redirect("console:extension", peer.extension_id)
        new = form.apply(
            lambda: credential_rotate(
                peer=peer, password=form.chosen_password, overlap=form.overlap, actor=actor_of(request)
            )
        )
        if new is not None:
            return handover_page(request, [new], title=f"New password for {peer.name}")
    context = {"section": "extensions", "peer": peer, "extension": peer.extension, "form": form}
    return render(request, "console/extensions/device_rotate.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def edit(request: HttpRequest, peer_id: UUID) -> HttpResponse:
    peer = _device(peer_id)
    form = DeviceEditForm(posted(request), initial={name: getattr(peer, name) for name in EDITED})
    saved = form.apply(lambda: peer_update(peer=peer, actor=actor_of(request), **form.cleaned_data))
    if saved:
        messages.success(request, f"{peer.name} is saved.")
        return redirect("console:extension", peer.extension_id)
    context = {"section": "extensions", "peer": peer, "extension": peer.extension, "form": form}
    return render(request, "console/extensions/device_edit.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def delete(request: HttpRequest, peer_id: UUID) -> HttpResponse:
    peer = _device(peer_id)
    if request.method == "POST":
        name, extension_id = peer.name, peer.extension_id
        peer_delete(peer=peer, actor=actor_of(request))
        messages.success(request, f"{name} is removed.")
        return redirect("console:extension", extension_id)
    context = {"section": "extensions", "peer": peer, "extension": peer.extension}
    return render(request, "console/extensions/device_delete.html", context)


def _device(peer_id: UUID) -> Peer:
    devices = Peer.objects.filter(kind=PeerKind.DEVICE).select_related("domain", "extension__domain")
    return get_object_or_404(devices, pk=peer_id)


def _current_credential(peer: Peer) -> Credential | None:
    return peer.credentials.filter(valid_until__isnull=True).first()
