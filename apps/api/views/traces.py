"""/api/v1/peers/{peer}/trace/ and the messages it brought."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiViewSet
from apps.api.identifiers import find
from apps.api.serializers.traces import TracedMessageSerializer, TraceSerializer, TraceStart
from apps.api.views.peers import NAMED
from apps.extensions.models import Peer, PeerKind
from apps.registrar.trace.models import TracedMessage
from apps.registrar.trace.selectors import trace_status, traced_messages
from apps.registrar.trace.services import trace_start, trace_stop


def device_named(text: str) -> Peer:
    return find(Peer.objects.filter(kind=PeerKind.DEVICE), text, "name")


class TraceViewSet(ApiViewSet):
    serializer_class = TraceSerializer

    @NAMED
    def retrieve(self, request: Request, peer: str) -> Response:
        return Response(TraceSerializer(trace_status(device_named(peer))).data)

    @NAMED
    @extend_schema(request=TraceStart, responses={201: TraceSerializer})
    def create(self, request: Request, peer: str) -> Response:
        """Records the SIP peer's messages for so long. What an earlier trace brought goes; one that is on goes on."""
        found = device_named(peer)
        trace_start(peer=found, actor=self.actor, minutes=self.body(TraceStart)["minutes"])
        return Response(TraceSerializer(trace_status(found)).data, status=status.HTTP_201_CREATED)

    @NAMED
    def destroy(self, request: Request, peer: str) -> Response:
        """Ends the trace now. What it brought stays for a day."""
        trace_stop(peer=device_named(peer), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class TracedMessageViewSet(ApiViewSet):
    """What the trace brought, oldest first."""

    serializer_class = TracedMessageSerializer
    lookup_url_kwarg = "peer"
    ordering = ("at", "id")

    def get_queryset(self) -> QuerySet[TracedMessage]:
        return TracedMessage.objects.all()

    @NAMED
    def list(self, request: Request, peer: str) -> Response:
        return self.page_of(traced_messages(device_named(peer)), TracedMessageSerializer)
