"""WebSocket addresses."""

from typing import Any

from django.urls import path

from apps.live.consumers import registrations_page

# Django types path() for HTTP views alone; Channels routes applications by it.
application: Any = registrations_page
websocket_urlpatterns: list[Any] = [path("ws/registrations/", application)]
