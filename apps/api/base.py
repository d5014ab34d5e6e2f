"""What every view of the API shares. Must not allow anything: that is apps.accounts.permissions."""

from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from apps.accounts.models import User
from apps.api.filters import KnownFiltersOnly
from apps.api.identifiers import find
from apps.api.paging import KeysetPagination
from apps.api.parsing import BoundedJSONParser
from apps.api.problems import NOT_FOUND, Problem
from apps.api.schema import ProblemSchema
from apps.extensions.audit import Actor

Row = TypeVar("Row", bound=Model)


class ApiView(APIView):
    """field_names: a service's name of a field -> the API's."""

    parser_classes = [BoundedJSONParser]
    metadata_class = None
    schema = ProblemSchema()
    field_names: ClassVar[dict[str, str]] = {}

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """No answer is for a cache: each is for one token, and some hold a password."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        return response

    @property
    def actor(self) -> Actor:
        user = self.request.user
        assert isinstance(user, User)
        return Actor.of_user(user, "api")


class ApiViewSet(ApiView, GenericViewSet[Any]):
    """Rows found by UUID or by name_field, listed in `ordering` (its last column is unique)."""

    http_method_names = ["get", "post", "patch", "delete", "head"]
    filter_backends = [KnownFiltersOnly]
    pagination_class = KeysetPagination
    ordering: ClassVar[tuple[str, ...]] = ()
    name_field: ClassVar[str] = "name"
    walks = False

    def body(self, serializer_class: type[BaseSerializer[Any]], partial: bool = False) -> dict[str, Any]:
        """The request's fields, checked. Raises ValidationError."""
        serializer = serializer_class(data=self.request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        fields: dict[str, Any] = serializer.validated_data
        return fields

    def ids_of_page(self, rows: QuerySet[Any]) -> list[Any]:
        """The keys of a page of rows that are then read with more."""
        found: list[Any] = [row.pk for row in self.paginate_queryset(self.filter_queryset(rows)) or ()]
        return found

    def paged(self, rows: list[Any], serializer_class: type[BaseSerializer[Any]]) -> Response:
        """The answer with these rows of the page that was read last."""
        return self.get_paginated_response(serializer_class(rows, many=True).data)

    def page_of(self, rows: QuerySet[Any], serializer_class: type[BaseSerializer[Any]]) -> Response:
        page = self.paginate_queryset(self.filter_queryset(rows))
        return self.paged(list(page or ()), serializer_class)

    def walked_rows(self) -> QuerySet[Any]:
        """Every row of the list in `ordering`, by an index, for a filter that no index knows (`walks`)."""
        model: type[Model] = self.get_queryset().model
        return model._default_manager.all()

    def named(self, rows: QuerySet[Row]) -> Row:
        """The row that the address names."""
        return find(rows, self.kwargs[self.lookup_url_kwarg or self.lookup_field], self.name_field)


class Unknown(ApiView):
    """Whatever else lies under /api/: a problem too, and not a page."""

    schema = None  # type: ignore[assignment]
    permission_classes: ClassVar[list[type[BasePermission]]] = []  # type: ignore[misc, assignment, unused-ignore]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not request.user:
            self.permission_denied(request)
        raise Problem(NOT_FOUND, "There is nothing under this address.")
