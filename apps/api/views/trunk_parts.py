"""What belongs to one trunk: host names it is trusted by, its numbers, and what is known of it right now."""

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiView, ApiViewSet
from apps.api.filters import refuse_unknown_parameters
from apps.api.identifiers import find
from apps.api.problems import NOT_FOUND, Problem
from apps.api.serializers.trunk_status import TrunkStatusSerializer
from apps.api.serializers.trunks import HostCreate, HostSerializer, NumberPut, NumberSerializer
from apps.api.views.trunks import BY_ID, NAMED, trunks
from apps.extensions.models import Peer, TrunkNumber, TrustedHost
from apps.trunks.services import (
    trunk_number_remove,
    trunk_numbers_put,
    trusted_host_add,
    trusted_host_remove,
)
from apps.trunks.status import status_of


class TrustedHostViewSet(ApiViewSet):
    """The host names one trunk is trusted by."""

    serializer_class = HostSerializer
    queryset = TrustedHost.objects.none()
    lookup_url_kwarg = "id"
    ordering = ("created_at", "id")

    @NAMED
    def list(self, request: Request, trunk: str) -> Response:
        return self.page_of(self._rows(), HostSerializer)

    @NAMED
    @extend_schema(request=HostCreate, responses={201: HostSerializer})
    def create(self, request: Request, trunk: str) -> Response:
        """Trusts the trunk from the addresses of one more name, resolved again every minute."""
        made = trusted_host_add(trunk=self._trunk(), actor=self.actor, **self.body(HostCreate))
        return Response(HostSerializer(made).data, status=status.HTTP_201_CREATED)

    @NAMED
    @BY_ID
    def retrieve(self, request: Request, trunk: str, id: str) -> Response:  # noqa: A002 - the row's name
        return Response(HostSerializer(self._host(id)).data)

    @NAMED
    @BY_ID
    def destroy(self, request: Request, trunk: str, id: str) -> Response:  # noqa: A002 - the row's name
        trusted_host_remove(host=self._host(id), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _trunk(self) -> Peer:
        return find(trunks(), self.kwargs["trunk"], "name")

    def _rows(self) -> QuerySet[TrustedHost]:
        return TrustedHost.objects.filter(peer=self._trunk()).select_related("peer")

    def _host(self, host_id: str) -> TrustedHost:
        found = self._rows().filter(pk=host_id).first()
        if found is None:
            raise Problem(NOT_FOUND, "This trunk has no host name of this id.")
        return found


class TrunkNumberViewSet(ApiViewSet):
    """The numbers one trunk brings calls for, each with its extension."""

    serializer_class = NumberSerializer
    queryset = TrunkNumber.objects.none()
    lookup_url_kwarg = "id"
    ordering = ("number", "id")
    field_names = {"numbers": "number"}

    @NAMED
    def list(self, request: Request, trunk: str) -> Response:
        return self.page_of(self._rows(), NumberSerializer)

    @NAMED
    @extend_schema(request=NumberPut, responses={201: NumberSerializer})
    def create(self, request: Request, trunk: str) -> Response:
        """Gives a number to an extension; one that the trunk has already means this extension from now on."""
        fields = self.body(NumberPut)
        wanted = [(fields["number"], fields["extension"])]
        [made] = trunk_numbers_put(trunk=self._trunk(), numbers=wanted, actor=self.actor)
        return Response(NumberSerializer(made).data, status=status.HTTP_201_CREATED)

    @NAMED
    @BY_ID
    def retrieve(self, request: Request, trunk: str, id: str) -> Response:  # noqa: A002 - the row's name
        return Response(NumberSerializer(self._number(id)).data)

    @NAMED
    @BY_ID
    def destroy(self, request: Request, trunk: str, id: str) -> Response:  # noqa: A002 - the row's name
        trunk_number_remove(number=self._number(id), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _trunk(self) -> Peer:
        return find(trunks(), self.kwargs["trunk"], "name")

    def _rows(self) -> QuerySet[TrunkNumber]:
        return TrunkNumber.objects.filter(peer=self._trunk()).select_related("peer", "extension")

    def _number(self, number_id: str) -> TrunkNumber:
        found = self._rows().filter(pk=number_id).first()
        if found is None:
            raise Problem(NOT_FOUND, "This trunk has no number of this id.")
        return found


class TrunkStatusView(ApiView):
    @extend_schema(
        operation_id="trunk_status",
        parameters=[
            OpenApiParameter(
                "trunk", OpenApiTypes.STR, OpenApiParameter.PATH, description="UUID, name, or name@domain."
            )
        ],
        responses=TrunkStatusSerializer,
    )
    def get(self, request: Request, trunk: str) -> Response:
        """What was heard of a trunk, what is in the way of its calls, and what to do."""
        refuse_unknown_parameters(request, frozenset())
        wanted = find(trunks().prefetch_related("trusted_addresses", "trusted_hosts"), trunk, "name")
        return Response(TrunkStatusSerializer(status_of(wanted)).data)
