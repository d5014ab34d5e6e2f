"""Networks whose packets get no answer."""

from rest_framework import serializers

from apps.api.serializers.trunks import NetworkCreate
from apps.extensions.models import BlockedSource


class BlockedSourceSerializer(serializers.Serializer[BlockedSource]):
    id = serializers.UUIDField()
    ip_address = serializers.IPAddressField(source="network.network_address")
    cidr_prefix_length = serializers.IntegerField(source="network.prefixlen")
    note = serializers.CharField()
    created_at = serializers.DateTimeField()


class BlockedSourceCreate(NetworkCreate):
    note = serializers.CharField(required=False, allow_blank=True, max_length=200)
