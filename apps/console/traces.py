"""The registration trace of a device: a ladder that everybody may read; for admins start, stop and downloads."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_POST, require_safe

from apps.console.access import actor_of, admin_required
from apps.console.devices import device_or_404
from apps.console.forms import TraceForm
from apps.extensions.models import Peer
from apps.registrar.trace.ladder import rungs, transcript
from apps.registrar.trace.messages import MOST_MESSAGES
from apps.registrar.trace.pcap import CONTENT_TYPE, pcap
from apps.registrar.trace.selectors import messages_of, trace_status
from apps.registrar.trace.services import trace_start, trace_stop


@require_safe
@gzip_page
def show(request: HttpRequest, peer_id: UUID) -> HttpResponse:
    peer = device_or_404(peer_id)
    trace = trace_status(peer)
    context = {
        "section": "extensions",
        "peer": peer,
        "extension": peer.extension,
        "trace": trace,
        "now": trace.now,
        "rungs": rungs(messages_of(peer)),
        "most": MOST_MESSAGES,
        "trace_form": TraceForm(),
    }
    return render(request, "console/extensions/trace.html", context)


@require_POST
@admin_required
def start(request: HttpRequest, peer_id: UUID) -> HttpResponse:
    peer = device_or_404(peer_id)
    form = TraceForm(request.POST)
    form.apply(lambda: trace_start(peer=peer, actor=actor_of(request), minutes=form.cleaned_data["minutes"]))
    for problem in (text for problems in form.errors.values() for text in problems):
        messages.error(request, str(problem))
    return redirect("console:trace", peer.pk)


@require_POST
@admin_required
def stop(request: HttpRequest, peer_id: UUID) -> HttpResponse:
    trace_stop(peer=device_or_404(peer_id), actor=actor_of(request))
    return redirect("console:trace", peer_id)


@admin_required
@require_safe
def text(request: HttpRequest, peer_id: UUID) -> HttpResponse:
    peer = device_or_404(peer_id)
    return _download(
        peer, "txt", "text/plain; charset=utf-8", transcript(peer.name, messages_of(peer)).encode()
    )


@admin_required
@require_safe
def capture(request: HttpRequest, peer_id: UUID) -> HttpResponse:
    peer = device_or_404(peer_id)
    return _download(peer, "pcap", CONTENT_TYPE, pcap(messages_of(peer)))


def _download(peer: Peer, suffix: str, content_type: str, content: bytes) -> HttpResponse:
    """Names of devices are plain letters, digits and signs that a header can hold."""
    disposition = f'attachment; filename="trace-{peer.name}.{suffix}"'
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
    return HttpResponse(content, content_type=content_type, headers=headers)
