"""Subscriptions to registration state (RFC 3680)."""

import math
from datetime import timedelta

from rest_framework import serializers

from apps.registrar.regevent.models import RegSubscription
from apps.registrar.regevent.selectors import NotifyState


class SubscriptionSerializer(serializers.Serializer[RegSubscription]):
    """Expects rows of subscriptions_of_extension()."""

    id = serializers.UUIDField(source="subscription_id")
    aor = serializers.CharField(help_text="Whose registrations are told.")
    peer = serializers.CharField(source="peer_name", allow_null=True, help_text="The SIP peer that asked.")
    peer_id = serializers.UUIDField()
    subscriber = serializers.CharField(source="remote_uri", help_text="The address it asked as.")
    contact = serializers.CharField(source="target", help_text="The contact that NOTIFYs are addressed to.")
    received_addr = serializers.CharField(source="host", help_text="The address that NOTIFYs are sent to.")
    received_port = serializers.IntegerField(source="port")
    transport = serializers.CharField()
    has_flow = serializers.SerializerMethodField(
        help_text="Whether it came over a connection, with which it ends; false: over UDP."
    )
    call_id = serializers.CharField()
    notify_cseq = serializers.IntegerField(source="cseq", help_text="CSeq of the last NOTIFY.")
    notify_version = serializers.IntegerField(source="told_version", help_text="Of the last document.")
    notify_state = serializers.ChoiceField(NotifyState.choices)
    notified_at = serializers.DateTimeField(help_text="When the last NOTIFY was, or is, due.")
    expires_at = serializers.DateTimeField()
    expires_s = serializers.SerializerMethodField(help_text="Seconds left.")

    def get_has_flow(self, subscription: RegSubscription) -> bool:
        return subscription.flow is not None

    def get_expires_s(self, subscription: RegSubscription) -> int:
        remaining: timedelta = getattr(subscription, "remaining")  # noqa: B009 - an annotation
        return max(0, math.ceil(remaining.total_seconds()))
