"""Extensions."""

from rest_framework import serializers

from apps.api.serializers.peers import PASSWORD_HELP, NewPasswordSerializer, PeerSerializer
from apps.api.serializers.strict import StrictSerializer
from apps.extensions.models import Extension


class ExtensionSerializer(serializers.Serializer[Extension]):
    """Expects `domain` joined and `peers` prefetched as PeerSerializer wants them."""

    id = serializers.UUIDField()
    extension = serializers.CharField(source="number")
    display_name = serializers.CharField()
    domain = serializers.CharField(source="domain.name")
    aor = serializers.CharField()
    enabled = serializers.BooleanField()
    peers = PeerSerializer(many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class NewExtensionSerializer(ExtensionSerializer, NewPasswordSerializer):
    """An extension just made, with its first peer's password this once."""


class ExtensionChange(StrictSerializer):
    display_name = serializers.CharField(required=False, allow_blank=True, max_length=128)
    enabled = serializers.BooleanField(required=False)


class ExtensionCreate(ExtensionChange):
    extension = serializers.CharField(max_length=64, help_text="The number: letters, digits, . _ - + * ~ !")
    domain = serializers.CharField(
        required=False, max_length=253, help_text="Needed when several domains are served."
    )
    username = serializers.CharField(required=False, max_length=64, help_text="The number when absent.")
    password = serializers.CharField(
        required=False, max_length=128, trim_whitespace=False, help_text=PASSWORD_HELP
    )
