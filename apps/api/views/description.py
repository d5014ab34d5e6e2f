"""/api/schema/ and /api/docs/: the API described, for programs and for people.

Both need somebody who is signed in, at the console or (the schema) by token: what can be asked here is nobody else's
business. The page keeps the site's Content-Security-Policy: its script is a file and it has no style of its own.
"""

from typing import Any

from django.contrib.auth.decorators import login_required
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated

from apps.accounts.authentication import ApiTokenAuthentication


class SchemaView(SpectacularJSONAPIView):  # type: ignore[misc, unused-ignore]
    authentication_classes = [ApiTokenAuthentication, SessionAuthentication]
    permission_classes = [IsAuthenticated]


class DocsView(SpectacularSwaggerSplitView):  # type: ignore[misc, unused-ignore]
    """The framework's own check is off: as_view's login_required sends a browser to the sign-in page instead."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    url_name = "api:schema"
    template_name = "api/docs.html"

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        return login_required(super().as_view(**initkwargs))
