"""What belongs to one trunk: host names it is trusted by, its numbers, and what is known of it right now."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiView
from apps.api.filters import refuse_unknown_parameters
from apps.api.identifiers import find
from apps.api.serializers.trunk_status import TrunkStatusSerializer
from apps.api.serializers.trunks import HostCreate, HostSerializer, NumberPut, NumberSerializer
from apps.api.views.trunks import NAMED, TrunkPartViewSet, trunks
from apps.extensions.models import TrunkNumber, TrustedHost
from apps.trunks.services import (
    trunk_number_remove,
    trunk_numbers_put,
    trusted_host_add,
    trusted_host_remove,
)
from apps.trunks.status import status_of


class TrustedHostViewSet(TrunkPartViewSet):
    """The host names one trunk is trusted by."""

    serializer_class = HostSerializer
    queryset = TrustedHost.objects.select_related("peer")
    ordering = ("created_at", "id")
    missing = "This trunk has no host name of this id."

    @NAMED
    @extend_schema(request=HostCreate, responses={201: HostSerializer})
    def create(self, request: Request, trunk: str) -> Response:
        """Trusts the trunk from the addresses of one more name, resolved again every minute."""
        return self.created(trusted_host_add(trunk=self.trunk(), actor=self.actor, **self.body(HostCreate)))

    def remove(self, row: TrustedHost) -> None:
        trusted_host_remove(host=row, actor=self.actor)


class TrunkNumberViewSet(TrunkPartViewSet):
    """The numbers one trunk brings calls for, each with its extension."""

    serializer_class = NumberSerializer
    queryset = TrunkNumber.objects.select_related("peer", "extension")
    ordering = ("number", "id")
    field_names = {"numbers": "number"}
    missing = "This trunk has no number of this id."

    @NAMED
    @extend_schema(request=NumberPut, responses={201: NumberSerializer})
    def create(self, request: Request, trunk: str) -> Response:
        """Gives a number to an extension; one that the trunk has already means this extension from now on."""
        fields = self.body(NumberPut)
        wanted = [(fields["number"], fields["extension"])]
        [made] = trunk_numbers_put(trunk=self.trunk(), numbers=wanted, actor=self.actor)
        return self.created(made)

    def remove(self, row: TrunkNumber) -> None:
        trunk_number_remove(number=row, actor=self.actor)


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
