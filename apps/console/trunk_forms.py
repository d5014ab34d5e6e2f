"""What people type about a trunk; the services of apps.trunks judge it."""

from typing import Any, Final

from django import forms

from apps.console.forms import NetworkForm, ServiceForm
from apps.extensions.models import TrunkCallMode, TrunkTransport, TrustedTransport

LONGEST_PASTE: Final = 200_000
LONGEST_SERVER: Final = 262
TEXT: Final = {"autocomplete": "off", "spellcheck": "false"}


class TrunkCreateForm(ServiceForm):
    name = forms.CharField(
        max_length=64,
        help_text="The carrier or PBX at the other end, like carrier-north.",
        widget=forms.TextInput(attrs=TEXT),
    )


class TrustedAddressForm(NetworkForm):
    """An address, a network, or a host name: what is typed says which."""

    confirmation = "All these addresses belong to this trunk"
    network = forms.CharField(
        label="Address, network or host name",
        max_length=254,
        widget=forms.TextInput(attrs={**TEXT, "placeholder": "203.0.113.0/28"}),
    )
    conflicts_confirmed = forms.BooleanField(
        label="Trust it all the same", required=False, widget=forms.CheckboxInput
    )
    port = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=65_535,
        widget=forms.NumberInput(attrs={"placeholder": "Any", "inputmode": "numeric"}),
    )
    transport = forms.ChoiceField(choices=TrustedTransport.choices, initial=TrustedTransport.ANY)

    @property
    def has_conflict(self) -> bool:
        return self.was_refused("conflict")

    def field_of(self, name: str) -> str:
        return "network" if name == "name" else name

    def as_host(self) -> dict[str, Any]:
        """The fields a host name has."""
        cleaned = self.cleaned_data
        return {"name": cleaned["network"], "port": cleaned["port"], "transport": cleaned["transport"]}


class TrunkEditForm(ServiceForm):
    enabled = forms.BooleanField(
        label="Switched on",
        required=False,
        help_text="Switched off, its calls are refused and none go out here.",
    )
    call_mode = forms.ChoiceField(
        label="Calls it brings",
        choices=TrunkCallMode.choices,
        help_text="Relayed, they reach phones behind a NAT. Told addresses, the trunk has to reach the phones itself.",
    )
    server = forms.CharField(
        label="Calls to it go to",
        max_length=LONGEST_SERVER,
        required=False,
        help_text="Host or host:port, as the carrier says. Empty: no call goes out here.",
        widget=forms.TextInput(attrs={**TEXT, "placeholder": "sip.carrier.example"}),
    )
    transport = forms.ChoiceField(
        label="Spoken to over",
        choices=TrunkTransport.choices,
        help_text="Calls out, registering and asking whether it is there. Over TLS its certificate must be for the "
        "host above, from an authority this machine trusts.",
    )
    inbound_strip = forms.IntegerField(
        label="Digits to take off the front", min_value=0, max_value=32, help_text="A + counts as one."
    )
    inbound_add = forms.CharField(
        label="Then put in front", max_length=33, required=False, widget=forms.TextInput(attrs=TEXT)
    )
    outbound_prefixes = forms.CharField(
        label="Dialled numbers that begin with",
        max_length=300,
        required=False,
        help_text="Several separated by spaces, like 0 +. The word any: every number that is nobody's here. "
        "Empty: no call goes out here.",
        widget=forms.TextInput(attrs=TEXT),
    )
    outbound_strip = forms.IntegerField(
        label="Digits to take off the front", min_value=0, max_value=32, help_text="A + counts as one."
    )
    outbound_add = forms.CharField(
        label="Then put in front", max_length=33, required=False, widget=forms.TextInput(attrs=TEXT)
    )
    priority = forms.IntegerField(
        min_value=0,
        max_value=1000,
        help_text="Where several trunks take a number, the longest prefix is tried first, then the lowest priority.",
    )


class TrunkNumbersForm(ServiceForm):
    numbers = forms.CharField(
        label="Numbers to add",
        max_length=LONGEST_PASTE,
        help_text="One per line: the number, then its extension, like +49 30 5550, 1001. A number that is "
        "there already gets the new extension.",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )
