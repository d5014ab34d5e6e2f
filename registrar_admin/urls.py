"""Every address of the site, by room."""

from django.urls import include, path

from registrar_admin.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("api/", include("apps.api.urls")),
    path("", include("apps.console.urls")),
]
