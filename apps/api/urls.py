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
from apps.api.views.lookup import LookupView
from apps.api.views.peers import CredentialViewSet, PeerViewSet
from apps.api.views.registrations import EventViewSet, RegistrationViewSet
from apps.api.views.subscriptions import SubscriptionViewSet
from apps.api.views.traces import TracedMessageViewSet, TraceViewSet
from apps.api.views.trunk_registration import TrunkRegistrationViewSet
from apps.api.views.trunks import IpAddressViewSet, TrunkViewSet

router = SimpleRouter()
router.trailing_slash = "/?"
router.register("domains", DomainViewSet, "domain")
router.register("extensions", ExtensionViewSet, "extension")
router.register("peers", PeerViewSet, "peer")
router.register("trunks", TrunkViewSet, "trunk")
router.register("registrations", RegistrationViewSet, "registration")
router.register("events", EventViewSet, "event")
router.register("blocked-sources", BlockedSourceViewSet, "blocked-source")


EXTENSION = r"^extensions/(?P<extension>[^/]+)"
PEER = r"^peers/(?P<peer>[^/]+)"
TRUNK = r"^trunks/(?P<trunk>[^/]+)"

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
