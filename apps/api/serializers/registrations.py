"""Live contacts, what a lookup answers, and the ledger of events."""

import math
from dataclasses import asdict
from datetime import timedelta

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.registrar.models import Binding, RegistrationEvent
from apps.registrar.outcomes import EventKind
from apps.routing.dialing import DialStrings, Registered, dial_strings, dial_uri
from apps.sip.params import split_list


class RegistrationSerializer(serializers.Serializer[Binding]):
    """Expects `peer`, its domain and `extension` joined, and `remaining` annotated."""

    id = serializers.UUIDField(source="binding_id")
    aor = serializers.CharField()
    peer = serializers.CharField(source="peer.name")
    peer_id = serializers.UUIDField()
    extension = serializers.CharField(source="extension.number", default=None, allow_null=True)
    extension_id = serializers.UUIDField(allow_null=True)
    domain = serializers.CharField(source="peer.domain.name")
    contact = serializers.CharField(help_text="The contact URI as the phone gave it.")
    received_addr = serializers.CharField(help_text="The address its packets come from.")
    received_port = serializers.IntegerField()
    transport = serializers.CharField()
    user_agent = serializers.CharField()
    call_id = serializers.CharField()
    cseq = serializers.IntegerField()
    q = serializers.SerializerMethodField(help_text="0 to 1; null: not given, which means 1.")
    path = serializers.CharField(help_text="The proxies on the way to it, in order (RFC 3327); empty: none.")
    instance_id = serializers.CharField(
        allow_null=True, help_text="The device as it names itself (RFC 5626)."
    )
    reg_id = serializers.IntegerField(allow_null=True, help_text="Which of the device's flows this is.")
    has_flow = serializers.SerializerMethodField(
        help_text="Whether it came over a connection, with which it ends; false: over UDP."
    )
    pub_gruu = serializers.CharField(
        allow_null=True, help_text="The device's public GRUU (RFC 5627); null: none."
    )
    temp_gruu = serializers.CharField(allow_null=True, help_text="The temporary GRUU given last.")
    probe_state = serializers.CharField(
        allow_null=True, help_text="unknown, reachable, lagging or unreachable; null: not probed."
    )
    rtt_ms = serializers.FloatField(allow_null=True, help_text="Smoothed round trip of its probes.")
    registered_at = serializers.DateTimeField()
    refreshed_at = serializers.DateTimeField()
    refresh_count = serializers.IntegerField()
    expires_at = serializers.DateTimeField()
    expires_s = serializers.SerializerMethodField(help_text="Seconds left.")

    def get_q(self, binding: Binding) -> float | None:
        return None if binding.q is None else binding.q / 1000

    def get_has_flow(self, binding: Binding) -> bool:
        return binding.flow is not None

    def get_expires_s(self, binding: Binding) -> int:
        remaining: timedelta = getattr(binding, "remaining")  # noqa: B009 - an annotation
        return max(0, math.ceil(remaining.total_seconds()))


class DialStringsSerializer(serializers.Serializer[DialStrings]):
    """One contact in the words of those who dial it."""

    pjsip = serializers.CharField(allow_null=True, help_text="Asterisk, Dial(): PJSIP/1001/sip:…")
    sip = serializers.CharField(allow_null=True, help_text="Asterisk's old channel driver: SIP/1001@…")
    sofia = serializers.CharField(
        allow_null=True, help_text="FreeSWITCH, bridge: sofia/internal/sip:…, with fs_path behind a proxy."
    )
    uri = serializers.CharField(help_text="The bare URI; the same as dial_uri.")


class ContactSerializer(RegistrationSerializer):
    dial_uri = serializers.SerializerMethodField(
        help_text="The contact with the address its packets come from, which also reaches it behind a NAT."
    )

    dial_strings = serializers.SerializerMethodField(
        help_text="null in it: cannot be said in that product's words, or would be read as something else."
    )

    def get_dial_uri(self, binding: Binding) -> str:
        return dial_uri(_registered(binding))

    @extend_schema_field(DialStringsSerializer)
    def get_dial_strings(self, binding: Binding) -> dict[str, str | None]:
        return asdict(dial_strings(_registered(binding), binding.aor))


def _registered(binding: Binding) -> Registered:
    path = tuple(split_list(binding.path)) if binding.path else ()
    return Registered(binding.contact, binding.received_addr, binding.received_port, binding.transport, path)


class LookupSerializer(serializers.Serializer[dict[str, object]]):
    """contacts in the order a call tries them: those that probes do not reach come last, then by q, then who was
    refreshed last. Empty: nobody is registered, or the extension is disabled."""

    aor = serializers.CharField()
    extension = serializers.CharField(allow_null=True, help_text="null: this is a SIP peer's own address.")
    peer = serializers.CharField(allow_null=True, help_text="null: this is an extension's address.")
    domain = serializers.CharField()
    enabled = serializers.BooleanField()
    contacts = ContactSerializer(many=True)


class EventSerializer(serializers.Serializer[RegistrationEvent]):
    id = serializers.IntegerField(source="event_id")
    at = serializers.DateTimeField()
    last_at = serializers.DateTimeField(help_text="Of several equal refusals the last; else equal to at.")
    count = serializers.IntegerField(help_text="How many equal refusals this stands for; else 1.")
    event = serializers.ChoiceField([(kind.value, kind.value) for kind in EventKind])
    reason = serializers.CharField()
    aor = serializers.CharField()
    peer = serializers.CharField(source="peer_name", allow_null=True, help_text="null: unknown or deleted.")
    peer_id = serializers.UUIDField(allow_null=True)
    extension = serializers.CharField(
        source="extension_number", allow_null=True, help_text="null: unknown or deleted."
    )
    extension_id = serializers.UUIDField(allow_null=True)
    registration_id = serializers.UUIDField(source="binding_id", allow_null=True)
    contact = serializers.CharField()
    received_addr = serializers.CharField(allow_null=True)
    received_port = serializers.IntegerField(allow_null=True)
    old_received_addr = serializers.CharField(allow_null=True)
    old_received_port = serializers.IntegerField(allow_null=True)
    user_agent = serializers.CharField()
