"""/api/v1/registrations/: live bindings; /api/v1/events/: what happened to them."""

from django.db.models import DurationField, ExpressionWrapper, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiViewSet
from apps.api.filters import EventFilters, RegistrationFilters
from apps.api.identifiers import UUID_PATTERN
from apps.api.problems import NOT_FOUND, Problem
from apps.api.serializers.registrations import EventSerializer, RegistrationSerializer
from apps.extensions.models import Extension, Peer
from apps.registrar.models import Binding, RegistrationEvent
from apps.registrar.selectors import live_bindings, with_signal
from apps.registrar.services import binding_drop

BY_ID = extend_schema(parameters=[OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)])


def registrations_to_show(bindings: QuerySet[Binding]) -> QuerySet[Binding]:
    """With everything RegistrationSerializer wants: one query."""
    remaining = ExpressionWrapper(F("expires_at") - Now(), output_field=DurationField())
    joined = with_signal(bindings.select_related("peer__domain", "extension"))
    return joined.annotate(remaining=remaining)


class RegistrationViewSet(ApiViewSet):
    """Registrations that are live now; an expired one is not found, swept or not."""

    serializer_class = RegistrationSerializer
    filterset_class = RegistrationFilters
    lookup_url_kwarg = "id"
    lookup_value_regex = UUID_PATTERN
    ordering = ("aor", "binding_id")

    def get_queryset(self) -> QuerySet[Binding]:
        return registrations_to_show(live_bindings())

    def list(self, request: Request) -> Response:
        return self.page_of(self.get_queryset(), RegistrationSerializer)

    @BY_ID
    def retrieve(self, request: Request, id: str) -> Response:  # noqa: A002 - the address's name
        return Response(RegistrationSerializer(self._binding(id)).data)

    @BY_ID
    def destroy(self, request: Request, id: str) -> Response:  # noqa: A002 - the address's name
        """Drops the registration. The phone may register again."""
        binding_drop(binding=self._binding(id), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _binding(self, binding_id: str) -> Binding:
        found = self.get_queryset().filter(binding_id=binding_id).first()
        if found is None:
            raise Problem(NOT_FOUND, "No live registration has this id.")
        return found


class EventViewSet(ApiViewSet):
    """The ledger, newest first. It outlives the extension and the SIP peer it tells of."""

    serializer_class = EventSerializer
    filterset_class = EventFilters
    ordering = ("-at", "-event_id")

    def get_queryset(self) -> QuerySet[RegistrationEvent]:
        peer = Peer.objects.filter(pk=OuterRef("peer_id"))
        extension = Extension.objects.filter(pk=OuterRef("extension_id"))
        return RegistrationEvent.objects.annotate(
            peer_name=Subquery(peer.values("name")), extension_number=Subquery(extension.values("number"))
        )

    def list(self, request: Request) -> Response:
        return self.page_of(self.get_queryset(), EventSerializer)
