"""Our registration with a trunk's carrier, and how it stands."""

from typing import Any

from rest_framework import serializers

from apps.api.serializers.strict import StrictSerializer
from apps.trunks.models import LONGEST_EXPIRES_S, SHORTEST_EXPIRES_S, TrunkProbe
from apps.trunks.uplink.selectors import UplinkView
from apps.trunks.uplink.services import LONGEST_NAME, LONGEST_PASSWORD
from apps.trunks.uplink.strings import EXAMPLE, LONGEST
from apps.trunks.uplink.values import UplinkReason, UplinkState

DEFAULT_EXPIRES_S = 3600


class TrunkRegistrationPut(StrictSerializer):
    """Either the string or registrar, username and password. A password that is not given stays."""

    registration_string = serializers.CharField(
        required=False, max_length=LONGEST, help_text=f"As the carrier gave it, like `{EXAMPLE}`."
    )
    registrar = serializers.CharField(required=False, max_length=262, help_text="host or host:port")
    username = serializers.CharField(required=False, max_length=LONGEST_NAME)
    password = serializers.CharField(required=False, max_length=LONGEST_PASSWORD, trim_whitespace=False)
    auth_username = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_NAME, help_text="Empty: username."
    )
    outbound_proxy = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=262,
        help_text="Where the packets go, if not to the registrar.",
    )
    contact_user = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_NAME, help_text="What it calls. Empty: username."
    )
    expires = serializers.IntegerField(
        source="expires_s",
        required=False,
        min_value=SHORTEST_EXPIRES_S,
        max_value=LONGEST_EXPIRES_S,
        help_text=f"Seconds we ask for; {DEFAULT_EXPIRES_S} when absent.",
    )
    enabled = serializers.BooleanField(required=False, help_text="true when absent.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What is absent is as in a new one, but for the password."""
        named = ("registrar", "username", "auth_username", "outbound_proxy", "contact_user")
        return dict.fromkeys(named, "") | {"expires_s": DEFAULT_EXPIRES_S, "enabled": True} | attrs


class TrunkProbeSerializer(serializers.Serializer[TrunkProbe]):
    """What OPTIONS say of one server of the carrier."""

    host = serializers.CharField()
    port = serializers.IntegerField()
    state = serializers.CharField(help_text="reachable, lagging, unreachable; unknown at first.")
    since = serializers.DateTimeField()
    rtt_ms = serializers.FloatField(source="rtt_avg_ms", allow_null=True, help_text="Smoothed round trip.")
    answered_at = serializers.DateTimeField(allow_null=True)
    last_status = serializers.IntegerField(source="status", allow_null=True)


class TrunkRegistrationSerializer(serializers.Serializer[UplinkView]):
    """Never with the password."""

    registrar = serializers.CharField(source="registration.registrar")
    username = serializers.CharField(source="registration.username")
    auth_username = serializers.CharField(source="registration.auth_username")
    outbound_proxy = serializers.CharField(source="registration.outbound_proxy")
    contact_user = serializers.CharField(source="registration.contact_user")
    expires = serializers.IntegerField(source="registration.expires_s")
    enabled = serializers.BooleanField(source="registration.enabled")
    updated_at = serializers.DateTimeField(source="registration.updated_at")
    state = serializers.ChoiceField([(state.value, state.value) for state in UplinkState])
    state_since = serializers.DateTimeField(source="standing.since", default=None, allow_null=True)
    registered_until = serializers.DateTimeField(
        allow_null=True, help_text="null: the carrier does not have our contact."
    )
    reason = serializers.ChoiceField(
        [(reason.value, reason.value) for reason in UplinkReason], help_text="Empty: nothing is wrong."
    )
    detail = serializers.CharField(source="sentence", help_text="The reason in a sentence, with what to do.")
    last_status = serializers.IntegerField(source="standing.status", default=None, allow_null=True)
    last_phrase = serializers.CharField(source="standing.phrase", default="")
    server = serializers.CharField(source="standing.server", default="", help_text="Who answered last.")
    contact = serializers.CharField(source="standing.contact", default="", help_text="Where it calls us.")
    next_attempt_at = serializers.DateTimeField(
        source="standing.next_attempt_at", default=None, allow_null=True
    )
    servers = TrunkProbeSerializer(source="probes", many=True)
