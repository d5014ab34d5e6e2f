"""Trunks and the addresses they are trusted from."""

import ipaddress
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from apps.api.serializers.strict import StrictSerializer
from apps.extensions.models import (
    Peer,
    TrunkCallMode,
    TrunkNumber,
    TrunkTransport,
    TrustedAddress,
    TrustedHost,
    TrustedTransport,
)


class IpAddressSerializer(serializers.Serializer[TrustedAddress]):
    id = serializers.UUIDField()
    ip_address = serializers.IPAddressField(source="network.network_address")
    cidr_prefix_length = serializers.IntegerField(source="network.prefixlen")
    port = serializers.IntegerField(allow_null=True, help_text="null: any port.")
    transport = serializers.ChoiceField(TrustedTransport.choices)
    created_at = serializers.DateTimeField()


class AddressWithoutZone(serializers.IPAddressField):
    """DRF would drop the zone of fe80::1%eth0 without a word."""

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, str) and "%" in data:
            raise ValidationError("An address with a zone means nothing on another machine.", "invalid")
        return super().to_internal_value(data)


class NetworkCreate(StrictSerializer):
    """A network in two parts."""

    ip_address = AddressWithoutZone()
    cidr_prefix_length = serializers.IntegerField(
        required=False, min_value=0, max_value=128, help_text="One address when absent."
    )
    wide_confirmed = serializers.BooleanField(
        required=False, help_text="Needed for networks wider than /24, with IPv6 /48."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The two parts as the `network` the service takes."""
        address = ipaddress.ip_address(attrs.pop("ip_address"))
        length = attrs.pop("cidr_prefix_length", address.max_prefixlen)
        try:
            attrs["network"] = str(ipaddress.ip_network(f"{address}/{length}"))
        except ValueError:
            problem = f"{address}/{length} is no network: the address has bits beyond the prefix length."
            raise ValidationError({"cidr_prefix_length": ErrorDetail(problem, "invalid")}) from None
        return attrs


class IpAddressCreate(NetworkCreate):
    conflicts_confirmed = serializers.BooleanField(
        required=False,
        help_text="Needed where phones are registered, another trunk is trusted from, or that is blocked.",
    )
    port = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=65_535)
    transport = serializers.ChoiceField(TrustedTransport.choices, required=False)


class HostSerializer(serializers.Serializer[TrustedHost]):
    id = serializers.UUIDField()
    name = serializers.CharField(help_text="Trusted are the addresses it resolves to, see status.")
    port = serializers.IntegerField(allow_null=True, help_text="null: any port.")
    transport = serializers.ChoiceField(TrustedTransport.choices)
    created_at = serializers.DateTimeField()


class HostCreate(StrictSerializer):
    name = serializers.CharField(max_length=254)
    port = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=65_535)
    transport = serializers.ChoiceField(TrustedTransport.choices, required=False)


class NumberSerializer(serializers.Serializer[TrunkNumber]):
    """Expects `extension` joined."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    extension = serializers.CharField(source="extension.number")
    created_at = serializers.DateTimeField()


class NumberPut(StrictSerializer):
    number = serializers.CharField(max_length=64)
    extension = serializers.CharField(max_length=64, help_text="Of the trunk's domain.")


class WordsField(serializers.ListField):
    """A list here, separated by spaces in the column."""

    child = serializers.CharField(max_length=40)

    def to_representation(self, data: Any) -> list[str]:
        return str(data).split()

    def to_internal_value(self, data: Any) -> Any:
        return " ".join(super().to_internal_value(data))


class TrunkSerializer(serializers.Serializer[Peer]):
    """Expects `domain` and `trunk_settings` joined and `trusted_addresses` and `trusted_hosts` prefetched."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    domain = serializers.CharField(source="domain.name")
    enabled = serializers.BooleanField()
    server = serializers.CharField(
        source="trunk_settings.server",
        help_text="Where calls to it go, host or host:port; empty: nowhere.",
    )
    transport = serializers.ChoiceField(
        TrunkTransport.choices, source="trunk_settings.transport", help_text="How its servers are spoken to."
    )
    call_mode = serializers.ChoiceField(
        TrunkCallMode.choices, source="trunk_settings.call_mode", help_text="How the calls it brings go on."
    )
    inbound_strip = serializers.IntegerField(source="trunk_settings.inbound_strip")
    inbound_add = serializers.CharField(source="trunk_settings.inbound_add")
    outbound_prefixes = WordsField(source="trunk_settings.outbound_prefixes")
    outbound_strip = serializers.IntegerField(source="trunk_settings.outbound_strip")
    outbound_add = serializers.CharField(source="trunk_settings.outbound_add")
    priority = serializers.IntegerField(source="trunk_settings.priority")
    ip_addresses = IpAddressSerializer(source="trusted_addresses", many=True)
    hosts = HostSerializer(source="trusted_hosts", many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class TrunkChange(StrictSerializer):
    """Forms of server, prefixes and numbers are judged by the service."""

    enabled = serializers.BooleanField(required=False)
    server = serializers.CharField(required=False, allow_blank=True, max_length=262)
    transport = serializers.ChoiceField(TrunkTransport.choices, required=False)
    call_mode = serializers.ChoiceField(TrunkCallMode.choices, required=False)
    inbound_strip = serializers.IntegerField(
        required=False, min_value=0, max_value=32, help_text="Digits taken off the front, a + counts as one."
    )
    inbound_add = serializers.CharField(
        required=False, allow_blank=True, max_length=33, help_text="Put in front of what is left."
    )
    outbound_prefixes = WordsField(
        required=False,
        max_length=20,
        help_text="What a dialled number that goes out here begins with; `any`: every number, none: no call.",
    )
    outbound_strip = serializers.IntegerField(required=False, min_value=0, max_value=32)
    outbound_add = serializers.CharField(required=False, allow_blank=True, max_length=33)
    priority = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=1000,
        help_text="Of trunks that fit equally the lowest is tried first.",
    )


class TrunkCreate(StrictSerializer):
    name = serializers.CharField(max_length=64)
    domain = serializers.CharField(
        required=False, max_length=253, help_text="Needed when several domains are served."
    )
