"""The numbers a trunk brings calls for: pasted as lines, removed one by one."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from apps.console.access import actor_of, admin_required
from apps.console.trunk_forms import TrunkNumbersForm
from apps.console.trunk_page import trunk_named, trunk_page
from apps.extensions.models import TrunkNumber
from apps.trunks.numbers import read_lines
from apps.trunks.services import trunk_number_remove, trunk_numbers_put


@require_POST
@admin_required
def put(request: HttpRequest, trunk_id: UUID) -> HttpResponse:
    trunk, form = trunk_named(trunk_id), TrunkNumbersForm(request.POST)
    kept = form.apply(
        lambda: trunk_numbers_put(
            trunk=trunk, numbers=read_lines(form.cleaned_data["numbers"]), actor=actor_of(request)
        )
    )
    if kept is None:
        return trunk_page(request, trunk, numbers_form=form)
    messages.success(request, f"{len(kept)} number{'' if len(kept) == 1 else 's'} of {trunk.name} saved.")
    return redirect("console:trunk", trunk.pk)


@require_POST
@admin_required
def remove(request: HttpRequest, trunk_id: UUID, number_id: UUID) -> HttpResponse:
    rows = TrunkNumber.objects.select_related("peer")
    number = get_object_or_404(rows, pk=number_id, peer_id=trunk_id)
    trunk_number_remove(number=number, actor=actor_of(request))
    messages.success(request, f"Calls to {number.number} mean no extension of their own any more.")
    return redirect("console:trunk", trunk_id)
