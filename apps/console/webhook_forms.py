"""What an admin says of a webhook. The services judge."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apps.console.forms import ServiceForm
from apps.webhooks.kinds import WORDS

PLAIN = {"autocomplete": "off", "spellcheck": "false"}


class WebhookForm(ServiceForm):
    name = forms.CharField(max_length=64, help_text="Who is told.", widget=forms.TextInput(attrs=PLAIN))
    url = forms.CharField(
        label="URL",
        max_length=2000,
        help_text="Where requests go, http or https. Private networks are allowed, link-local addresses are not.",
        widget=forms.TextInput(
            attrs={**PLAIN, "inputmode": "url", "placeholder": "https://pbx.example.com/hooks"}
        ),
    )
    types = forms.MultipleChoiceField(
        label="Events",
        choices=[(kind, words) for kind, words in WORDS.items()],
        required=False,
        help_text="None chosen: all.",
        widget=forms.CheckboxSelectMultiple,
    )
    extension = forms.CharField(
        label="Only of extension",
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs={**PLAIN, "placeholder": "All"}),
    )
    domain = forms.CharField(
        label="Only of domain",
        max_length=253,
        required=False,
        widget=forms.TextInput(attrs={**PLAIN, "placeholder": "All"}),
    )


class ReplayForm(ServiceForm):
    cursor = forms.IntegerField(
        label="After the event with this id",
        required=False,
        min_value=0,
        max_value=2**63 - 1,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    time = forms.DateTimeField(
        label="Or from this time on (UTC)",
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        error_messages={"invalid": "Give a date and a time, like 2026-11-23 10:04."},
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = [value for value in (cleaned.get("cursor"), cleaned.get("time")) if value is not None]
        if not self.errors and len(given) != 1:
            raise ValidationError("Give either an id or a time.")
        self.after = given[0] if given else 0
        return cleaned
