"""/api/v1/peers/ and the credentials under each."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiViewSet
from apps.api.filters import PeerFilters
from apps.api.identifiers import find, find_named
from apps.api.serializers.peers import (
    CredentialRotate,
    CredentialSerializer,
    NewPeerSerializer,
    PeerCreate,
    PeerSerializer,
    PeerSettings,
    RotatedSerializer,
    shown_once,
)
from apps.extensions.models import Credential, Extension, Peer, PeerKind
from apps.extensions.services import PEER_FIELDS, NewPeer, credential_rotate, peer_create
from apps.registrar.selectors import peers_with_state
from apps.registrar.services import peer_delete, peer_update

NAMED = extend_schema(
    parameters=[
        OpenApiParameter(
            "peer", OpenApiTypes.STR, OpenApiParameter.PATH, description="Its UUID, its name, or name@domain."
        )
    ]
)


def peers_to_show() -> QuerySet[Peer]:
    """Devices with state and current user name: two queries however many."""
    current = Credential.objects.filter(valid_until__isnull=True).only("peer_id", "username")
    return peers_with_state().prefetch_related(
        Prefetch("credentials", queryset=current, to_attr="current_credentials")
    )


class PeerViewSet(ApiViewSet):
    serializer_class = PeerSerializer
    filterset_class = PeerFilters
    lookup_url_kwarg = "peer"
    lookup_value_regex = "[^/]+"
    ordering = ("name", "id")

    def get_queryset(self) -> QuerySet[Peer]:
        return peers_to_show()

    def walked_rows(self) -> QuerySet[Peer]:
        return Peer.objects.filter(kind=PeerKind.DEVICE)

    def list(self, request: Request) -> Response:
        state = request.query_params.get("state")
        ids = self.ids_of_page(self.walked_rows().only("id", "name"))
        found = {peer.pk: peer for peer in self.get_queryset().filter(pk__in=ids)}
        peers = [found[each] for each in ids if each in found]
        shown = [peer for peer in peers if state is None or getattr(peer, "state", None) == state]
        return self.paged(shown, PeerSerializer)

    @NAMED
    def retrieve(self, request: Request, peer: str) -> Response:
        return Response(PeerSerializer(self.named(self.get_queryset())).data)

    @extend_schema(request=PeerCreate, responses={201: NewPeerSerializer})
    def create(self, request: Request) -> Response:
        """Makes one more SIP peer of an extension, and shows its password and registration string once."""
        fields = self.body(PeerCreate)
        new = self._create(fields)
        made = self.get_queryset().get(pk=new.peer.pk)
        return Response({**PeerSerializer(made).data, **shown_once(new)}, status=status.HTTP_201_CREATED)

    @NAMED
    @extend_schema(request=PeerSettings, responses=PeerSerializer)
    def partial_update(self, request: Request, peer: str) -> Response:
        fields = self.body(PeerSettings, partial=True)
        changed = peer_update(peer=self.named(self.get_queryset()), actor=self.actor, **fields)
        return Response(PeerSerializer(self.get_queryset().get(pk=changed.pk)).data)

    @NAMED
    def destroy(self, request: Request, peer: str) -> Response:
        """Removes the SIP peer and ends its registrations."""
        peer_delete(peer=self.named(self.get_queryset()), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _create(self, fields: dict[str, Any]) -> NewPeer:
        settings = {name: fields.pop(name) for name in PEER_FIELDS & set(fields)}
        extensions = Extension.objects.select_related("domain")
        extension = find_named("extension", extensions, fields.pop("extension"), "number")
        with transaction.atomic():
            new = peer_create(extension=extension, actor=self.actor, **fields)
            peer_update(peer=new.peer, actor=self.actor, **settings)
        return new


class CredentialViewSet(ApiViewSet):
    """The credentials of one SIP peer: the current one and those still good for a while after a rotation."""

    serializer_class = CredentialSerializer
    queryset = Credential.objects.none()
    ordering = ("-created_at", "-id")

    @NAMED
    def list(self, request: Request, peer: str) -> Response:
        rows = Credential.objects.filter(peer=self._peer())
        return self.page_of(rows.only("id", "username", "created_at", "valid_until"), CredentialSerializer)

    @NAMED
    @extend_schema(request=CredentialRotate, responses={201: RotatedSerializer})
    def rotate(self, request: Request, peer: str) -> Response:
        """Gives the SIP peer a new password, shown once; the old one stays good for overlap_s."""
        fields = self.body(CredentialRotate)
        overlap = timedelta(seconds=fields["overlap_s"])
        new = credential_rotate(
            peer=self._peer(), actor=self.actor, password=fields.get("password"), overlap=overlap
        )
        shown = {**CredentialSerializer(new.credential).data, **shown_once(new)}
        return Response(shown, status=status.HTTP_201_CREATED)

    def _peer(self) -> Peer:
        return find(peers_with_state(), self.kwargs["peer"], "name")
