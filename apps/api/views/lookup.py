"""/api/v1/lookup/: where a call to an address goes right now."""

from typing import Final

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiView
from apps.api.filters import canonical_aor, refuse_unknown_parameters
from apps.api.identifiers import Reference, find, parse_reference
from apps.api.problems import NOT_FOUND, UNKNOWN_EXTENSION, Problem
from apps.api.serializers.problems import ProblemSerializer
from apps.api.serializers.registrations import LookupSerializer
from apps.api.views.registrations import registrations_to_show
from apps.extensions.models import Extension, Peer, PeerKind
from apps.registrar.gruu import aor_of_gruu, bindings_of_gruu, gruu_key, is_gruu
from apps.registrar.models import Binding
from apps.registrar.selectors import live_bindings, ringing_order
from apps.sip.uri import SipUri, aor_of, parse_sip_uri

PARAMETERS: Final = frozenset({"aor", "extension", "domain"})


class LookupView(ApiView):
    @extend_schema(
        operation_id="lookup",
        parameters=[
            OpenApiParameter(
                "aor",
                str,
                description="Like sip:1001@example.com, or a public or temporary GRUU. This or `extension`.",
            ),
            OpenApiParameter(
                "extension", str, description="An extension: its UUID, number or number@domain."
            ),
            OpenApiParameter("domain", str, description="The extension's domain."),
        ],
        responses={
            200: LookupSerializer,
            (404, "application/problem+json"): OpenApiResponse(ProblemSerializer, "`unknown_extension`"),
            (409, "application/problem+json"): OpenApiResponse(ProblemSerializer, "Several domains have it"),
        },
    )
    def get(self, request: Request) -> Response:
        """The live contacts of an extension (all its SIP peers), of one SIP peer or of one device (its GRUU), in the
        order a call tries them."""
        refuse_unknown_parameters(request, PARAMETERS)
        gruu = _gruu(request.query_params.get("aor"))
        found = _found(_wanted(request)) if gruu is None else _reached(gruu)
        return Response(LookupSerializer(found).data)


def _gruu(aor: str | None) -> SipUri | None:
    """The GRUU in place of an AOR (RFC 5627). Raises ValidationError if it is no SIP address at all."""
    if aor is None or not canonical_aor(aor):
        return None
    uri = parse_sip_uri(aor)
    return uri if is_gruu(uri) else None


def _reached(gruu: SipUri) -> dict[str, object]:
    """What a call to the GRUU reaches; unknown like an AOR that is not served, if that is nothing."""
    key = gruu_key(settings.SECRET_KEY)
    aor = aor_of_gruu(key, gruu)
    owner = _owner(aor) if aor is not None else None
    contacts = bindings_of_gruu(key, gruu, _contacts(owner)) if owner is not None else []
    if owner is None or not contacts:
        raise Problem(UNKNOWN_EXTENSION, "No device is registered under this GRUU.")
    return {**_described(owner), "contacts": contacts}


def _wanted(request: Request) -> Extension | Peer:
    aor, extension = request.query_params.get("aor"), request.query_params.get("extension")
    if (aor is None) == (extension is None):
        raise ValidationError({"aor": ErrorDetail("Give either aor or extension.", "required")})
    if aor is not None:
        return _owner(aor)
    domain = request.query_params.get("domain")
    return _known_extension(f"{extension}@{domain}" if domain else str(extension))


def _owner(aor: str) -> Extension | Peer:
    """An extension owns its address even if a SIP peer of it has the same name."""
    uri = parse_sip_uri(canonical_aor(aor))
    text = f"{uri.user}@{uri.host}"
    try:
        return _known_extension(text)
    except Problem as unknown:
        reference = parse_reference(text)
        peer = _peer(reference) if reference is not None else None
        if peer is None:
            raise unknown from None
        return peer


def _known_extension(text: str) -> Extension:
    try:
        return find(Extension.objects.select_related("domain"), text, "number")
    except Problem as problem:
        if problem.kind is NOT_FOUND:
            raise Problem(UNKNOWN_EXTENSION, f"{text[:100]} is not served here.") from None
        raise


def _peer(reference: Reference) -> Peer | None:
    devices = Peer.objects.select_related("domain", "extension").filter(kind=PeerKind.DEVICE)
    return devices.filter(name=reference.name, domain__name=reference.domain).first()


def _found(wanted: Extension | Peer) -> dict[str, object]:
    return {**_described(wanted), "contacts": _contacts(wanted)}


def _contacts(owner: Extension | Peer) -> list[Binding]:
    own = live_bindings().filter(**{"extension" if isinstance(owner, Extension) else "peer": owner})
    return ringing_order(registrations_to_show(own))


def _described(wanted: Extension | Peer) -> dict[str, object]:
    is_extension = isinstance(wanted, Extension)
    name = wanted.number if isinstance(wanted, Extension) else wanted.name
    extension = wanted if isinstance(wanted, Extension) else wanted.extension
    return {
        "aor": aor_of(name, wanted.domain.name),
        "extension": extension.number if extension else None,
        "peer": None if is_extension else name,
        "domain": wanted.domain.name,
        "enabled": wanted.enabled and (extension is None or extension.enabled),
    }
