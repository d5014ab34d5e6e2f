"""WebSocket addresses."""

from typing import Any

from django.urls import path

from apps.live.consumers import RegistrationsConsumer

# Django types path() for HTTP views alone; Channels routes applications by it.
application: Any = RegistrationsConsumer.as_asgi()
websocket_urlpatterns: list[Any] = [path("ws/registrations/", application)]
