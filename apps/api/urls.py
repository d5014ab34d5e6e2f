"""Addresses of this door. Each is good with and without its last slash: a redirected POST would lose its body."""

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from apps.api.base import Unknown
from apps.api.identifiers import UUID_PATTERN
from apps.api.views.blocking import BlockedSourceViewSet
from apps.api.views.description import DocsView, SchemaView
from apps.api.views.diagnosis import ExtensionDiagnosisView, PeerDiagnosisView
from apps.api.views.domains import DomainViewSet
from apps.api.views.extensions import ExtensionViewSet
from apps.api.views.feed import EventFeedView, EventStreamView
from apps.api.views.lookup import LookupView
from apps.api.views.peers import CredentialViewSet, PeerViewSet
from apps.api.views.registrations import EventViewSet, RegistrationViewSet
from apps.api.views.subscriptions import SubscriptionViewSet
from apps.api.views.traces import TracedMessageViewSet, TraceViewSet
from apps.api.views.trunk_parts import TrunkNumberViewSet, TrunkStatusView, TrustedHostViewSet
from apps.api.views.trunk_registration import TrunkRegistrationViewSet
from apps.api.views.trunks import IpAddressViewSet, TrunkViewSet
from apps.api.views.webhooks import AttemptViewSet, WebhookViewSet

router = SimpleRouter()
router.trailing_slash = "/?"
router.register("domains", DomainViewSet, "domain")
router.register("extensions", ExtensionViewSet, "extension")
router.register("peers", PeerViewSet, "peer")
router.register("trunks", TrunkViewSet, "trunk")
router.register("registrations", RegistrationViewSet, "registration")
router.register("events", EventViewSet, "event")
router.register("blocked-sources", BlockedSourceViewSet, "blocked-source")
router.register("webhooks", WebhookViewSet, "webhook")


EXTENSION = r"^extensions/(?P<extension>[^/]+)"
PEER = r"^peers/(?P<peer>[^/]+)"
TRUNK = r"^trunks/(?P<trunk>[^/]+)"
WEBHOOK = rf"^webhooks/(?P<id>{UUID_PATTERN})"

v1 = [
    *router.urls,
    re_path(rf"{PEER}/diagnosis/?$", PeerDiagnosisView.as_view(), name="peer-diagnosis"),
    re_path(rf"{EXTENSION}/diagnosis/?$", ExtensionDiagnosisView.as_view(), name="extension-diagnosis"),
    re_path(
        rf"{EXTENSION}/subscriptions/?$",
        SubscriptionViewSet.as_view({"get": "list"}),
        name="subscription-list",
    ),
    re_path(rf"{PEER}/credentials/?$", CredentialViewSet.as_view({"get": "list"}), name="credential-list"),
    re_path(
        rf"{PEER}/credentials/rotate/?$",
        CredentialViewSet.as_view({"post": "rotate"}),
        name="credential-rotate",
    ),
    re_path(
        rf"{PEER}/trace/?$",
        TraceViewSet.as_view({"get": "retrieve", "post": "create", "delete": "destroy"}),
        name="trace",
    ),
    re_path(
        rf"{PEER}/trace/messages/?$", TracedMessageViewSet.as_view({"get": "list"}), name="trace-messages"
    ),
    re_path(
        rf"{TRUNK}/ip_addresses/?$",
        IpAddressViewSet.as_view({"get": "list", "post": "create"}),
        name="ip-address-list",
    ),
    re_path(
        rf"{TRUNK}/ip_addresses/(?P<id>{UUID_PATTERN})/?$",
        IpAddressViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="ip-address-detail",
    ),
    re_path(
        rf"{TRUNK}/hosts/?$",
        TrustedHostViewSet.as_view({"get": "list", "post": "create"}),
        name="trusted-host-list",
    ),
    re_path(
        rf"{TRUNK}/hosts/(?P<id>{UUID_PATTERN})/?$",
        TrustedHostViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="trusted-host-detail",
    ),
    re_path(
        rf"{TRUNK}/numbers/?$",
        TrunkNumberViewSet.as_view({"get": "list", "post": "create"}),
        name="trunk-number-list",
    ),
    re_path(
        rf"{TRUNK}/numbers/(?P<id>{UUID_PATTERN})/?$",
        TrunkNumberViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="trunk-number-detail",
    ),
    re_path(rf"{TRUNK}/status/?$", TrunkStatusView.as_view(), name="trunk-status"),
    re_path(r"^events/feed/?$", EventFeedView.as_view(), name="event-feed"),
    re_path(r"^events/stream/?$", EventStreamView.as_view(), name="event-stream"),
    *(
        re_path(rf"{WEBHOOK}/{name}/?$", WebhookViewSet.as_view({"post": name}), name=f"webhook-{name}")
        for name in ("ping", "replay", "secret")
    ),
    re_path(rf"{WEBHOOK}/attempts/?$", AttemptViewSet.as_view({"get": "list"}), name="webhook-attempts"),
    re_path(
        rf"{TRUNK}/registration/?$",
        TrunkRegistrationViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}),
        name="trunk-registration",
    ),
    re_path(r"^lookup/?$", LookupView.as_view(), name="lookup"),
]

app_name = "api"
urlpatterns = [
    path("v1/", include(v1)),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(), name="docs"),
    re_path(r"^.*$", Unknown.as_view(), name="unknown"),
]
