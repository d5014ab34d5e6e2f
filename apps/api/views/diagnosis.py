"""/api/v1/peers/{peer}/diagnosis/ and /api/v1/extensions/{extension}/diagnosis/: why a phone does not ring."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiView
from apps.api.filters import refuse_unknown_parameters
from apps.api.identifiers import find
from apps.api.serializers.diagnosis import DiagnosisSerializer, ExtensionDiagnosisSerializer
from apps.diagnosis.selectors import Diagnosis, diagnoses, diagnoses_of_extension, said_together
from apps.extensions.models import Extension, Peer, PeerKind


class PeerDiagnosisView(ApiView):
    @extend_schema(
        operation_id="peer_diagnosis",
        parameters=[
            OpenApiParameter("peer", str, OpenApiParameter.PATH, description="UUID, name, or name@domain.")
        ],
        responses=DiagnosisSerializer,
    )
    def get(self, request: Request, peer: str) -> Response:
        """The verdict on one SIP peer, from the facts at this moment."""
        refuse_unknown_parameters(request, frozenset())
        devices = Peer.objects.filter(kind=PeerKind.DEVICE).select_related("domain", "extension")
        [diagnosis] = diagnoses([find(devices, peer, "name")])
        return Response(DiagnosisSerializer(_shown(diagnosis)).data)


class ExtensionDiagnosisView(ApiView):
    @extend_schema(
        operation_id="extension_diagnosis",
        parameters=[
            OpenApiParameter(
                "extension", str, OpenApiParameter.PATH, description="UUID, number, or number@domain."
            )
        ],
        responses=ExtensionDiagnosisSerializer,
    )
    def get(self, request: Request, extension: str) -> Response:
        """The verdict on an extension, and on each of its SIP peers."""
        refuse_unknown_parameters(request, frozenset())
        wanted = find(Extension.objects.select_related("domain"), extension, "number")
        found = diagnoses_of_extension(wanted)
        first = next(iter(said_together(found)), None)
        shown = {
            "extension": wanted.number,
            "extension_id": wanted.pk,
            "domain": wanted.domain.name,
            "peer": first.peer.name if first else None,
            "verdict": first.finding if first else None,
            "peers": [_shown(diagnosis) for diagnosis in found],
        }
        return Response(ExtensionDiagnosisSerializer(shown).data)


def _shown(diagnosis: Diagnosis) -> dict[str, Any]:
    peer = diagnosis.peer
    return {
        "peer": peer.name,
        "peer_id": peer.pk,
        "extension": peer.extension.number if peer.extension else None,
        "domain": peer.domain.name,
        "checked_at": diagnosis.facts.now,
        "verdict": diagnosis.verdict,
        "findings": diagnosis.findings,
    }
