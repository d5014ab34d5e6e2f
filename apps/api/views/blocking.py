"""/api/v1/blocked-sources/: networks whose packets the registrar does not answer."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiViewSet
from apps.api.identifiers import UUID_PATTERN
from apps.api.problems import NOT_FOUND, Problem
from apps.api.serializers.blocking import BlockedSourceCreate, BlockedSourceSerializer
from apps.extensions.models import BlockedSource
from apps.extensions.services import source_block, source_unblock

BY_ID = extend_schema(parameters=[OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)])


class BlockedSourceViewSet(ApiViewSet):
    serializer_class = BlockedSourceSerializer
    queryset = BlockedSource.objects.all()
    lookup_url_kwarg = "id"
    lookup_value_regex = UUID_PATTERN
    ordering = ("created_at", "id")
    field_names = {"network": "ip_address"}

    def list(self, request: Request) -> Response:
        return self.page_of(self.get_queryset(), BlockedSourceSerializer)

    @extend_schema(request=BlockedSourceCreate, responses={201: BlockedSourceSerializer})
    def create(self, request: Request) -> Response:
        """Answers nothing more from a network; a wide one only with wide_confirmed. What is registered there stays."""
        made = source_block(actor=self.actor, **self.body(BlockedSourceCreate))
        return Response(BlockedSourceSerializer(made).data, status=status.HTTP_201_CREATED)

    @BY_ID
    def retrieve(self, request: Request, id: str) -> Response:  # noqa: A002 - the address's name
        return Response(BlockedSourceSerializer(self._source()).data)

    @BY_ID
    def destroy(self, request: Request, id: str) -> Response:  # noqa: A002 - the address's name
        source_unblock(source=self._source(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _source(self) -> BlockedSource:
        found = BlockedSource.objects.filter(pk=self.kwargs["id"]).first()
        if found is None:
            raise Problem(NOT_FOUND, "No source of this id is blocked.")
        return found
