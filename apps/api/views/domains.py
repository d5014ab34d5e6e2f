"""/api/v1/domains/: how each SIP domain registers phones. Domains are made at the first start, not here."""

from django.db.models import Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiViewSet
from apps.api.identifiers import parse_reference
from apps.api.problems import NOT_FOUND, Problem
from apps.api.serializers.domains import DomainChange, DomainSerializer
from apps.extensions.models import Domain
from apps.extensions.services import domain_update

NAMED = extend_schema(
    parameters=[
        OpenApiParameter(
            "domain", OpenApiTypes.STR, OpenApiParameter.PATH, description="Its UUID or its name."
        )
    ]
)


class DomainViewSet(ApiViewSet):
    serializer_class = DomainSerializer
    lookup_url_kwarg = "domain"
    lookup_value_regex = "[^/]+"
    ordering = ("name",)

    def get_queryset(self) -> QuerySet[Domain]:
        return Domain.objects.all()

    def list(self, request: Request) -> Response:
        return self.page_of(self.get_queryset(), DomainSerializer)

    @NAMED
    def retrieve(self, request: Request, domain: str) -> Response:
        return Response(DomainSerializer(self._domain(domain)).data)

    @NAMED
    @extend_schema(request=DomainChange, responses=DomainSerializer)
    def partial_update(self, request: Request, domain: str) -> Response:
        """Changes how the domain registers phones, from their next request on."""
        fields = self.body(DomainChange, partial=True)
        changed = domain_update(domain=self._domain(domain), actor=self.actor, **fields)
        return Response(DomainSerializer(changed).data)

    def _domain(self, text: str) -> Domain:
        reference = parse_reference(text)
        wanted = Q(pk=reference.id) if reference and reference.id else Q(name=text.lower())
        found = self.get_queryset().filter(wanted).first() if text.isprintable() else None
        if found is None:
            raise Problem(NOT_FOUND, "No domain of this name or id is served here.")
        return found
