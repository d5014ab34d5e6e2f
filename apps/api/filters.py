"""The query parameters of the lists. A parameter nobody knows is refused, so a typing error never lists everything."""

from typing import Any, Final, TypeVar

import django_filters as filters  # type: ignore[import-untyped]
from django.db.models import Model, Q, QuerySet
from django_filters.rest_framework import DjangoFilterBackend  # type: ignore[import-untyped]
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.api.identifiers import parse_reference
from apps.extensions.models import Extension, Peer
from apps.registrar.models import Binding, RegistrationEvent
from apps.registrar.outcomes import EventKind
from apps.registrar.states import PeerState
from apps.sip.uri import UriError, address_of_record, parse_sip_uri

PAGING: Final = frozenset({"cursor", "limit"})
EVENT_KINDS: Final = [(kind.value, kind.value) for kind in EventKind]
Row = TypeVar("Row", bound=Model)
BY_NAME: Final = "Its UUID, its name, or name@domain."


def refuse_unknown_parameters(request: Request, known: frozenset[str]) -> None:
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        problem = f"There is no such filter. Known are: {', '.join(sorted(known))}."
        raise ValidationError({name[:64]: ErrorDetail(problem, "unknown_filter") for name in unknown})


class KnownFiltersOnly(DjangoFilterBackend):  # type: ignore[misc]
    def filter_queryset(self, request: Request, queryset: QuerySet[Row], view: APIView) -> QuerySet[Row]:
        filterset_class = self.get_filterset_class(view, queryset)
        names = filterset_class.base_filters if filterset_class else ()
        refuse_unknown_parameters(request, PAGING | frozenset(names))
        _refuse_empty_values(request)
        filtered: QuerySet[Row] = super().filter_queryset(request, queryset, view)
        return filtered


def _refuse_empty_values(request: Request) -> None:
    """An empty filter would be passed over: a client whose variable is unset must not be given everything."""
    empty = sorted(
        name for name, text in request.query_params.items() if name != "search" and not str(text).strip()
    )
    if empty:
        problem = "Give a value, or leave the parameter out."
        raise ValidationError({name: ErrorDetail(problem, "empty") for name in empty})


def _by_reference(queryset: QuerySet[Row], text: str, **fields: str) -> QuerySet[Row]:
    reference = parse_reference(text)
    return queryset.none() if reference is None else queryset.filter(reference.matching(**fields))


class DomainFilterSet(filters.FilterSet):  # type: ignore[misc]
    domain = filters.CharFilter(field_name="domain__name", lookup_expr="iexact", label="The domain's name.")


class ExtensionFilters(DomainFilterSet):
    extension = filters.CharFilter(field_name="number", label="The number, exactly.")
    enabled = filters.BooleanFilter()
    search = filters.CharFilter(method="by_search", label="Part of the number or of the display name.")

    class Meta:
        model = Extension
        fields = ("domain", "extension", "enabled", "search")

    def by_search(self, queryset: QuerySet[Extension], name: str, value: str) -> QuerySet[Extension]:
        return queryset.filter(Q(number__icontains=value) | Q(display_name__icontains=value))


class PeerFilters(DomainFilterSet):
    extension = filters.CharFilter(method="by_extension", label=f"The extension: {BY_NAME}")
    name = filters.CharFilter(label="The name, exactly.")
    username = filters.CharFilter(method="by_username", label="The user name the phone signs in with.")
    enabled = filters.BooleanFilter()
    state = filters.ChoiceFilter(choices=PeerState.choices)
    search = filters.CharFilter(method="by_search", label="Part of the name, number or display name.")

    class Meta:
        model = Peer
        fields = ("domain", "extension", "name", "username", "enabled", "state", "search")

    def by_extension(self, queryset: QuerySet[Peer], name: str, value: str) -> QuerySet[Peer]:
        return _by_reference(
            queryset,
            value,
            id_field="extension_id",
            name_field="extension__number",
            domain_field="domain__name",
        )

    def by_username(self, queryset: QuerySet[Peer], name: str, value: str) -> QuerySet[Peer]:
        return queryset.filter(credentials__username=value, credentials__valid_until__isnull=True)

    def by_search(self, queryset: QuerySet[Peer], name: str, value: str) -> QuerySet[Peer]:
        extension = Q(extension__number__icontains=value) | Q(extension__display_name__icontains=value)
        return queryset.filter(Q(name__icontains=value) | extension)


class TrunkFilters(DomainFilterSet):
    name = filters.CharFilter(label="The name, exactly.")
    enabled = filters.BooleanFilter()
    search = filters.CharFilter(field_name="name", lookup_expr="icontains", label="Part of the name.")

    class Meta:
        model = Peer
        fields = ("domain", "name", "enabled", "search")


class RegistrationFilters(filters.FilterSet):  # type: ignore[misc]
    domain = filters.CharFilter(
        field_name="peer__domain__name", lookup_expr="iexact", label="The domain's name."
    )
    extension = filters.CharFilter(method="by_extension", label=f"The extension: {BY_NAME}")
    peer = filters.CharFilter(method="by_peer", label=f"The SIP peer: {BY_NAME}")
    aor = filters.CharFilter(method="by_aor", label="The address-of-record, like sip:1001@example.com.")
    search = filters.CharFilter(
        method="by_search", label="Part of the contact, user agent or AOR, or the address's beginning."
    )

    class Meta:
        model = Binding
        fields = ("domain", "extension", "peer", "aor", "search")

    def by_extension(self, queryset: QuerySet[Binding], name: str, value: str) -> QuerySet[Binding]:
        return _by_reference(
            queryset,
            value,
            id_field="extension_id",
            name_field="extension__number",
            domain_field="peer__domain__name",
        )

    def by_peer(self, queryset: QuerySet[Binding], name: str, value: str) -> QuerySet[Binding]:
        return _by_reference(
            queryset, value, id_field="peer_id", name_field="peer__name", domain_field="peer__domain__name"
        )

    def by_aor(self, queryset: QuerySet[Binding], name: str, value: str) -> QuerySet[Binding]:
        return queryset.filter(aor=canonical_aor(value))

    def by_search(self, queryset: QuerySet[Binding], name: str, value: str) -> QuerySet[Binding]:
        text = Q(contact__icontains=value) | Q(user_agent__icontains=value) | Q(aor__icontains=value)
        return queryset.filter(text | Q(received_addr__startswith=value))


class EventFilters(filters.FilterSet):  # type: ignore[misc]
    extension = filters.CharFilter(
        method="by_extension", label=f"The extension: {BY_NAME} A deleted one: its UUID."
    )
    peer = filters.CharFilter(method="by_peer", label=f"The SIP peer: {BY_NAME} A deleted one: its UUID.")
    event = filters.ChoiceFilter(choices=EVENT_KINDS)
    since = filters.IsoDateTimeFilter(
        field_name="at", lookup_expr="gte", label="At or after, like 2026-11-23T00:00:00Z."
    )

    class Meta:
        model = RegistrationEvent
        fields = ("extension", "peer", "event", "since")

    def by_extension(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return _by_owner(queryset, "extension_id", value, Extension.objects.all(), "number")

    def by_peer(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return _by_owner(queryset, "peer_id", value, Peer.objects.all(), "name")


def _by_owner(
    events: QuerySet[Any], column: str, text: str, owners: QuerySet[Any], name_field: str
) -> QuerySet[Any]:
    """Events have no foreign key: by UUID also a deleted owner's are found, by name only an existing one's."""
    reference = parse_reference(text)
    if reference is None:
        return events.none()
    if reference.id is not None:
        return events.filter(**{column: reference.id})
    wanted = reference.matching(id_field="pk", name_field=name_field, domain_field="domain__name")
    return events.filter(**{f"{column}__in": owners.filter(wanted).values("pk")})


def canonical_aor(text: str) -> str:
    """The AOR as it is stored (RFC 3261 §10.3 step 5). Raises ValidationError on the field `aor`."""
    try:
        return address_of_record(parse_sip_uri(text))
    except UriError:
        problem = "This is not a SIP address like sip:1001@example.com."
        raise ValidationError({"aor": ErrorDetail(problem, "invalid")}) from None
