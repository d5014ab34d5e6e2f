"""What the OpenAPI description says beyond the views: how to sign in, and the problems every operation may answer."""

from typing import Any, Final, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from apps.api.problems import CONTENT_TYPE
from apps.api.serializers.problems import ProblemSerializer

_ALWAYS: Final = {"401": "No or no valid token", "403": "The token's scope or role does not allow this"}
_WITH_ID: Final = {"404": "There is nothing under this id or name", "409": "Several domains have this name"}
_WITH_BODY: Final = {
    "409": "Another change came first",
    "413": "The body is too large",
    "415": "The body is not JSON",
}


class ApiTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call, misc, unused-ignore]
    target_class = "apps.accounts.authentication.ApiTokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token ra_…`, made by `manage.py apitoken create`. Scope `read` reads, `write` changes.",
        }


class ProblemSchema(AutoSchema):
    """Adds problem answers: 401 and 403 everywhere, the others where they can happen."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        problem = self.resolve_serializer(ProblemSerializer, "response").ref
        for status, description in self._problems().items():
            bodies.setdefault(
                status, {"description": description, "content": {CONTENT_TYPE: {"schema": problem}}}
            )
        return bodies

    def _problems(self) -> dict[str, str]:
        problems = dict(_ALWAYS)
        if "{" in self.path:
            problems |= _WITH_ID
        if self.method in ("POST", "PUT", "PATCH"):
            problems |= _WITH_BODY
        if self.method != "DELETE":
            problems["400"] = "A parameter or a field has to be corrected"
        return problems
