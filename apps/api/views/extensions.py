"""/api/v1/extensions/"""

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiViewSet
from apps.api.filters import ExtensionFilters
from apps.api.identifiers import domain_named
from apps.api.serializers.extensions import (
    ExtensionChange,
    ExtensionCreate,
    ExtensionSerializer,
    NewExtensionSerializer,
)
from apps.api.serializers.peers import shown_once
from apps.api.views.peers import peers_to_show
from apps.extensions.models import Extension
from apps.extensions.services import extension_create
from apps.registrar.services import extension_delete, extension_update

NAMED = extend_schema(
    parameters=[
        OpenApiParameter(
            "extension",
            OpenApiTypes.STR,
            OpenApiParameter.PATH,
            description="Its UUID, its number, or number@domain.",
        )
    ]
)


class ExtensionViewSet(ApiViewSet):
    serializer_class = ExtensionSerializer
    filterset_class = ExtensionFilters
    lookup_url_kwarg = "extension"
    lookup_value_regex = "[^/]+"
    name_field = "number"
    ordering = ("number", "id")
    field_names = {"number": "extension", "name": "extension"}

    def get_queryset(self) -> QuerySet[Extension]:
        return Extension.objects.select_related("domain").prefetch_related(
            Prefetch("peers", queryset=peers_to_show())
        )

    def list(self, request: Request) -> Response:
        ids = self.ids_of_page(Extension.objects.only("id", "number"))
        found = {extension.pk: extension for extension in self.get_queryset().filter(pk__in=ids)}
        shown = [found[each] for each in ids if each in found]
        return self.paged(shown, ExtensionSerializer)

    @NAMED
    def retrieve(self, request: Request, extension: str) -> Response:
        return Response(ExtensionSerializer(self.named(self.get_queryset())).data)

    @extend_schema(request=ExtensionCreate, responses={201: NewExtensionSerializer})
    def create(self, request: Request) -> Response:
        """Makes the extension with its first SIP peer, and shows the password and the registration string once."""
        fields = self.body(ExtensionCreate)
        number, domain = fields.pop("extension"), domain_named(fields.pop("domain", None))
        new = extension_create(domain=domain, number=number, actor=self.actor, **fields)
        made = self.get_queryset().get(peers=new.peer)
        shown: dict[str, Any] = {**ExtensionSerializer(made).data, **shown_once(new)}
        return Response(shown, status=status.HTTP_201_CREATED)

    @NAMED
    @extend_schema(request=ExtensionChange, responses=ExtensionSerializer)
    def partial_update(self, request: Request, extension: str) -> Response:
        fields = self.body(ExtensionChange, partial=True)
        changed = extension_update(extension=self.named(self.get_queryset()), actor=self.actor, **fields)
        return Response(ExtensionSerializer(self.get_queryset().get(pk=changed.pk)).data)

    @NAMED
    def destroy(self, request: Request, extension: str) -> Response:
        """Removes the extension with its SIP peers, and ends their registrations."""
        extension_delete(extension=self.named(self.get_queryset()), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
