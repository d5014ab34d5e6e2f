"""The query parameters of the lists. A parameter nobody knows is refused, so a typing error never lists everything."""

from typing import Any, Final, TypeVar
from uuid import UUID

import django_filters as filters  # type: ignore[import-untyped]
from django.db.models import Model, Q, QuerySet
from django_filters.rest_framework import DjangoFilterBackend  # type: ignore[import-untyped]
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.api.identifiers import parse_reference
from apps.extensions.models import Credential, Domain, Extension, Peer
from apps.registrar.models import Binding, RegistrationEvent
from apps.registrar.outcomes import EventKind
from apps.registrar.overview.buckets import buckets_of
from apps.registrar.overview.listing import catch_up, extensions_found, peers_found, peers_in
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


# A name may be that of an extension or a SIP peer in every domain.
MOST_NAMED: Final = 1000


def _ids_named(owners: QuerySet[Any], text: str, name_field: str) -> list[UUID]:
    """Looked up first: an index of the list then is asked for them, instead of the list for their names."""
    reference = parse_reference(text)
    if reference is None:
        return []
    wanted = reference.matching(id_field="pk", name_field=name_field, domain_field="domain__name")
    return list(owners.filter(wanted).order_by().values_list("pk", flat=True)[:MOST_NAMED])


def _walk(request: Request | None) -> None:
    """No index knows the filter: the list is looked through, so many rows a page."""
    if request is not None:
        request.parser_context["view"].walks = True


def _chosen(queryset: QuerySet[Row], found: list[UUID] | None, request: Request | None) -> QuerySet[Row]:
    if found is not None:
        return queryset.filter(pk__in=found)
    _walk(request)
    return queryset


class DomainFilterSet(filters.FilterSet):  # type: ignore[misc]
    domain = filters.CharFilter(method="by_domain", label="The domain's name.")

    def by_domain(self, queryset: QuerySet[Row], name: str, value: str) -> QuerySet[Row]:
        return queryset.filter(domain__in=_domain_ids(value))


class ExtensionFilters(DomainFilterSet):
    extension = filters.CharFilter(field_name="number", label="The number, exactly.")
    enabled = filters.BooleanFilter()
    search = filters.CharFilter(method="by_search", label="Part of the number or of the display name.")

    class Meta:
        model = Extension
        fields = ("domain", "extension", "enabled", "search")

    def by_search(self, queryset: QuerySet[Extension], name: str, value: str) -> QuerySet[Extension]:
        named = queryset.filter(Q(number__icontains=value) | Q(display_name__icontains=value))
        return _chosen(named, extensions_found(value), self.request)


class PeerFilters(DomainFilterSet):
    extension = filters.CharFilter(method="by_extension", label=f"The extension: {BY_NAME}")
    name = filters.CharFilter(label="The name, exactly.")
    username = filters.CharFilter(method="by_username", label="The user name the phone signs in with.")
    enabled = filters.BooleanFilter()
    state = filters.ChoiceFilter(method="by_state", choices=PeerState.choices)
    search = filters.CharFilter(method="by_search", label="Part of the name, number or display name.")

    class Meta:
        model = Peer
        fields = ("domain", "extension", "name", "username", "enabled", "state", "search")

    def by_extension(self, queryset: QuerySet[Peer], name: str, value: str) -> QuerySet[Peer]:
        return queryset.filter(extension_id__in=_ids_named(Extension.objects.all(), value, "number"))

    def by_username(self, queryset: QuerySet[Peer], name: str, value: str) -> QuerySet[Peer]:
        current = Credential.objects.filter(username=value, valid_until__isnull=True)
        return queryset.filter(pk__in=list(current.values_list("peer_id", flat=True)[:MOST_NAMED]))

    def by_state(self, queryset: QuerySet[Peer], name: str, value: str) -> QuerySet[Peer]:
        """By the overview; the view leaves out who is not in this state any more."""
        catch_up()
        return _chosen(queryset.filter(overview__bucket__in=buckets_of(value)), peers_in(value), self.request)

    def by_search(self, queryset: QuerySet[Peer], name: str, value: str) -> QuerySet[Peer]:
        extension = Q(extension__number__icontains=value) | Q(extension__display_name__icontains=value)
        return _chosen(
            queryset.filter(Q(name__icontains=value) | extension), _peers_found(value), self.request
        )


class TrunkFilters(DomainFilterSet):
    name = filters.CharFilter(label="The name, exactly.")
    enabled = filters.BooleanFilter()
    search = filters.CharFilter(field_name="name", lookup_expr="icontains", label="Part of the name.")

    class Meta:
        model = Peer
        fields = ("domain", "name", "enabled", "search")


class RegistrationFilters(filters.FilterSet):  # type: ignore[misc]
    domain = filters.CharFilter(method="by_domain", label="The domain's name.")
    extension = filters.CharFilter(method="by_extension", label=f"The extension: {BY_NAME}")
    peer = filters.CharFilter(method="by_peer", label=f"The SIP peer: {BY_NAME}")
    aor = filters.CharFilter(method="by_aor", label="The address-of-record, like sip:1001@example.com.")
    search = filters.CharFilter(
        method="by_search", label="Part of the contact, user agent or AOR, or the address's beginning."
    )

    class Meta:
        model = Binding
        fields = ("domain", "extension", "peer", "aor", "search")

    def by_domain(self, queryset: QuerySet[Binding], name: str, value: str) -> QuerySet[Binding]:
        _walk(self.request)
        return queryset.filter(peer__domain__in=_domain_ids(value))

    def by_extension(self, queryset: QuerySet[Binding], name: str, value: str) -> QuerySet[Binding]:
        return queryset.filter(extension_id__in=_ids_named(Extension.objects.all(), value, "number"))

    def by_peer(self, queryset: QuerySet[Binding], name: str, value: str) -> QuerySet[Binding]:
        return queryset.filter(peer_id__in=_ids_named(Peer.objects.all(), value, "name"))

    def by_aor(self, queryset: QuerySet[Binding], name: str, value: str) -> QuerySet[Binding]:
        return queryset.filter(aor=canonical_aor(value))

    def by_search(self, queryset: QuerySet[Binding], name: str, value: str) -> QuerySet[Binding]:
        text = Q(contact__icontains=value) | Q(user_agent__icontains=value) | Q(aor__icontains=value)
        matching = queryset.filter(text | Q(received_addr__startswith=value))
        found = None if _may_be_of_the_domain(value) else _peers_found(value)
        if found is not None:
            return matching.filter(peer_id__in=found)
        _walk(self.request)
        return matching


class EventFilters(filters.FilterSet):  # type: ignore[misc]
    extension = filters.CharFilter(
        method="by_extension", label=f"The extension: {BY_NAME} A deleted one: its UUID."
    )
    peer = filters.CharFilter(method="by_peer", label=f"The SIP peer: {BY_NAME} A deleted one: its UUID.")
    event = filters.ChoiceFilter(method="by_event", choices=EVENT_KINDS)
    since = filters.IsoDateTimeFilter(
        field_name="at", lookup_expr="gte", label="At or after, like 2026-11-23T00:00:00Z."
    )

    class Meta:
        model = RegistrationEvent
        fields = ("extension", "peer", "event", "since")

    def by_extension(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return queryset.filter(extension_id__in=_owner_ids(value, Extension.objects.all(), "number"))

    def by_peer(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return queryset.filter(peer_id__in=_owner_ids(value, Peer.objects.all(), "name"))

    def by_event(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if not {"extension", "peer"} & set(self.data):
            _walk(self.request)
        return queryset.filter(event=value)


def _owner_ids(text: str, owners: QuerySet[Any], name_field: str) -> list[UUID]:
    """Events have no foreign key: by UUID also a deleted owner's are found, by name only an existing one's."""
    reference = parse_reference(text)
    if reference is not None and reference.id is not None:
        return [reference.id]
    return _ids_named(owners, text, name_field)


def _peers_found(text: str) -> list[UUID] | None:
    catch_up()
    return peers_found(text)


def _may_be_of_the_domain(text: str) -> bool:
    """Of an AOR only the user name is among what finds a peer."""
    return bool({":", "@"} & set(text)) or Domain.objects.filter(name__icontains=text).exists()


def _domain_ids(name: str) -> list[UUID]:
    return list(Domain.objects.filter(name__iexact=name).values_list("pk", flat=True))


def canonical_aor(text: str) -> str:
    """The AOR as it is stored (RFC 3261 §10.3 step 5). Raises ValidationError on the field `aor`."""
    try:
        return address_of_record(parse_sip_uri(text))
    except UriError:
        problem = "This is not a SIP address like sip:1001@example.com."
        raise ValidationError({"aor": ErrorDetail(problem, "invalid")}) from None
