"""Trunks and the addresses they are trusted from."""

import ipaddress
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from apps.api.serializers.strict import StrictSerializer
from apps.extensions.models import Peer, TrustedAddress, TrustedTransport


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
    port = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=65_535)
    transport = serializers.ChoiceField(TrustedTransport.choices, required=False)


class TrunkSerializer(serializers.Serializer[Peer]):
    """Expects `domain` joined and `trusted_addresses` prefetched."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    domain = serializers.CharField(source="domain.name")
    enabled = serializers.BooleanField()
    ip_addresses = IpAddressSerializer(source="trusted_addresses", many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class TrunkChange(StrictSerializer):
    enabled = serializers.BooleanField(required=False)


class TrunkCreate(StrictSerializer):
    name = serializers.CharField(max_length=64)
    domain = serializers.CharField(
        required=False, max_length=253, help_text="Needed when several domains are served."
    )
