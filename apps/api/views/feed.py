"""/api/v1/events/feed/ and /api/v1/events/stream: what happens, in one order, from a cursor on."""

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import ApiToken
from apps.api.base import ApiView
from apps.api.event_stream import MOST_STREAMS, open_streams
from apps.api.filters import refuse_unknown_parameters
from apps.api.problems import TOO_MANY_STREAMS, Problem
from apps.api.serializers.webhooks import FeedQuestion, FeedSerializer, PagedFeedQuestion
from apps.webhooks.feed import Wanted, feed_update, last_id, read

DEFAULT_LIMIT = 100


def asked(request: Request, question: type[FeedQuestion]) -> dict[str, Any]:
    """The query parameters, checked."""
    refuse_unknown_parameters(request, frozenset(question().fields))
    serializer = question(data=request.query_params.dict())
    serializer.is_valid(raise_exception=True)
    fields: dict[str, Any] = serializer.validated_data
    return fields


def wanted_of(fields: dict[str, Any]) -> Wanted:
    number, _, domain = fields.get("extension", "").partition("@")
    domain = fields.get("domain", domain).lower()
    return Wanted(fields.get("types", ()), domain, number)


class EventFeedView(ApiView):
    """What happened, oldest first, from a cursor on; as webhooks and the stream tell it."""

    @extend_schema(parameters=[PagedFeedQuestion], responses=FeedSerializer)
    def get(self, request: Request) -> Response:
        fields = asked(request, PagedFeedQuestion)
        feed_update()
        found = read(wanted_of(fields), fields.get("after", 0), most=fields.get("limit", DEFAULT_LIMIT))
        has_more = found.cursor < last_id()
        return Response({"cursor": found.cursor, "has_more": has_more, "events": found.events})


class EventStreamRenderer(JSONRenderer):
    """For the problems of one who accepts nothing but a stream."""

    media_type = "text/event-stream"
    format = "event-stream"


class EventStreamView(ApiView):
    """What happens, as Server-Sent Events: `id` is the cursor, `event` the type, `data` the event as the feed has it.

    Says who may listen to what; event_stream.py, around Django, then keeps the connection without a thread."""

    renderer_classes: ClassVar[list[type[JSONRenderer]]] = [EventStreamRenderer, JSONRenderer]  # type: ignore[misc, unused-ignore]

    @extend_schema(
        parameters=[
            FeedQuestion,
            OpenApiParameter("Last-Event-ID", OpenApiTypes.INT, OpenApiParameter.HEADER),
        ],
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> Response:
        fields = asked(request, FeedQuestion)
        if open_streams() >= MOST_STREAMS:
            raise Problem(TOO_MANY_STREAMS, f"This process serves {MOST_STREAMS} streams already.")
        wanted = wanted_of(fields)
        assert isinstance(request.auth, ApiToken)
        last_event_id = request.headers.get("Last-Event-ID", "")
        after = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 19 else None
        return Response(
            {
                "token_id": request.auth.pk,
                "after": fields.get("after") if after is None else after,
                "types": wanted.types,
                "domain": wanted.domain,
                "extension": wanted.extension,
            }
        )
