"""Tries a device's credentials as a phone would, and shows each step in the page while it happens.

The password comes in the body of a POST and is handed to the test phone alone. Must not keep it in the session, an
address or a log.
"""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.console.access import actor_of, admin_required
from apps.console.devices import device_or_404
from apps.console.forms import CredentialsTestForm, posted
from apps.registrar.testphone.client import try_credentials
from apps.registrar.testphone.services import credentials_test
from apps.registrar.testphone.values import Plan

# No text of a page can hold it: "<" is escaped there.
STEPS_HERE: Final = "<!--steps-->"


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def try_out(request: HttpRequest, peer_id: UUID) -> HttpResponseBase:
    peer = device_or_404(peer_id)
    form = CredentialsTestForm(posted(request))
    plan = form.apply(lambda: credentials_test(peer=peer, actor=actor_of(request)))
    context = {"section": "extensions", "peer": peer, "extension": peer.extension, "form": form, "plan": plan}
    if plan is None:
        return render(request, "console/extensions/credentials_test.html", context)
    page = render_to_string("console/extensions/credentials_test_steps.html", context, request)
    return StreamingHttpResponse(
        _stream(page, plan, form.cleaned_data["password"]),
        content_type="text/html; charset=utf-8",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(page: str, plan: Plan, password: str) -> AsyncIterator[str]:
    before, _, after = page.partition(STEPS_HERE)
    yield before
    async for step in try_credentials(plan, password):
        yield render_to_string("console/extensions/_step.html", {"step": step})
    yield after
