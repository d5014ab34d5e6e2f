"""Webhooks, and events as they are told."""

from typing import Any

from rest_framework import serializers

from apps.api.serializers.strict import StrictSerializer
from apps.webhooks.kinds import TYPES
from apps.webhooks.models import Attempt, Webhook

TYPE_CHOICES = [(name, name) for name in TYPES]
LARGEST_CURSOR = 2**63 - 1


class WebhookSerializer(serializers.Serializer[Webhook]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    url = serializers.CharField()
    types = serializers.ListField(child=serializers.ChoiceField(TYPE_CHOICES), help_text="Empty: all.")
    domain = serializers.CharField(help_text="Empty: all.")
    extension = serializers.CharField(help_text="Empty: all.")
    enabled = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    cursor = serializers.IntegerField(help_text="The last event it has.")
    delivered_at = serializers.DateTimeField(allow_null=True, help_text="When it took something last.")
    failing_since = serializers.DateTimeField(allow_null=True)
    failures = serializers.IntegerField(help_text="In a row, until now.")
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    last_status = serializers.IntegerField(allow_null=True)
    last_error = serializers.CharField(help_text="A sentence; empty: all is well.")


class NewWebhookSerializer(WebhookSerializer):
    secret = serializers.CharField(help_text="Shown once.")


class SecretSerializer(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="Shown once.")


class WebhookChange(StrictSerializer):
    name = serializers.CharField(max_length=64)
    url = serializers.CharField(max_length=2000)
    types = serializers.ListField(child=serializers.ChoiceField(TYPE_CHOICES), required=False)
    domain = serializers.CharField(max_length=253, required=False, allow_blank=True)
    extension = serializers.CharField(max_length=64, required=False, allow_blank=True)
    enabled = serializers.BooleanField(required=False)


class WebhookCreate(WebhookChange):
    enabled = None  # type: ignore[assignment]


class Nothing(StrictSerializer):
    """A body without a field."""


class ReplayStart(StrictSerializer):
    cursor = serializers.IntegerField(
        min_value=0, max_value=LARGEST_CURSOR, required=False, help_text="Begin after this event."
    )
    time = serializers.DateTimeField(required=False, help_text="Or with what happened from then on.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Give either cursor or time.")
        return attrs


class PingSerializer(serializers.Serializer[Any]):
    status = serializers.IntegerField(allow_null=True, help_text="null: nothing came back.")
    error = serializers.CharField(help_text="A sentence; empty: it was taken.")
    body = serializers.CharField(help_text="The beginning of what came back.")
    duration_ms = serializers.IntegerField()


class AttemptSerializer(serializers.Serializer[Attempt]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    message_id = serializers.CharField(help_text="The header webhook-id.")
    events = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True)
    duration_ms = serializers.IntegerField()
    error = serializers.CharField()
    answer = serializers.CharField()


class ToldEventSerializer(serializers.Serializer[Any]):
    """An event of the feed. Changes of state have the two states in place of contact and addresses."""

    id = serializers.IntegerField(help_text="The cursor.")
    type = serializers.CharField()
    at = serializers.DateTimeField()
    aor = serializers.CharField()
    domain = serializers.CharField()
    extension = serializers.CharField(allow_null=True)
    extension_id = serializers.UUIDField(allow_null=True)
    peer = serializers.CharField(allow_null=True)
    peer_id = serializers.UUIDField(allow_null=True)
    event_id = serializers.IntegerField(required=False, help_text="Its id in /events/.")
    reason = serializers.CharField(required=False)
    count = serializers.IntegerField(required=False)
    registration_id = serializers.UUIDField(required=False, allow_null=True)
    contact = serializers.CharField(required=False)
    received_addr = serializers.CharField(required=False, allow_null=True)
    received_port = serializers.IntegerField(required=False, allow_null=True)
    old_received_addr = serializers.CharField(required=False, allow_null=True)
    old_received_port = serializers.IntegerField(required=False, allow_null=True)
    user_agent = serializers.CharField(required=False)
    old_state = serializers.CharField(required=False)
    state = serializers.CharField(required=False)


class FeedSerializer(serializers.Serializer[Any]):
    cursor = serializers.IntegerField(help_text="What to give as `after` the next time.")
    has_more = serializers.BooleanField(help_text="Whether to ask on at once.")
    events = ToldEventSerializer(many=True)


class FeedQuestion(serializers.Serializer[Any]):
    """The query parameters of the feed and of the stream."""

    types = serializers.CharField(required=False, help_text="Types, with commas between; all when absent.")
    domain = serializers.CharField(required=False, help_text="The domain's name.")
    extension = serializers.CharField(required=False, help_text="A number, or number@domain.")
    after = serializers.IntegerField(
        min_value=0, max_value=LARGEST_CURSOR, required=False, help_text="The cursor to go on after."
    )

    def validate_types(self, text: str) -> tuple[str, ...]:
        given = tuple(text.split(","))
        if unknown := set(given) - set(TYPES):
            raise serializers.ValidationError(f"Not known: {', '.join(sorted(unknown))[:100]}.")
        return given


class PagedFeedQuestion(FeedQuestion):
    limit = serializers.IntegerField(
        min_value=1, max_value=1000, required=False, help_text="How many events to look at; 100 when absent."
    )
