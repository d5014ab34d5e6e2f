"""Why a phone does not ring: findings with their evidence, the first is the verdict."""

from rest_framework import serializers

from apps.diagnosis.facts import Certainty, Evidence, Finding, Severity


class EvidenceSerializer(serializers.Serializer[Evidence]):
    at = serializers.DateTimeField()
    last_at = serializers.DateTimeField(allow_null=True, help_text="null: it happened once.")
    count = serializers.IntegerField()
    text = serializers.CharField()


class FindingSerializer(serializers.Serializer[Finding]):
    code = serializers.CharField(help_text="Stable; what programs compare. docs/diagnosis.md lists them.")
    severity = serializers.ChoiceField([(each.value, each.value) for each in Severity])
    certainty = serializers.ChoiceField([(each.value, each.value) for each in Certainty])
    sentence = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    evidence = EvidenceSerializer(many=True)
    fix = serializers.CharField(help_text='What to change, and where; "" when nothing is.')


class DiagnosisSerializer(serializers.Serializer[dict[str, object]]):
    """findings: the most harmful and most certain first; never empty."""

    peer = serializers.CharField()
    peer_id = serializers.UUIDField()
    extension = serializers.CharField(allow_null=True)
    domain = serializers.CharField()
    checked_at = serializers.DateTimeField()
    verdict = FindingSerializer(help_text="The first of the findings.")
    findings = FindingSerializer(many=True)


class ExtensionDiagnosisSerializer(serializers.Serializer[dict[str, object]]):
    """verdict: of the device that answers for the extension; it rings where one of them is fine. null: no device."""

    extension = serializers.CharField()
    extension_id = serializers.UUIDField()
    domain = serializers.CharField()
    peer = serializers.CharField(allow_null=True, help_text="The SIP peer the verdict is about.")
    verdict = FindingSerializer(allow_null=True)
    peers = DiagnosisSerializer(many=True)
