"""/api/v1/extensions/{extension}/subscriptions/: who is told of its registrations."""

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.base import ApiViewSet
from apps.api.identifiers import find
from apps.api.serializers.subscriptions import SubscriptionSerializer
from apps.api.views.extensions import NAMED
from apps.extensions.models import Extension
from apps.registrar.regevent.models import RegSubscription
from apps.registrar.regevent.selectors import subscriptions_of_extension


class SubscriptionViewSet(ApiViewSet):
    """Subscriptions to the registration state of one extension and of its SIP peers that are live now."""

    serializer_class = SubscriptionSerializer
    queryset = RegSubscription.objects.none()
    ordering = ("aor", "subscription_id")

    @NAMED
    def list(self, request: Request, extension: str) -> Response:
        owner = find(Extension.objects.select_related("domain"), extension, "number")
        return self.page_of(subscriptions_of_extension(owner), SubscriptionSerializer)
