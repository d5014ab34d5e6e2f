"""/api/v1/webhooks/: who is told what happens. All of it is for admins: a URL may hold a secret of the other side."""

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.permissions import AdminOnly
from apps.api.base import ApiViewSet
from apps.api.identifiers import UUID_PATTERN
from apps.api.problems import NOT_FOUND, Problem
from apps.api.serializers.webhooks import (
    AttemptSerializer,
    NewWebhookSerializer,
    Nothing,
    PingSerializer,
    ReplayStart,
    SecretSerializer,
    WebhookChange,
    WebhookCreate,
    WebhookSerializer,
)
from apps.webhooks.models import Attempt, Webhook
from apps.webhooks.services import (
    webhook_create,
    webhook_delete,
    webhook_ping,
    webhook_replay,
    webhook_secret_renew,
    webhook_update,
)

BY_ID = extend_schema(parameters=[OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)])


def webhook_of(webhook_id: str) -> Webhook:
    found = Webhook.objects.filter(pk=webhook_id).first()
    if found is None:
        raise Problem(NOT_FOUND, "There is no webhook of this id.")
    return found


class WebhookViewSet(ApiViewSet):
    serializer_class = WebhookSerializer
    permission_classes = [AdminOnly]
    queryset = Webhook.objects.all()
    lookup_url_kwarg = "id"
    lookup_value_regex = UUID_PATTERN
    ordering = ("name", "id")

    def list(self, request: Request) -> Response:
        return self.page_of(self.get_queryset(), WebhookSerializer)

    @extend_schema(request=WebhookCreate, responses={201: NewWebhookSerializer})
    def create(self, request: Request) -> Response:
        """Is told what happens from now on. The secret that signs is shown once."""
        made, secret = webhook_create(actor=self.actor, **self.body(WebhookCreate))
        shown = {**WebhookSerializer(made).data, "secret": secret}
        return Response(shown, status=status.HTTP_201_CREATED)

    @BY_ID
    def retrieve(self, request: Request, id: str) -> Response:  # noqa: A002 - the address's name
        return Response(WebhookSerializer(webhook_of(id)).data)

    @BY_ID
    @extend_schema(request=WebhookChange, responses=WebhookSerializer)
    def partial_update(self, request: Request, id: str) -> Response:  # noqa: A002 - the address's name
        """Switched on again, it is told what it missed, as far back as the feed goes."""
        fields = self.body(WebhookChange, partial=True)
        changed = webhook_update(webhook=webhook_of(id), actor=self.actor, **fields)
        return Response(WebhookSerializer(changed).data)

    @BY_ID
    def destroy(self, request: Request, id: str) -> Response:  # noqa: A002 - the address's name
        webhook_delete(webhook=webhook_of(id), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @BY_ID
    @extend_schema(request=Nothing, responses={201: PingSerializer})
    def ping(self, request: Request, id: str) -> Response:  # noqa: A002 - the address's name
        """Sends one event of the type `ping` now, and tells what came back."""
        self.body(Nothing)
        answer = webhook_ping(webhook=webhook_of(id), actor=self.actor)
        return Response(PingSerializer(answer).data, status=status.HTTP_201_CREATED)

    @BY_ID
    @extend_schema(request=ReplayStart, responses={201: WebhookSerializer})
    def replay(self, request: Request, id: str) -> Response:  # noqa: A002 - the address's name
        """Tells again what came after an event, or from a time on."""
        (after,) = self.body(ReplayStart).values()
        changed = webhook_replay(webhook=webhook_of(id), after=after, actor=self.actor)
        return Response(WebhookSerializer(changed).data, status=status.HTTP_201_CREATED)

    @BY_ID
    @extend_schema(request=Nothing, responses={201: SecretSerializer})
    def secret(self, request: Request, id: str) -> Response:  # noqa: A002 - the address's name
        """Gives it a new secret, shown once; the old one signs nothing more."""
        self.body(Nothing)
        secret = webhook_secret_renew(webhook=webhook_of(id), actor=self.actor)
        return Response({"secret": secret}, status=status.HTTP_201_CREATED)


class AttemptViewSet(ApiViewSet):
    """The last deliveries of one webhook and its pings, newest first."""

    serializer_class = AttemptSerializer
    permission_classes = [AdminOnly]
    queryset = Attempt.objects.none()
    lookup_url_kwarg = "id"
    ordering = ("-id",)

    @BY_ID
    def list(self, request: Request, id: str) -> Response:  # noqa: A002 - the address's name
        rows: QuerySet[Attempt] = webhook_of(id).attempts.all()
        return self.page_of(rows, AttemptSerializer)
