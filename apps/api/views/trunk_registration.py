"""/api/v1/trunks/{trunk}/registration/: our registration with the trunk's carrier."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiViewSet
from apps.api.identifiers import find
from apps.api.problems import NOT_FOUND, Problem
from apps.api.serializers.trunk_registration import TrunkRegistrationPut, TrunkRegistrationSerializer
from apps.api.views.trunks import NAMED, trunks
from apps.extensions.models import Peer
from apps.trunks.uplink.selectors import UplinkView, uplink_state
from apps.trunks.uplink.services import registration_remove, registration_set


class TrunkRegistrationViewSet(ApiViewSet):
    http_method_names = ["get", "put", "delete", "head"]
    serializer_class = TrunkRegistrationSerializer
    field_names = {"expires_s": "expires"}

    @NAMED
    def retrieve(self, request: Request, trunk: str) -> Response:
        """What we register with the carrier, and how it stands."""
        return Response(TrunkRegistrationSerializer(_found(self._trunk())).data)

    @NAMED
    @extend_schema(request=TrunkRegistrationPut, responses=TrunkRegistrationSerializer)
    def update(self, request: Request, trunk: str) -> Response:
        """Registers with the carrier so from now on; a change, and the same again, is tried at once."""
        found = self._trunk()
        registration_set(trunk=found, actor=self.actor, **self.body(TrunkRegistrationPut))
        return Response(TrunkRegistrationSerializer(_found(found)).data)

    @NAMED
    def destroy(self, request: Request, trunk: str) -> Response:
        """Signs off at the carrier and forgets the password."""
        if not registration_remove(trunk=self._trunk(), actor=self.actor):
            raise Problem(NOT_FOUND, "This trunk does not register with its carrier.")
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _trunk(self) -> Peer:
        return find(trunks(), self.kwargs["trunk"], "name")


def _found(trunk: Peer) -> UplinkView:
    view = uplink_state(trunk)
    if view.registration is None:
        raise Problem(NOT_FOUND, "This trunk does not register with its carrier.")
    return view
