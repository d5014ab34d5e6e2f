"""A trunk's registration with its carrier: set, changed, switched off and on, tried again, removed."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from apps.console.access import actor_of, admin_required
from apps.console.forms import ServiceForm, posted
from apps.console.trunk_page import trunk_named
from apps.trunks.models import LONGEST_EXPIRES_S, SHORTEST_EXPIRES_S, TrunkRegistration
from apps.trunks.uplink.services import (
    LONGEST_NAME,
    LONGEST_PASSWORD,
    registration_remove,
    registration_retry,
    registration_set,
)
from apps.trunks.uplink.strings import EXAMPLE, LONGEST

_PLAIN = {"autocomplete": "off", "spellcheck": "false"}
_FIELDS = ("registrar", "username", "auth_username", "outbound_proxy", "contact_user", "expires_s", "enabled")


class OnceInput(forms.PasswordInput):
    """Shows what is typed, and never what was sent: it holds a password."""

    input_type = "text"


class TrunkRegistrationForm(ServiceForm):
    registration_string = forms.CharField(
        label="Registration string",
        required=False,
        max_length=LONGEST,
        strip=True,
        help_text="As the carrier gave it. It stands before the fields below, but for expiry and switch.",
        widget=OnceInput(attrs={**_PLAIN, "placeholder": EXAMPLE}),
    )
    registrar = forms.CharField(
        required=False,
        max_length=262,
        help_text="The carrier's server, with a port if it is not 5060.",
        widget=forms.TextInput(attrs={**_PLAIN, "placeholder": "sip.carrier.example"}),
    )
    username = forms.CharField(
        label="User name", required=False, max_length=LONGEST_NAME, widget=forms.TextInput(attrs=_PLAIN)
    )
    password = forms.CharField(
        required=False,
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "spellcheck": "false"}),
    )
    auth_username = forms.CharField(
        label="Authentication user name",
        required=False,
        max_length=LONGEST_NAME,
        help_text="Only if the carrier names one beside the user name.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    outbound_proxy = forms.CharField(
        required=False,
        max_length=262,
        help_text="Only if packets go to another server than the registrar.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    contact_user = forms.CharField(
        label="Number it calls here",
        required=False,
        max_length=LONGEST_NAME,
        help_text="The user part of our contact. Empty: the user name.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    expires_s = forms.IntegerField(
        label="Expiry we ask for, seconds",
        min_value=SHORTEST_EXPIRES_S,
        max_value=LONGEST_EXPIRES_S,
        initial=3600,
    )
    enabled = forms.BooleanField(
        label="Register", required=False, initial=True, help_text="Switched off, we sign off at the carrier."
    )


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def edit(request: HttpRequest, trunk_id: UUID) -> HttpResponse:
    trunk = trunk_named(trunk_id)
    known = TrunkRegistration.objects.filter(trunk=trunk).first()
    initial: dict[str, Any] = {name: getattr(known, name) for name in _FIELDS} if known else {}
    form = TrunkRegistrationForm(posted(request), initial=initial)
    if known:
        form.fields["password"].help_text = "Empty: it stays as it is."
    saved = form.apply(lambda: registration_set(trunk=trunk, actor=actor_of(request), **form.cleaned_data))
    if saved:
        messages.success(request, f"The registration with {saved.registrar} is saved.")
        return redirect("console:trunk", trunk.pk)
    context = {"section": "trunks", "trunk": trunk, "form": form, "registration": known}
    return render(request, "console/trunks/registration.html", context)


@require_POST
@admin_required
def switch(request: HttpRequest, trunk_id: UUID) -> HttpResponse:
    """On with `on` in the form, otherwise off."""
    trunk, is_on = trunk_named(trunk_id), "on" in request.POST
    if TrunkRegistration.objects.filter(trunk=trunk).exists():
        registration_set(trunk=trunk, actor=actor_of(request), enabled=is_on)
        messages.success(request, f"We register with the carrier {'again' if is_on else 'no more'}.")
    return redirect("console:trunk", trunk.pk)


@require_POST
@admin_required
def retry(request: HttpRequest, trunk_id: UUID) -> HttpResponse:
    trunk = trunk_named(trunk_id)
    if registration_retry(trunk=trunk, actor=actor_of(request)):
        messages.success(request, "The carrier is asked again now.")
    return redirect("console:trunk", trunk.pk)


@require_POST
@admin_required
def remove(request: HttpRequest, trunk_id: UUID) -> HttpResponse:
    trunk = trunk_named(trunk_id)
    if registration_remove(trunk=trunk, actor=actor_of(request)):
        messages.success(request, "The registration is removed, and its password forgotten.")
    return redirect("console:trunk", trunk.pk)
