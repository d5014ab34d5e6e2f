"""The registration trace of a SIP peer and its messages."""

from rest_framework import serializers

from apps.api.serializers.strict import StrictSerializer
from apps.registrar.trace.ladder import shown_text
from apps.registrar.trace.messages import MOST_BYTES, Direction
from apps.registrar.trace.models import TracedMessage
from apps.registrar.trace.selectors import TraceStatus
from apps.registrar.trace.services import DEFAULT_MIN, LONGEST_MIN, SHORTEST_MIN


class TraceStart(StrictSerializer):
    minutes = serializers.IntegerField(
        required=False, default=DEFAULT_MIN, min_value=SHORTEST_MIN, max_value=LONGEST_MIN
    )


class TraceSerializer(serializers.Serializer[TraceStatus]):
    is_on = serializers.BooleanField(help_text="Whether messages are recorded at this moment.")
    started_by = serializers.CharField(help_text="Empty: there is no trace, or it was tidied away.")
    started_at = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True, help_text="When it ends, or ended.")
    message_count = serializers.IntegerField()


class TracedMessageSerializer(serializers.Serializer[TracedMessage]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    direction = serializers.ChoiceField(
        [(way.value, way.value) for way in Direction],
        help_text="in: from the phone; out: from the registrar.",
    )
    source = serializers.CharField(  # type: ignore[assignment]  # DRF takes declared fields off the class
        help_text="address:port, an IPv6 address in brackets."
    )
    destination = serializers.CharField()
    transport = serializers.CharField()
    size = serializers.IntegerField(help_text=f"Bytes on the wire; the first {MOST_BYTES} are kept.")
    text = serializers.SerializerMethodField(
        help_text="The message, secrets masked; what is no plain text stands by its code, like \\x00."
    )

    def get_text(self, message: TracedMessage) -> str:
        return shown_text(bytes(message.data))
