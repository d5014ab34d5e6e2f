"""/api/v1/trunks/ and the addresses each is trusted from."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiViewSet
from apps.api.filters import TrunkFilters
from apps.api.identifiers import domain_named, find
from apps.api.problems import NOT_FOUND, Problem
from apps.api.serializers.trunks import (
    IpAddressCreate,
    IpAddressSerializer,
    TrunkChange,
    TrunkCreate,
    TrunkSerializer,
)
from apps.extensions.models import Peer, PeerKind, TrustedAddress
from apps.extensions.services import trunk_create, trusted_address_remove
from apps.registrar.services import peer_delete, peer_update
from apps.trunks.services import trunk_settings_update, trusted_address_add

NAMED = extend_schema(
    parameters=[
        OpenApiParameter(
            "trunk",
            OpenApiTypes.STR,
            OpenApiParameter.PATH,
            description="Its UUID, its name, or name@domain.",
        )
    ]
)
BY_ID = extend_schema(parameters=[OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)])


def trunks() -> QuerySet[Peer]:
    return Peer.objects.filter(kind=PeerKind.TRUNK).select_related("domain", "trunk_settings")


class TrunkViewSet(ApiViewSet):
    serializer_class = TrunkSerializer
    filterset_class = TrunkFilters
    lookup_url_kwarg = "trunk"
    lookup_value_regex = "[^/]+"
    ordering = ("name", "id")

    def get_queryset(self) -> QuerySet[Peer]:
        return trunks().prefetch_related("trusted_addresses", "trusted_hosts")

    def list(self, request: Request) -> Response:
        return self.page_of(self.get_queryset(), TrunkSerializer)

    @NAMED
    def retrieve(self, request: Request, trunk: str) -> Response:
        return Response(TrunkSerializer(self.named(self.get_queryset())).data)

    @extend_schema(request=TrunkCreate, responses={201: TrunkSerializer})
    def create(self, request: Request) -> Response:
        """Makes a trunk that is trusted from nowhere yet."""
        fields = self.body(TrunkCreate)
        domain = domain_named(fields.pop("domain", None))
        made = trunk_create(domain=domain, actor=self.actor, **fields)
        return Response(TrunkSerializer(made).data, status=status.HTTP_201_CREATED)

    @NAMED
    @extend_schema(request=TrunkChange, responses=TrunkSerializer)
    def partial_update(self, request: Request, trunk: str) -> Response:
        fields = self.body(TrunkChange, partial=True)
        changed = self.named(self.get_queryset())
        enabled = {name: fields.pop(name) for name in ("enabled",) if name in fields}
        with transaction.atomic():
            peer_update(peer=changed, actor=self.actor, **enabled)
            trunk_settings_update(trunk=changed, actor=self.actor, **fields)
        return Response(TrunkSerializer(self.get_queryset().get(pk=changed.pk)).data)

    @NAMED
    def destroy(self, request: Request, trunk: str) -> Response:
        peer_delete(peer=self.named(self.get_queryset()), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class TrunkPartViewSet(ApiViewSet):
    """What one trunk has several of. queryset: those of all trunks, with their trunk as peer; missing: the answer for
    an id that is none of the trunk's."""

    lookup_url_kwarg = "id"
    missing: ClassVar[str]

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().filter(peer=self.trunk())

    @NAMED
    def list(self, request: Request, trunk: str) -> Response:
        return self.page_of(self.get_queryset(), self.get_serializer_class())

    @NAMED
    @BY_ID
    def retrieve(self, request: Request, trunk: str, id: str) -> Response:  # noqa: A002 - the row's name
        return Response(self.get_serializer_class()(self.row()).data)

    @NAMED
    @BY_ID
    def destroy(self, request: Request, trunk: str, id: str) -> Response:  # noqa: A002 - the row's name
        self.remove(self.row())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def remove(self, row: Any) -> None:
        raise NotImplementedError

    def created(self, row: Any) -> Response:
        return Response(self.get_serializer_class()(row).data, status=status.HTTP_201_CREATED)

    def trunk(self) -> Peer:
        return find(trunks(), self.kwargs["trunk"], "name")

    def row(self) -> Any:
        found = self.get_queryset().filter(pk=self.kwargs["id"]).first()
        if found is None:
            raise Problem(NOT_FOUND, self.missing)
        return found


class IpAddressViewSet(TrunkPartViewSet):
    """Where one trunk is trusted from."""

    serializer_class = IpAddressSerializer
    queryset = TrustedAddress.objects.select_related("peer")
    ordering = ("created_at", "id")
    field_names = {"network": "ip_address"}
    missing = "This trunk has no address of this id."

    @NAMED
    @extend_schema(request=IpAddressCreate, responses={201: IpAddressSerializer})
    def create(self, request: Request, trunk: str) -> Response:
        """Trusts the trunk from one more network; a wide one only with wide_confirmed, one where phones or another
        trunk are only with conflicts_confirmed."""
        fields = self.body(IpAddressCreate)
        return self.created(trusted_address_add(trunk=self.trunk(), actor=self.actor, **fields))

    def remove(self, row: TrustedAddress) -> None:
        trusted_address_remove(address=row, actor=self.actor)
