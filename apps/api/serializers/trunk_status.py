"""What is known of a trunk right now."""

from rest_framework import serializers

from apps.trunks.conflicts import Conflict, ConflictCode
from apps.trunks.findings import Evidence, Finding, Name, Packet, Refusal, RefusalState, Severity
from apps.trunks.status import TrunkStatus


class LastPacketSerializer(serializers.Serializer[Packet]):
    at = serializers.DateTimeField()
    ip_address = serializers.IPAddressField(source="host")
    port = serializers.IntegerField()
    transport = serializers.CharField()
    method = serializers.CharField()


class ResolvedHostSerializer(serializers.Serializer[Name]):
    name = serializers.CharField()
    ip_addresses = serializers.ListField(child=serializers.IPAddressField(), source="addresses")
    is_good = serializers.BooleanField(
        help_text="Whether its addresses count: an hour after the last answer no more."
    )
    resolved_at = serializers.DateTimeField(allow_null=True)
    tried_at = serializers.DateTimeField(allow_null=True)
    problem = serializers.CharField(help_text="Of the last try; empty: none.")


class RefusalSerializer(serializers.Serializer[Refusal]):
    ip_address = serializers.IPAddressField(source="host")
    port = serializers.IntegerField(help_text="Of the last one.")
    status = serializers.IntegerField(help_text="407 asked for a password, 403 refused.")
    count = serializers.IntegerField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    listed = serializers.ChoiceField(
        [(one.value, one.value) for one in RefusalState],
        source="state",
        help_text="What the lists say of it by now.",
    )


class ConflictSerializer(serializers.Serializer[Conflict]):
    code = serializers.ChoiceField([(one.value, one.value) for one in ConflictCode])
    ip_address = serializers.IPAddressField(source="network.network_address")
    cidr_prefix_length = serializers.IntegerField(source="network.prefixlen")
    sentence = serializers.CharField()


class TrunkEvidenceSerializer(serializers.Serializer[Evidence]):
    at = serializers.DateTimeField()
    text = serializers.CharField()
    count = serializers.IntegerField()
    last_at = serializers.DateTimeField(allow_null=True)


class TrunkFindingSerializer(serializers.Serializer[Finding]):
    code = serializers.CharField()
    severity = serializers.ChoiceField([(one.value, one.value) for one in Severity])
    sentence = serializers.CharField()
    evidence = TrunkEvidenceSerializer(many=True)
    fix = serializers.CharField()


class TrunkStatusSerializer(serializers.Serializer[TrunkStatus]):
    checked_at = serializers.DateTimeField(source="now")
    last_packet = LastPacketSerializer(source="facts.last_packet", allow_null=True)
    hosts = ResolvedHostSerializer(source="facts.names", many=True)
    refusals = RefusalSerializer(source="facts.refusals", many=True)
    conflicts = ConflictSerializer(source="facts.conflicts", many=True)
    findings = TrunkFindingSerializer(many=True, help_text="The verdict first; never empty.")
