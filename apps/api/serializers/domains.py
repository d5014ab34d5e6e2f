"""SIP domains and how they register phones."""

from typing import Any, Final

from rest_framework import serializers

from apps.api.serializers.strict import StrictSerializer
from apps.extensions.models import MOST_SPREAD_PERCENT, DigestOrder, Domain, DomainCallMode

LONGEST_EXPIRES_S: Final = 604_800
MOST_LINES: Final = 32


class LinesField(serializers.ListField):
    """A list here, one entry per line in the column."""

    child = serializers.CharField(max_length=512)

    def to_representation(self, data: Any) -> list[str]:
        return str(data).splitlines()


class DomainSerializer(serializers.Serializer[Domain]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    realm = serializers.CharField(help_text="What passwords are hashed with; it never changes.")
    digest_order = serializers.ChoiceField(DigestOrder.choices)
    min_expires_s = serializers.IntegerField()
    default_expires_s = serializers.IntegerField(help_text="When the phone does not say.")
    max_expires_s = serializers.IntegerField()
    expires_spread_percent = serializers.IntegerField(
        help_text="A registration ends up to so much earlier, each phone at its own part of it."
    )
    raise_brief = serializers.BooleanField(help_text="Raise too short a registration in place of a 423.")
    strict_cseq = serializers.BooleanField(help_text="Refuse a repeated CSeq.")
    outbound = serializers.BooleanField(help_text="Several flows per phone (RFC 5626).")
    any_contact = serializers.BooleanField(help_text="Accept contacts that point inward or at everybody.")
    edge_proxies = LinesField(help_text="Networks whose proxies may add a Path (RFC 3327).")
    service_routes = LinesField(help_text="Service-Route values in order (RFC 3608).")
    call_mode = serializers.ChoiceField(
        DomainCallMode.choices,
        help_text="How a phone's call to an extension goes on: relayed, or the caller is sent to the phones (302).",
    )
    created_at = serializers.DateTimeField()


class DomainChange(StrictSerializer):
    """The order of the three limits, the networks and the routes are judged by the service."""

    digest_order = serializers.ChoiceField(DigestOrder.choices, required=False)
    min_expires_s = serializers.IntegerField(required=False, min_value=1, max_value=LONGEST_EXPIRES_S)
    default_expires_s = serializers.IntegerField(required=False, min_value=1, max_value=LONGEST_EXPIRES_S)
    max_expires_s = serializers.IntegerField(required=False, min_value=1, max_value=LONGEST_EXPIRES_S)
    expires_spread_percent = serializers.IntegerField(
        required=False, min_value=0, max_value=MOST_SPREAD_PERCENT
    )
    raise_brief = serializers.BooleanField(required=False)
    strict_cseq = serializers.BooleanField(required=False)
    outbound = serializers.BooleanField(required=False)
    any_contact = serializers.BooleanField(required=False)
    edge_proxies = LinesField(required=False, max_length=MOST_LINES)
    service_routes = LinesField(required=False, max_length=MOST_LINES)
    call_mode = serializers.ChoiceField(DomainCallMode.choices, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The lists as the text the service takes."""
        return {name: "\n".join(value) if isinstance(value, list) else value for name, value in attrs.items()}
