"""Forms: what people type, handed to the services; what the services refuse stands beside the field.

Must not hold rules of its own beyond the form's shape: the services judge, for every door alike.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django import forms
from django.contrib.auth.forms import PasswordChangeForm
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest, QueryDict

from apps.accounts.models import Role
from apps.extensions.models import MOST_SPREAD_PERCENT, DigestOrder, DomainCallMode, WhenFull
from apps.registrar.expiry import SURGE_PERCENT

Result = TypeVar("Result")

MOST_DEVICES: Final = 5
OVERLAPS: Final = (
    (0, "Stop at once"),
    (3600, "Stay valid for 1 hour"),
    (86_400, "Stay valid for 1 day"),
    (7 * 86_400, "Stay valid for 7 days"),
)

TRACE_MINUTES: Final = ((5, "5 min"), (30, "30 min"), (120, "2 h"), (480, "8 h"), (1440, "24 h"))


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to: nothing while it is only shown."""
    return request.POST if request.method == "POST" else None


class ServiceForm(forms.Form):
    """A form whose errors also come from a service."""

    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["label_suffix"] = ""
        super().__init__(*args, **kwargs)

    def apply(self, service: Callable[[], Result]) -> Result | None:
        """The service's result; None when the form is not sent yet, or it or the service refuses: it says why."""
        if not self.is_valid():
            return None
        try:
            return service()
        except ValidationError as refusal:
            self.take(refusal)
            return None

    def take(self, refusal: ValidationError) -> None:
        """The service's errors beside the fields of the same name, others above the form."""
        by_field = refusal.error_dict if hasattr(refusal, "error_dict") else {NON_FIELD_ERRORS: [refusal]}
        for name, errors in by_field.items():
            field = self.field_of(name)
            self.add_error(field if field in self.fields else None, ValidationError(errors))

    def add_error(self, field: str | None, error: Any) -> None:
        """The browser goes to the first field that is wrong: it may be far down the page."""
        super().add_error(field, error)
        widgets = [one.widget for one in self.fields.values()]
        if not any("autofocus" in widget.attrs for widget in widgets):
            wrong = self.fields[field].widget if field else widgets[0]
            wrong.attrs["autofocus"] = True

    def field_of(self, name: str) -> str:
        """The form's field for a service's field."""
        return name


class PasswordChoice(ServiceForm):
    """Generated, or chosen: an unchosen own password does not count."""

    password_choice = forms.ChoiceField(
        label="Password",
        choices=[("generate", "Generate a strong one"), ("own", "Choose my own")],
        initial="generate",
        required=False,
        widget=forms.RadioSelect,
    )
    password = forms.CharField(
        label="Own password",
        required=False,
        strip=False,
        max_length=128,
        help_text="At least 8 letters, digits and signs that the phone can type.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "data-strength": ""}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("password_choice") == "own" and not cleaned.get("password"):
            self.add_error("password", "Type a password, or choose to generate one.")
        return cleaned

    @property
    def chosen_password(self) -> str | None:
        """None: generate one. A typed password counts even without script to move the choice."""
        return self.cleaned_data.get("password") or None


class ExtensionCreateForm(PasswordChoice):
    number = forms.CharField(
        max_length=64,
        help_text="What people dial. Digits, usually 3 to 5.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "tel"}),
    )
    display_name = forms.CharField(
        label="Name",
        max_length=128,
        required=False,
        help_text="A person or a place, as colleagues know it.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    devices = forms.IntegerField(
        label="Number of devices",
        min_value=1,
        max_value=MOST_DEVICES,
        initial=1,
        required=False,
        help_text="Each gets its own user name and password.",
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    field_order = ("number", "display_name", "password_choice", "password", "devices")

    def field_of(self, name: str) -> str:
        return "number" if name in {"name", "username"} else name


class ExtensionEditForm(ServiceForm):
    display_name = forms.CharField(label="Name", max_length=128, required=False)


class DeviceCreateForm(PasswordChoice):
    name = forms.CharField(
        label="Name",
        max_length=64,
        help_text="Also the user name in the phone, like 1001-desk.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = ("name", "password_choice", "password")

    def field_of(self, name: str) -> str:
        return "name" if name == "username" else name


class DeviceEditForm(ServiceForm):
    enabled = forms.BooleanField(
        label="May register", required=False, help_text="Switched off, the phone is refused and signed off."
    )
    max_contacts = forms.IntegerField(label="Most contacts at a time", min_value=1, max_value=20)
    when_full = forms.ChoiceField(
        label="When one more comes",
        choices=WhenFull.choices,
        help_text="A phone whose address changed replaces its old contact; refusing protects the contacts there are.",
    )
    min_expires_s = forms.IntegerField(
        label="Shortest registration, seconds", required=False, help_text="Empty: as the domain says."
    )
    max_expires_s = forms.IntegerField(
        label="Longest registration, seconds", required=False, help_text="Empty: as the domain says."
    )
    qualify = forms.BooleanField(
        label="Ask the phone whether it hears us",
        required=False,
        help_text="An OPTIONS now and then to where it registered from shows a phone that calls cannot reach.",
    )
    qualify_interval_s = forms.IntegerField(
        label="Seconds between two such questions",
        min_value=2,
        max_value=3600,
        help_text="Below the 30 to 60 seconds that most routers keep an idle UDP path, it also keeps the path open.",
    )
    accepts_no_qop = forms.BooleanField(
        label="Old phone: digest without qop",
        required=False,
        help_text="For phones that only know RFC 2069; each challenge is then good for one request. "
        "Off, such a phone is refused.",
    )
    may_watch = forms.BooleanField(
        label="May watch other extensions",
        required=False,
        help_text="For a PBX or an attendant console: it may subscribe to who is registered, and from where, for every "
        "extension of the domain. Off, a phone is told of its own registrations only.",
    )


class RotateForm(PasswordChoice):
    overlap_s = forms.TypedChoiceField(
        label="The old password", choices=OVERLAPS, coerce=int, initial=0, required=False, empty_value="0"
    )
    credential = forms.UUIDField(required=False, widget=forms.HiddenInput)
    field_order = ("password_choice", "password", "overlap_s", "credential")

    @property
    def overlap(self) -> dt.timedelta:
        return dt.timedelta(seconds=int(self.cleaned_data["overlap_s"]))


class TraceForm(ServiceForm):
    minutes = forms.TypedChoiceField(label="Record for", choices=TRACE_MINUTES, coerce=int, initial=30)


class CredentialsTestForm(ServiceForm):
    password = forms.CharField(
        strip=False,
        max_length=1024,
        help_text="It is used for this one test and kept nowhere.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false", "autofocus": True}),
    )


class NetworkForm(ServiceForm):
    """A network, and the confirmation a wide one needs; `confirmation` says of what."""

    confirmation = ""
    network = forms.CharField(
        label="Address or network",
        max_length=64,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "203.0.113.0/28"}
        ),
    )
    wide_confirmed = forms.BooleanField(required=False, widget=forms.CheckboxInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["wide_confirmed"].label = self.confirmation

    @property
    def needs_confirmation(self) -> bool:
        return self.was_refused("wide_network")

    def was_refused(self, code: str) -> bool:
        """Whether the network was refused for this reason."""
        found = self.errors.as_data().get("network", []) if self.is_bound else []
        return any(error.code == code for error in found)


class BlockedSourceForm(NetworkForm):
    confirmation = "No phone of ours is at any of these addresses"
    note = forms.CharField(
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Why, for whoever asks later"}),
    )


class OwnPasswordForm(PasswordChangeForm):
    """Django's, in our words."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["old_password"].widget.attrs.pop("autofocus", None)
        self.fields["new_password1"].help_text = "At least 10 characters, not a common word, not your name."
        self.fields["new_password2"].label = "New password again"
        self.fields["new_password2"].help_text = ""


class PersonForm(ServiceForm):
    username = forms.CharField(
        label="User name",
        max_length=150,
        help_text="Letters, digits and @ . + - _",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    role = forms.ChoiceField(
        choices=[
            (Role.SUPERVISOR, "Supervisor: sees everything, changes nothing"),
            (Role.ADMIN, "Admin: changes everything"),
        ],
        initial=Role.SUPERVISOR,
    )


class DomainForm(ServiceForm):
    digest_order = forms.ChoiceField(
        label="Digest algorithms offered",
        choices=DigestOrder.choices,
        help_text="The strongest comes first as RFC 8760 asks; some old phones fail unless MD5 comes first or alone.",
    )
    min_expires_s = forms.IntegerField(label="Shortest registration, seconds", min_value=1)
    default_expires_s = forms.IntegerField(label="When the phone does not say, seconds", min_value=1)
    max_expires_s = forms.IntegerField(label="Longest registration, seconds", min_value=1)
    expires_spread_percent = forms.IntegerField(
        label="Spread, percent",
        min_value=0,
        max_value=MOST_SPREAD_PERCENT,
        help_text="Each phone gets up to so much less than it asked for, never less than the shortest, so that phones "
        "that came back together do not come together again (up to "
        f"{SURGE_PERCENT} percent when more ask than can be answered); 0 gives them what they ask.",
    )
    raise_brief = forms.BooleanField(
        label="Raise a registration that is too short",
        required=False,
        help_text="Off, the phone is told the shortest (423) and asks again; a phone that gives up then needs this on.",
    )
    strict_cseq = forms.BooleanField(
        label="Refuse a repeated sequence number",
        required=False,
        help_text="Off, a new request with the CSeq of the last one may still change how long the registration lasts.",
    )
    outbound = forms.BooleanField(
        label="Outbound, several flows per phone",
        required=False,
        help_text="A phone that names its device and flow keeps one registration per flow, whatever its address; "
        "off, its address alone counts (RFC 5626).",
    )
    any_contact = forms.BooleanField(
        label="Accept any contact address",
        required=False,
        help_text="Off, a contact at this server, on loopback, link-local, multicast or broadcast is refused (403) "
        "unless the phone's packets come from there.",
    )
    edge_proxies = forms.CharField(
        label="Edge proxies",
        required=False,
        max_length=2000,
        help_text="Networks whose proxies may add a Path, one per line; a Path from anywhere else is refused (403), "
        "because it decides where calls go.",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )
    service_routes = forms.CharField(
        label="Service route",
        required=False,
        max_length=4000,
        help_text="Proxies that phones send their calls through, told in every answer in this order, one per line, "
        "like <sip:proxy.example.com;lr>.",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )
    call_mode = forms.ChoiceField(
        label="A call between phones",
        choices=DomainCallMode.choices,
        help_text="Relayed calls also reach phones behind NAT, and ring all phones of an extension. A caller who is "
        "sent to the phones calls them directly. A trunk has a setting of its own.",
    )

    @property
    def switches(self) -> list[forms.BoundField]:
        return [self[name] for name in ("raise_brief", "strict_cseq", "outbound", "any_contact")]
